"""Callbacks for runs of any task: figures of steps and epochs, checkpoints, early stopping, a target to overfit to."""

from __future__ import annotations

import csv
import io
import logging
import time
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint
from lightning.pytorch.callbacks import Checkpoint as LightningCheckpoint
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor

from arcvae.errors import CheckpointError, ConfigError, FileSystemError
from arcvae.io.files import write_atomic
from arcvae.io.tensors import load_torch
from arcvae.training.loggers import log_table
from arcvae.training.module import ImbalanceModule

log = logging.getLogger(__name__)

READABLE = 20
"""The recall of each class is written to the log for up to this many classes; more do not fit into a line."""


class StepLog(Callback):
    """Logs the scalars of a training step as ``step/*``, every ``log_every_n_steps`` optimizer steps."""

    def __init__(self) -> None:
        self._logged = 0

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Log at every n-th step; once for a step that accumulates several batches."""
        assert isinstance(pl_module, ImbalanceModule)
        step = trainer.global_step
        every: int = trainer.log_every_n_steps  # type: ignore[attr-defined]
        if not trainer.loggers or step % every or step == self._logged:
            return
        self._logged = step
        figures = {f"step/{name}": float(value) for name, value in pl_module.step_scalars.items()}
        figures["step/epoch"] = trainer.current_epoch + (batch_idx + 1) / trainer.num_training_batches
        for logger in trainer.loggers:
            logger.log_metrics(figures, step=step)


class PerClassRecall(Callback):
    """Recall, F1 and IoU of each class on the validation split, after each epoch: a line in the log and a table."""

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log after an epoch of training, not after a sanity check or a validation by itself."""
        assert isinstance(pl_module, ImbalanceModule)
        if trainer.sanity_checking or trainer.state.fn != TrainerFn.FITTING:
            return
        recalls = pl_module.results["val"]["per_class_recall"]
        assert isinstance(recalls, list)
        if len(recalls) <= READABLE:
            shown = " ".join("—" if recall != recall else f"{recall:.2f}" for recall in recalls)
            log.info("Epoch %d, recall per class on val: %s", trainer.current_epoch + 1, shown)
        data = trainer.datamodule  # type: ignore[attr-defined]
        results = pl_module.results["val"]
        columns: list[Any] = [results[f"per_class_{name}"] for name in ("recall", "f1", "iou")]
        rows = list(zip(range(len(recalls)), data.class_names, *columns, strict=True))
        log_table(trainer, "val/per_class", ("class", "name", "recall", "f1", "iou"), rows)


class Checkpoint(ModelCheckpoint):
    """Lightning's ModelCheckpoint, except that it always writes the last epoch and keeps the best one when resumed.

    Lightning writes the last checkpoint only when the best one changes, so a run that is killed long after its best
    epoch would lose everything since. And a resumed run writes into a folder of its own, for which Lightning discards
    the best score so far, so that the first epoch after resuming would count as the best. If several checkpoints are
    kept (``save_top_k``), their names are told apart by the epoch, and a copy of the best one has the plain name, under
    which other commands look for it.
    """

    _fits = _first = True
    _source: Path | None = None
    """Folder of the checkpoint that is loaded."""
    name_of_best: str | None = None
    """Name of a copy of the best checkpoint, if several are kept."""

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Give several checkpoints several names."""
        super().setup(trainer, pl_module, stage)
        self._first = trainer.is_global_zero
        if self.save_top_k not in (0, 1) and self.filename and "{" not in self.filename:
            self.name_of_best, self.filename = self.filename, f"{self.filename}_{{epoch}}"

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write ``best`` if this epoch is the best so far, and ``last`` in any case."""
        before = self.best_model_path
        super().on_train_epoch_end(trainer, pl_module)
        if self.best_model_path != before:
            self._name_best()
        if self.save_last and not self._should_skip_saving_checkpoint(trainer):
            self._save_last_checkpoint(trainer, self._monitor_candidates(trainer))

    def check_monitor_top_k(self, trainer: Trainer, current: Tensor | None = None) -> bool:
        """Whether a score is among the best; what is not a number never is, even if there is nothing else yet."""
        return current is not None and not torch.isnan(current) and super().check_monitor_top_k(trainer, current)

    def _name_best(self) -> None:
        best = Path(self.best_model_path)
        if self.name_of_best and best.is_file() and self._first:
            write_atomic(best.with_stem(self.name_of_best), best.read_bytes())

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Note where the checkpoint lies, and whether it is one to go on from."""
        self._fits = trainer.state.fn == TrainerFn.FITTING
        self._source = Path(trainer.ckpt_path).absolute().parent if trainer.ckpt_path else None

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the state, and bring the best checkpoints so far and their picture into the folder of this run.

        One that lies beside the checkpoint goes before the place that was written down: run folders are moved. An
        evaluation leaves the state as it is.
        """
        if self._fits:
            super().load_state_dict(state_dict | self._brought(state_dict))
            self._name_best()

    def _brought(self, state: dict[str, Any]) -> dict[str, Any]:
        folder, best = Path(str(self.dirpath)), state["best_model_path"]
        known = state["best_k_models"] or ({best: state["best_model_score"]} if best else {})
        models = {}
        for path, score in known.items():
            places = [Path(path)] if self._source is None else [self._source / Path(path).name, Path(path)]
            found = next((place for place in places if self._is_checkpoint_of(place, score)), None)
            if found is None:
                continue
            models[str(folder / found.name)] = score
            if found.parent != folder and self._first:
                pictures = found.parent.glob("*_best.png") if path == best else ()
                for file in (found, *pictures):
                    write_atomic(folder / file.name, file.read_bytes())
        if best and str(folder / Path(best).name) not in models:
            next_best = "the best of the others counts" if models else "the next epoch counts as the best"
            log.warning("The best checkpoint so far, %s, is missing or damaged: %s", best, next_best)
        ranked = sorted(models, key=lambda path: float(models[path] or 0.0), reverse=self.mode == "max")
        return {
            "dirpath": self.dirpath,
            "last_model_path": "",
            "best_k_models": models,
            "best_model_path": ranked[0] if ranked else "",
            "best_model_score": models[ranked[0]] if ranked else None,
            "kth_best_model_path": ranked[-1] if ranked else "",
        }

    def _is_checkpoint_of(self, path: Path, score: Any) -> bool:
        """Whether a file is intact and the checkpoint that got a score: a later one may have taken its name."""
        try:
            own = load_torch(path).get("callbacks", {}).get(self.state_key, {}).get("current_score", score)
        except (CheckpointError, FileSystemError):
            return False
        return own is score or bool(own == score)


class PatientEarlyStopping(EarlyStopping):
    """Lightning's EarlyStopping, except that epochs count only once the objective no longer changes by schedule.

    While beta rises or a loss fades, a falling metric says nothing about convergence; see
    :attr:`ImbalanceModule.ramp_epochs`.
    """

    def _settled(self, trainer: Trainer, module: LightningModule) -> bool:
        ramp = module.ramp_epochs if isinstance(module, ImbalanceModule) else 0.0
        return trainer.current_epoch + 1 > ramp

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Check for improvement, once the ramp is over."""
        if self._settled(trainer, pl_module):
            super().on_validation_end(trainer, pl_module)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Check for improvement, once the ramp is over."""
        if self._settled(trainer, pl_module):
            super().on_train_epoch_end(trainer, pl_module)


class OverfitTarget(Callback):
    """Stop training as soon as metrics reach their targets: a model that can memorise a few samples is able to learn.

    Args:
        targets: The value that each metric must reach, by its name, such as ``val/accuracy``.

    Raises:
        ConfigError: In the first validation, if a metric is not logged.
    """

    def __init__(self, targets: dict[str, float]) -> None:
        self.targets = dict(targets)
        self.reached = False

    def _shown(self, trainer: Trainer) -> str:
        figures = trainer.callback_metrics
        return ", ".join(
            f"{name} {float(figures[name]):.4f} (target {goal:g})" if name in figures else f"{name} was not measured"
            for name, goal in self.targets.items()
        )

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Compare the metrics of this epoch with the targets."""
        if trainer.sanity_checking or trainer.state.fn != TrainerFn.FITTING:
            return
        figures = trainer.callback_metrics
        if missing := [name for name in self.targets if name not in figures]:
            raise ConfigError(f"callbacks.overfit_target.targets: no metric {', '.join(missing)} is logged")
        if all(float(figures[name]) >= goal for name, goal in self.targets.items()):
            self.reached = True
            trainer.should_stop = True
            log.info("Overfit target reached in epoch %d: %s", trainer.current_epoch + 1, self._shown(trainer))

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Warn if the targets were not reached."""
        if not self.reached:
            log.warning("Overfit target MISSED after %d epochs: %s", trainer.current_epoch, self._shown(trainer))


class EpochRecord(LightningCheckpoint):
    """Writes ``metrics.csv``: a row for each epoch with all train and validation metrics, and the trivial predictor's.

    The rows are part of the checkpoint, so that the file of a resumed run starts at epoch 1. The class derives from
    Lightning's ``Checkpoint`` because Lightning calls such callbacks last, when the module has logged its epoch.
    """

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[dict[str, float]] = []
        self.seconds = 0.0
        self.samples = 0
        self._started = 0.0
        self._seen = 0

    @property
    def samples_per_second(self) -> float:
        """Training samples per second of wall time, in which validation and checkpoints are included."""
        return self.samples / self.seconds if self.seconds else 0.0

    def state_dict(self) -> dict[str, Any]:
        """The rows so far."""
        rows = [dict(row) for row in self.rows]
        return {"rows": rows, "seconds": self.seconds, "samples": self.samples, "seen": self._seen}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue after the rows of the run that is resumed."""
        self.rows = [dict(row) for row in state_dict["rows"]]
        self.seconds, self.samples = state_dict["seconds"], state_dict["samples"]
        self._seen = 0  # of checkpoints of earlier versions, which were written at the end of an epoch
        if "seen" in state_dict:
            self._seen = state_dict["seen"]

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start to measure time."""
        self._started = time.monotonic()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count samples; a batch is a tensor of samples, or a tuple or list whose first entry is one."""
        self._seen += len(batch[0] if isinstance(batch, tuple | list) else batch) * trainer.world_size

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Add a row and write the file."""
        now = time.monotonic()
        seconds = now - self._started  # with the checkpoint and the picture of the epoch before
        self._started = now
        self.seconds += seconds
        self.samples += self._seen
        self._seen = 0
        figures = {
            name: float(value)
            for name, value in sorted(trainer.callback_metrics.items())
            if name.startswith(("train/", "val/", "trivial/"))
        }
        self.rows.append(
            {"epoch": trainer.current_epoch + 1, "step": trainer.global_step, "seconds": seconds} | figures
        )
        if trainer.is_global_zero:
            write_atomic(Path(trainer.default_root_dir) / "metrics.csv", self._as_csv().encode())

    def timing(self) -> dict[str, Any]:
        """What is known of the epochs, as fields of :class:`~arcvae.training.record.RunRecord`."""
        return {
            "train_seconds": self.seconds,
            "samples_per_second": self.samples_per_second,
            "history": list(self.rows),
        }

    def _as_csv(self) -> str:
        columns = list(dict.fromkeys(name for row in self.rows for name in row))
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        return text.getvalue()
