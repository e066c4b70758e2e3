"""Training in a program or a notebook: :func:`arcvae.train_model`."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from arcvae.app.command import require_one_process, run_from_python
from arcvae.app.opening import open_model
from arcvae.app.preflight import check_training
from arcvae.errors import ArcvaeError, ConfigError
from arcvae.training.record import RunRecord

log = logging.getLogger("arcvae")

_FLAGS: Final = ("--config-dir", "-cd", "--multirun", "-m")
"""Those that a program may give, and those of a sweep, which is refused by its name."""


class TrainedModel(NamedTuple):
    """What a training run leaves.

    Attributes:
        record: Its figures, what they stand beside, and how to repeat it.
        model: The best checkpoint to compute with, as :func:`arcvae.load` returns it; None, with a warning, if its task
            has nothing to open.
        folder: The run folder.
    """

    record: RunRecord
    model: Any
    folder: Path


def train_model(overrides: Sequence[str] = ()) -> TrainedModel:
    """Train a model, as ``python -m arcvae.train`` with the same overrides does.

    Losses, models and tasks that the program itself has registered can be named by the overrides. Output goes where
    that of the command would go, the run folder is the same, and an interrupt leaves a checkpoint to continue from.

    Args:
        overrides: As on the command line, for example ``["loss=option_b", "trainer=quick_test"]``; no flag but
            ``--config-dir``, and no trainer that starts processes of its own.

    Returns:
        The record of the run, the model, and the run folder.

    Raises:
        ArcvaeError: What the command would report in a line and end with.
        KeyboardInterrupt: Interrupted; it says how to go on.
        TypeError: A text instead of a list of them.
    """
    if isinstance(overrides, str):
        raise TypeError(f"overrides must be a list of texts, got the text {overrides!r}; write [{overrides!r}]")
    if flags := [word for word in overrides if word.startswith("-") and word.partition("=")[0] not in _FLAGS]:
        raise ConfigError(f"{flags[0]} is for the command line; from Python there is no flag but --config-dir")
    plugins: list[str] = []

    def check(config: dict[str, Any]) -> None:
        require_one_process(config, "run python -m arcvae.train")
        check_training(config)
        plugins[:] = config["plugins"]

    folder = run_from_python("train", "arcvae.app.jobs.train.train", check, overrides)
    return TrainedModel(RunRecord.read(folder), _opened(folder, plugins), folder)


def _opened(folder: Path, plugins: Sequence[str]) -> Any:
    """The model of a run; a task that exports none, or cannot open it, costs the caller nothing of the record."""
    try:
        return open_model(folder, plugins).model
    except ArcvaeError as error:
        log.warning("There is no model to compute with: %s", error)
        return None
