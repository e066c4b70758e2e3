"""What a run shows while it trains: a bar or lines, a table of layers, and the figures of the trivial predictor."""

from __future__ import annotations

import logging
import math
import sys
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, ModelSummary, TQDMProgressBar
from lightning.pytorch.trainer.states import TrainerFn

from arcvae.training.checkpoint import model_checkpoint
from arcvae.training.module import ImbalanceModule
from arcvae.training.report import baseline

log = logging.getLogger(__name__)

TRIVIAL = "trivial"
"""Under this, beside ``train`` and ``val``, the figures of the trivial predictor are logged."""


class EpochProgress(TQDMProgressBar):
    """Lightning's bar, which counts epochs from 1 as everything else does here; a line for each epoch in a file.

    Into a file a bar would write itself hundreds of times.
    """

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """No bar without a terminal."""
        super().setup(trainer, pl_module, stage)
        if not sys.stdout.isatty():
            self.disable()

    def on_train_epoch_start(self, trainer: Trainer, *_: Any) -> None:
        """Begin the bar of an epoch; Lightning's own method would write ``Epoch 0`` first."""
        total = self.total_train_batches
        self.train_progress_bar.reset(None if math.isinf(total) else int(total))
        self.train_progress_bar.initial = 0
        self.train_progress_bar.set_description(f"Epoch {trainer.current_epoch + 1} of {trainer.max_epochs}")

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the figures of an epoch of training in a line, where there is no bar."""
        super().on_validation_end(trainer, pl_module)
        fitting = trainer.state.fn == TrainerFn.FITTING and not trainer.sanity_checking
        if not fitting or self.is_enabled or not self.refresh_rate or not trainer.is_global_zero:
            return
        found = trainer.callback_metrics
        watched = getattr(model_checkpoint(trainer), "monitor", None)
        names = dict.fromkeys(name for name in (watched, "val/loss") if name in found)
        figures = ", ".join(f"{name} {float(found[name]):.4g}" for name in names)
        log.info("Epoch %d of %s: %s", trainer.current_epoch + 1, trainer.max_epochs, figures)


class LayerSummary(ModelSummary):
    """Lightning's table of layers and their parameters, without what is empty for models that have no example input."""

    @staticmethod
    def summarize(
        summary_data: list[tuple[str, list[str]]], total_parameters: int, trainable_parameters: int, *_: Any, **__: Any
    ) -> None:
        """Write the table to the log."""
        columns = [
            (name, [str(cell) for cell in cells]) for name, cells in summary_data if name not in ("FLOPs", "Mode")
        ]
        spans = [max(map(len, (name, *cells))) for name, cells in columns]
        rows = [[name for name, _ in columns], *zip(*(cells for _, cells in columns), strict=True)]
        lines = ["  ".join(cell.ljust(span) for cell, span in zip(row, spans, strict=True)).rstrip() for row in rows]
        trained = "" if trainable_parameters == total_parameters else f", {trainable_parameters:,} of them trained"
        log.info("%s\n%s parameters%s", "\n".join(lines), f"{total_parameters:,}", trained)


class TrivialPredictor(Callback):
    """Logs what the trivial predictor scores on the validation split, as ``trivial/NAME``, a constant line each.

    They are the scalars of the table at the end of a run, so that every chart can show what a figure is worth.
    """

    def __init__(self) -> None:
        self.figures: dict[str, float] = {}

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Score it, once."""
        assert isinstance(pl_module, ImbalanceModule)
        data = trainer.datamodule  # type: ignore[attr-defined]
        found = baseline(pl_module, data.targets("val"), data.class_counts)
        headline = ((name, found.get(name)) for name in pl_module.task.headline)
        self.figures = {
            f"{TRIVIAL}/{name}": float(value)
            for name, value in headline
            if isinstance(value, int | float) and value == value
        }

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log it after each epoch of training."""
        if not trainer.sanity_checking and trainer.state.fn == TrainerFn.FITTING:
            pl_module.log_dict(self.figures)
