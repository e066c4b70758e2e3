"""Callbacks that both tasks use."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint
from lightning.pytorch.trainer.states import TrainerFn

from arcvae.training.module import ImbalanceModule

log = logging.getLogger(__name__)


class StepLog(Callback):
    """Hands the figures of a training step to the loggers as ``step/*``, every ``log_every_n_steps`` steps."""

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Log, when it is time."""
        assert isinstance(pl_module, ImbalanceModule)
        every: int = trainer.log_every_n_steps  # type: ignore[attr-defined]
        if trainer.loggers and trainer.global_step % every == 0:
            figures = {f"step/{name}": float(value) for name, value in pl_module.step_figures.items()}
            figures["step/epoch"] = trainer.global_step / trainer.num_training_batches
            for logger in trainer.loggers:
                logger.log_metrics(figures, step=trainer.global_step)


class PerClassRecall(Callback):
    """A line in the log after each epoch: the recall of every class on the validation split."""

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log, after an epoch of training."""
        assert isinstance(pl_module, ImbalanceModule)
        if trainer.sanity_checking or trainer.state.fn != TrainerFn.FITTING:
            return
        recalls = pl_module.results["val"]["per_class_recall"]
        assert isinstance(recalls, list)
        shown = " ".join("—" if recall != recall else f"{recall:.2f}" for recall in recalls)
        log.info("Epoch %d, recall per class on val: %s", trainer.current_epoch + 1, shown)


class Checkpoint(ModelCheckpoint):
    """Lightning's ModelCheckpoint, whose best checkpoint also moves house.

    A resumed run writes into its own folder. Lightning would then forget how good the best one so far was, and
    call the first checkpoint after the resumption the best.
    """

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the state, with a copy of the best checkpoint so far in this run's folder."""
        best = Path(state_dict["best_model_path"])
        if self.dirpath is not None and str(self.dirpath) != state_dict.get("dirpath") and best.is_file():
            here = Path(self.dirpath) / best.name
            here.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(best, here)
            score = state_dict["best_model_score"]
            state_dict = state_dict | {
                "dirpath": self.dirpath,
                "best_model_path": str(here),
                "kth_best_model_path": str(here),
                "best_k_models": {str(here): score},
                "last_model_path": "",
            }
        super().load_state_dict(state_dict)


class PatientEarlyStopping(EarlyStopping):
    """Lightning's EarlyStopping, whose patience starts when the objective has stopped changing by plan."""

    def _settled(self, trainer: Trainer, module: LightningModule) -> bool:
        ramp = module.ramp_epochs if isinstance(module, ImbalanceModule) else 0.0
        return trainer.current_epoch + 1 > ramp

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Check, once the ramp is over."""
        if self._settled(trainer, pl_module):
            super().on_validation_end(trainer, pl_module)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Check, once the ramp is over."""
        if self._settled(trainer, pl_module):
            super().on_train_epoch_end(trainer, pl_module)


class OverfitTarget(Callback):
    """Stop as soon as a handful of samples is memorised, and say so.

    Args:
        targets: Metric names and the value that each must reach.
    """

    def __init__(self, targets: dict[str, float]) -> None:
        self.targets = dict(targets)
        self.reached = False

    def _shown(self, trainer: Trainer) -> str:
        figures = trainer.callback_metrics
        return ", ".join(f"{name} {float(figures[name]):.4f} (target {goal:g})" for name, goal in self.targets.items())

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Compare with the targets."""
        if trainer.sanity_checking or trainer.state.fn != TrainerFn.FITTING:
            return
        figures = trainer.callback_metrics
        if missing := [name for name in self.targets if name not in figures]:
            raise ValueError(f"callbacks.overfit_target: no metric {', '.join(missing)} is logged")
        if all(float(figures[name]) >= goal for name, goal in self.targets.items()):
            self.reached = True
            trainer.should_stop = True
            log.info("Overfit target reached in epoch %d: %s", trainer.current_epoch + 1, self._shown(trainer))

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say so when the targets were missed."""
        if not self.reached:
            log.warning("Overfit target MISSED after %d epochs: %s", trainer.current_epoch, self._shown(trainer))
