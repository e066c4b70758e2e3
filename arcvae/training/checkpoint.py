"""Lightning's checkpoints, written and read as plain data."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from lightning.fabric.plugins.io.checkpoint_io import CheckpointIO

from arcvae.io.tensors import load_torch, save_torch


class AtomicCheckpointIO(CheckpointIO):
    """Lightning's checkpoints through :func:`save_torch` and :func:`load_torch`.

    Lightning's own writer leaves a torn file after a crash and nothing, without a word, in a read-only folder.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: Any | None = None
    ) -> None:
        """Write a checkpoint, or raise."""
        save_torch(path, checkpoint)

    def load_checkpoint(
        self, path: str | os.PathLike[str], map_location: Any | None = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read a checkpoint as plain data, whatever ``weights_only`` says."""
        return load_torch(path, map_location or "cpu")

    def remove_checkpoint(self, path: str | os.PathLike[str]) -> None:
        """Delete a checkpoint if it is there."""
        Path(path).unlink(missing_ok=True)
