"""Training in a program or a notebook: :func:`arcvae.train_model`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from arcvae.app.command import run_from_python
from arcvae.app.loading import load
from arcvae.app.preflight import check_training
from arcvae.training.record import RunRecord


class TrainedModel(NamedTuple):
    """What a training run leaves.

    Attributes:
        record: Its figures, what they stand beside, and how to repeat it.
        model: The best checkpoint to compute with, as :func:`arcvae.load` returns it.
        folder: The run folder.
    """

    record: RunRecord
    model: Any
    folder: Path


def train_model(overrides: Sequence[str] = ()) -> TrainedModel:
    """Train a model, as ``python -m arcvae.train`` with the same overrides does.

    Losses and models that the program itself has registered can be named by the overrides. Output goes where that of
    the command would go, the run folder is the same, and an interrupt leaves a checkpoint to continue from.

    Args:
        overrides: As on the command line, for example ``["loss=option_b", "trainer=quick_test"]``.

    Returns:
        The record of the run, the model, and the run folder.

    Raises:
        ArcvaeError: What the command would report in a line and end with.
        KeyboardInterrupt: Interrupted.
        TypeError: A text instead of a list of them.
    """
    if isinstance(overrides, str):
        raise TypeError(f"overrides must be a list of texts, got the text {overrides!r}; write [{overrides!r}]")
    folder = run_from_python("train", "arcvae.app.jobs.train.train", check_training, overrides)
    return TrainedModel(RunRecord.read(folder), load(folder), folder)
