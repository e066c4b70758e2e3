"""The contract of a measurement: what a study finds out about trained models beyond the metrics of their runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Report:
    """What a measurement says of several models.

    Attributes:
        summary: Markdown for the terminal.
        text: Markdown of everything, the summary included.
        pictures: Functions that return a matplotlib figure, by name.
    """

    summary: str
    text: str
    pictures: Mapping[str, Callable[[], Any]] = field(default_factory=dict)


class Measurement:
    """Something that a study measures of trained models beyond the metrics of their runs, each model by itself."""

    def corpus(self, path: str | None, output_dir: str) -> Path:
        """The corpus to measure on.

        Args:
            path: The one that was asked for, or that the models were trained on; None: there is none.
            output_dir: Where to make one.
        """
        raise NotImplementedError

    def measure(self, model: Any, corpus: Path, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Measure one model.

        Args:
            model: As :func:`arcvae.load` returns it.
            corpus: See :meth:`corpus`.
            settings: The node ``study.measure``.

        Returns:
            Results that JSON can hold.
        """
        raise NotImplementedError

    def report(self, results: Mapping[str, Sequence[Mapping[str, Any]]]) -> Report:
        """A report on several models.

        Args:
            results: What :meth:`measure` has returned for each run of each variant.
        """
        raise NotImplementedError
