"""Checkpoints within an epoch: a run that goes on from one takes the batches, and ends in the bits, of one that never
stopped; and a signal leaves one at the step that was reached.
"""

from __future__ import annotations

import logging
import os
import signal
from pathlib import Path
from types import FrameType
from typing import Any, Final

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.callbacks import Checkpoint as LightningCheckpoint

from arcvae.errors import CheckpointError
from arcvae.training.batches import BatchIndices
from arcvae.training.checkpoint import model_checkpoint
from arcvae.training.resuming import LAST

log = logging.getLogger(__name__)

BEFORE_VALIDATION: Final = {"ready": 1, "started": 1, "processed": 0, "completed": 0}
"""Counts of validation batches from which Lightning validates again, from the first batch on."""


class ExactResume(Callback):
    """Makes checkpoints within an epoch exact; Lightning goes on from them with the first batches of the epoch again.

    Between the last batch of an epoch and the end of its validation, Lightning would leave out validation and all that
    happens at the end of an epoch. A checkpoint of that time is written as one from which validation begins.
    """

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Let the loader go on after the batches of this epoch that were taken before the checkpoint.

        Raises:
            CheckpointError: A loader of the user's, whose batches are not known.
        """
        loop = trainer.fit_loop
        within = loop.restarted_mid_epoch
        sampler = getattr(trainer.train_dataloader, "sampler", None)
        if isinstance(sampler, BatchIndices):
            sampler.set_epoch(trainer.current_epoch)
            if within:
                sampler.resume(trainer.current_epoch, loop.epoch_loop.batch_progress.current.ready)
            if trainer.ckpt_path and loop._data_fetcher is not None:
                iter(loop._data_fetcher)  # worker processes have begun to fetch the batches of the first epoch
        elif within:
            raise CheckpointError(
                f"{trainer.ckpt_path} is from within an epoch, and the loader of this data module cannot go on there; "
                "continue from a checkpoint of the end of an epoch"
            )

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Write the time between the last batch of an epoch and the end of its validation as that before it."""
        loops = checkpoint["loops"]["fit_loop"]
        epoch, batches = loops["epoch_progress"], loops["epoch_loop.batch_progress"]
        within = epoch["total"]["processed"] < epoch["total"]["started"]
        if within and batches["current"]["processed"] == trainer.num_training_batches:
            for counts in (batches["total"], batches["current"]):
                counts["completed"] = counts["processed"]
            validation = loops["epoch_loop.val_loop.batch_progress"]
            validation |= {"total": dict(BEFORE_VALIDATION), "current": dict(BEFORE_VALIDATION), "is_last_batch": False}


class SaveOnSignal(LightningCheckpoint):
    """Saves a checkpoint on SIGINT and SIGTERM, at the end of the batch, then does what the signal did before.

    A second signal ends the process at once. Does nothing in runs of several processes, which do not get a signal at
    the same step. The class derives from Lightning's ``Checkpoint`` because Lightning calls such callbacks last.
    """

    def __init__(self) -> None:
        super().__init__()
        self._former: dict[int, Any] = {}
        self._caught: tuple[int, FrameType | None] | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """From now on, signals wait for the end of the batch."""
        if trainer.world_size == 1:
            try:
                for number in (signal.SIGINT, signal.SIGTERM):
                    self._former[number] = signal.signal(number, self._note)
            except ValueError:  # not the main thread: signals are none of ours
                self._former.clear()

    def _note(self, number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        self._caught = number, frame

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save and end, unless gradients are half accumulated; the end of an epoch is left to its validation."""
        loop = trainer.fit_loop
        if self._caught and not loop._should_accumulate() and batch_idx + 1 < trainer.num_training_batches:
            self._end(trainer, pl_module)

    def on_validation_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Save and end."""
        if self._caught:
            self._end(trainer, pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Signals are as before; one that came after the last batch acts now."""
        self._restore()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Signals are as before."""
        self._caught = None
        self._restore()

    def _end(self, trainer: Trainer, module: LightningModule) -> None:
        callback = model_checkpoint(trainer)
        finite = all(bool(torch.isfinite(parameter).all()) for parameter in module.parameters())
        if callback is not None and callback.dirpath is not None and finite:
            trainer.save_checkpoint(Path(os.fspath(callback.dirpath)) / LAST)
            log.info("Saved the state after step %d", trainer.global_step)
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)
        self._former.clear()
        caught, self._caught = self._caught, None
        if caught:
            number, frame = caught
            handler = signal.getsignal(number)
            if callable(handler):
                handler(number, frame)
            else:
                signal.raise_signal(number)
