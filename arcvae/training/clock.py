"""Where a training run stands: the one clock that everything which changes over a run reads."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback


@dataclass(frozen=True)
class Clock:
    """Where a run stands. A new one stands at the end of a run, as a model that is only evaluated does.

    Args:
        epoch: Epochs that are done, fractions included, >= 0; infinite at the end.
        progress: Share of the optimizer steps that is done, in [0, 1].
    """

    epoch: float = math.inf
    progress: float = 1.0

    @classmethod
    def of(cls, trainer: Trainer, batch_idx: int) -> Clock:
        """The clock just before a batch of the epoch that ``trainer`` is in."""
        return cls(
            trainer.current_epoch + batch_idx / trainer.num_training_batches,
            trainer.global_step / trainer.estimated_stepping_batches,
        )

    @classmethod
    def from_checkpoint(cls, checkpoint: Mapping[str, Any]) -> Clock:
        """The clock of a Lightning checkpoint: that of the last batch before it was written."""
        if "clock" in checkpoint:
            return cls(**{name: float(value) for name, value in checkpoint["clock"].items()})
        if "loss_progress" not in checkpoint:
            return cls()
        # arcvae 0.1.0 kept the progress alone; Lightning's own counts give the epoch.
        batches = checkpoint["loops"]["fit_loop"]["epoch_loop.batch_progress"]["current"]["ready"]
        return cls(checkpoint["epoch"] + (batches - 1) / batches, float(checkpoint["loss_progress"]))

    def state_dict(self) -> dict[str, float]:
        """What :meth:`from_checkpoint` finds under ``"clock"``."""
        return asdict(self)


class ClockCallback(Callback):
    """Moves the clock of the module before each training batch.

    Beta, losses that fade and whatever else follows the course of a run read it. Every run of ``arcvae.train`` has this
    callback; a module that is trained with a Trainer of your own refuses to train without it.
    """

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Tell the module the time."""
        pl_module.set_clock(Clock.of(trainer, batch_idx))  # type: ignore[operator]
