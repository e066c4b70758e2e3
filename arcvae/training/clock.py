"""How far a training run is: the one clock read by everything that changes over a run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback


@dataclass(frozen=True)
class Clock:
    """How far a run is.

    By default the end of a run: what holds for a model that is only evaluated.

    Args:
        epoch: Completed epochs including the fraction of the current one, >= 0; infinite by default.
        progress: Completed share of the optimizer steps of the run, in [0, 1].
    """

    epoch: float = math.inf
    progress: float = 1.0

    @classmethod
    def of(cls, trainer: Trainer, batch_idx: int) -> Clock:
        """The clock just before a batch of the current epoch.

        Args:
            trainer: Fitting.
            batch_idx: Number of the batch within the epoch.
        """
        return cls(
            trainer.current_epoch + batch_idx / trainer.num_training_batches,
            trainer.global_step / trainer.estimated_stepping_batches,
        )

    @classmethod
    def from_checkpoint(cls, checkpoint: Mapping[str, Any]) -> Clock:
        """The clock stored in a Lightning checkpoint, that of the last batch before it was written.

        The end of a run for a checkpoint without a clock.
        """
        if "clock" in checkpoint:
            return cls(**{name: float(value) for name, value in checkpoint["clock"].items()})
        if "loss_progress" not in checkpoint:
            return cls()
        # arcvae 0.1.0 stored the progress only; the epoch follows from Lightning's own counts.
        batches = checkpoint["loops"]["fit_loop"]["epoch_loop.batch_progress"]["current"]["ready"]
        return cls(checkpoint["epoch"] + (batches - 1) / batches, float(checkpoint["loss_progress"]))

    def state_dict(self) -> dict[str, float]:
        """The entry ``"clock"`` of a checkpoint."""
        return asdict(self)


class ClockCallback(Callback):
    """Sets the clock of the module before each training batch.

    Beta, fading losses and anything else that changes over a run depend on it. Every run of ``arcvae.train`` has this
    callback. Add it to a Trainer of your own: without it, a module refuses to train.
    """

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Set the module's clock."""
        pl_module.set_clock(Clock.of(trainer, batch_idx))  # type: ignore[operator]
