"""Checkpoints: written atomically, read as plain data, with the facts that it takes to use one by itself."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lightning.fabric.plugins.io.checkpoint_io import CheckpointIO
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, ModelCheckpoint

from arcvae.errors import NonFiniteError
from arcvae.io.exports import CHECKPOINT_FORMAT
from arcvae.io.tensors import load_torch, save_torch


class AtomicCheckpointIO(CheckpointIO):
    """Lightning's checkpoints through :func:`save_torch` and :func:`load_torch`.

    Lightning's own writer leaves a truncated file after a crash, and silently writes nothing into a read-only folder.

    Args:
        first: Called once the first checkpoint is written.
    """

    def __init__(self, first: Callable[[], object] | None = None) -> None:
        self._first = first

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: Any | None = None
    ) -> None:
        """Write a checkpoint.

        Raises:
            FileSystemError: It cannot be written.
        """
        save_torch(path, checkpoint)
        if self._first is not None:
            first, self._first = self._first, None
            first()

    def load_checkpoint(
        self, path: str | os.PathLike[str], map_location: Any | None = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read a checkpoint as plain data, to the CPU, whatever the values of ``map_location`` and ``weights_only``.

        Raises:
            CheckpointError: Missing, damaged, or not plain data.
        """
        return load_torch(path)

    def remove_checkpoint(self, path: str | os.PathLike[str]) -> None:
        """Delete a checkpoint if it exists."""
        Path(path).unlink(missing_ok=True)


class RunStamp(Callback):
    """Adds facts about the run to each checkpoint, so that it can be used without its run folder.

    Args:
        facts: Plain types and tensors: the resolved config, class counts and weights, the hash of the corpus.
    """

    def __init__(self, facts: dict[str, Any]) -> None:
        self.facts = {"format": CHECKPOINT_FORMAT} | facts

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Add the facts under ``"arcvae"``."""
        checkpoint["arcvae"] = self.facts


def model_checkpoint(trainer: Trainer) -> ModelCheckpoint | None:
    """The callback that writes checkpoints, if the trainer has one."""
    return next((callback for callback in trainer.callbacks if isinstance(callback, ModelCheckpoint)), None)  # type: ignore[attr-defined]


def require_scored(monitor: str, history: Sequence[Mapping[str, Any]]) -> None:
    """Refuse to call any epoch the best if the figure that chooses it was never a number.

    Raises:
        NonFiniteError: It was not, in all epochs of ``history``.
    """
    figures = [row[monitor] for row in history if monitor in row]
    if figures and not any(map(math.isfinite, figures)):
        raise NonFiniteError(
            f"{monitor} was not a number after any of {len(figures)} epochs, so that none of them is the best and "
            "nothing is exported: choose another monitor"
        )
