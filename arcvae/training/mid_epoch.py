"""Checkpoints within an epoch: a run that goes on from one takes the batches, and ends in the bits, of one that never
stopped; one is written every few minutes, and one at the step that was reached when a signal comes.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from pathlib import Path
from types import FrameType
from typing import Any, Final

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.callbacks import Checkpoint as LightningCheckpoint
from lightning.pytorch.trainer.states import TrainerFn

from arcvae.errors import CheckpointError
from arcvae.training.batches import BatchIndices
from arcvae.training.checkpoint import model_checkpoint
from arcvae.training.processes import END_SIGNALS
from arcvae.training.resuming import LAST

log = logging.getLogger(__name__)

BEFORE_VALIDATION: Final = {"ready": 1, "started": 1, "processed": 0, "completed": 0}
"""Counts of validation batches from which Lightning validates again, from the first batch on."""


class ExactResume(Callback):
    """Makes checkpoints within an epoch exact; Lightning goes on from them with the first batches of the epoch again.

    Between the last batch of an epoch and the end of its validation, Lightning would leave out validation and all that
    happens at the end of an epoch. A checkpoint of that time is written as one from which validation begins.
    """

    def __init__(self) -> None:
        self._processes: int | None = None

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Note how many processes took the batches of the epoch."""
        self._processes = checkpoint.get("processes")

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Let the loader go on after the batches of this epoch that were taken before the checkpoint.

        Raises:
            CheckpointError: A loader of the user's, whose batches are not known, or another number of processes.
        """
        loop = trainer.fit_loop
        within = loop.restarted_mid_epoch
        if within and self._processes not in (None, trainer.world_size):
            raise CheckpointError(
                f"{trainer.ckpt_path} is from within an epoch of {self._processes} processes, these are "
                f"{trainer.world_size}; continue with as many, or from a checkpoint of the end of an epoch"
            )
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
        checkpoint["processes"] = trainer.world_size
        loops = checkpoint["loops"]["fit_loop"]
        epoch, batches = loops["epoch_progress"], loops["epoch_loop.batch_progress"]
        within = epoch["total"]["processed"] < epoch["total"]["started"]
        if within and batches["current"]["processed"] == trainer.num_training_batches:
            for counts in (batches["total"], batches["current"]):
                counts["completed"] = counts["processed"]
            validation = loops["epoch_loop.val_loop.batch_progress"]
            validation |= {"total": dict(BEFORE_VALIDATION), "current": dict(BEFORE_VALIDATION), "is_last_batch": False}


def save_last(trainer: Trainer, module: LightningModule) -> bool:
    """Write ``last.ckpt`` within an epoch; whether that was done.

    It is not without a callback that knows the folder, and not if weights are no finite numbers: no run could go on
    from them. The processes of a run have the same weights, and all of them have to call this.
    """
    callback = model_checkpoint(trainer)
    if callback is None or callback.dirpath is None:
        return False
    if not all(bool(torch.isfinite(parameter).all()) for parameter in module.parameters()):
        return False
    # Said, because Lightning would log a line on what it chooses where nothing is said.
    trainer.save_checkpoint(Path(os.fspath(callback.dirpath)) / LAST, weights_only=False)
    return True


class SaveInTime(LightningCheckpoint):
    """Saves ``last.ckpt`` within an epoch as soon as so many minutes have passed since the last time.

    Together with the checkpoint of each epoch: that is how much work a run can lose. The class derives from Lightning's
    ``Checkpoint`` because Lightning calls such callbacks last.

    Args:
        minutes: > 0.
    """

    def __init__(self, minutes: float) -> None:
        super().__init__()
        self.minutes = minutes
        self._saved = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """From now on there is work to lose."""
        self._saved = time.monotonic()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save, unless gradients are half accumulated; the end of an epoch is left to its validation."""
        if not trainer.fit_loop._should_accumulate() and batch_idx + 1 < trainer.num_training_batches:
            self._save(trainer, pl_module, batch_idx)

    def on_validation_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Save, in the validation of an epoch of training."""
        if trainer.state.fn == TrainerFn.FITTING and not trainer.sanity_checking:
            self._save(trainer, pl_module, batch_idx)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Another callback saves now."""
        self._saved = time.monotonic()

    def _save(self, trainer: Trainer, module: LightningModule, batch_idx: int) -> None:
        # Several processes have to agree, which costs them time: they ask the first one now and then.
        if trainer.world_size > 1 and batch_idx % trainer.log_every_n_steps:  # type: ignore[attr-defined]
            return
        due = time.monotonic() - self._saved >= 60 * self.minutes
        if trainer.strategy.broadcast(due) and save_last(trainer, module):
            self._saved = time.monotonic()
            log.info("Saved the state after step %d", trainer.global_step)


class SaveOnSignal(LightningCheckpoint):
    """Saves a checkpoint on a signal that ends a run, at the end of the batch, then does what the signal did before.

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
                for number in END_SIGNALS:
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
        if save_last(trainer, module):
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
