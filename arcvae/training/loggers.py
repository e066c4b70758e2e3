"""Pictures, tables and files for W&B and TensorBoard, for which Lightning's loggers have no common method."""

from __future__ import annotations

import contextlib
import io
import logging
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from lightning.pytorch import Trainer
from lightning.pytorch.loggers import Logger, TensorBoardLogger, WandbLogger
from PIL import Image

log = logging.getLogger(__name__)


def shows_pictures(trainer: Trainer) -> bool:
    """Whether a logger of this run can show a picture."""
    return any(isinstance(logger, WandbLogger | TensorBoardLogger) for logger in trainer.loggers)


def log_picture(trainer: Trainer, name: str, png: bytes) -> None:
    """Log a picture with every logger that can show one; a logger that fails causes a warning only.

    Args:
        trainer: Has the loggers.
        name: Name of the picture.
        png: Content of a PNG file.
    """
    for logger in trainer.loggers:
        with _forgiving(logger, name):
            if isinstance(logger, WandbLogger):
                logger.log_image(name, [Image.open(io.BytesIO(png))], step=trainer.global_step)
            elif isinstance(logger, TensorBoardLogger):
                pixels = np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))
                logger.experiment.add_image(name, pixels, trainer.global_step, dataformats="HWC")


def log_table(trainer: Trainer, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Log a table with every logger that can show one; a logger that fails causes a warning only.

    Args:
        trainer: Has the loggers.
        name: Name of the table.
        columns: Heading of each column.
        rows: Cells, as many in each row as there are columns.
    """
    for logger in trainer.loggers:
        with _forgiving(logger, name):
            if isinstance(logger, WandbLogger):
                logger.log_table(name, list(columns), data=[list(row) for row in rows], step=trainer.global_step)
            elif isinstance(logger, TensorBoardLogger):
                lines = [columns, ["---"] * len(columns), *rows]
                text = "\n".join("| " + " | ".join(map(_shown, line)) + " |" for line in lines)
                logger.experiment.add_text(name, text, trainer.global_step)


def _shown(cell: Any) -> str:
    return f"{cell:.4f}" if isinstance(cell, float) else str(cell)


class SteadyWandbLogger(WandbLogger):
    """Lightning's logger for W&B, except that the first error causes a warning and none ends the run."""

    _lost = False

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log figures, if that is possible."""
        with self._once("figures"):
            super().log_metrics(metrics, step)

    def log_hyperparams(self, params: dict[str, Any] | Namespace) -> None:
        """Log the config, if that is possible."""
        with self._once("the config"):
            super().log_hyperparams(params)

    def finalize(self, status: str) -> None:
        """Finish, if that is possible."""
        with self._once("the end of the run"):
            super().finalize(status)

    @contextlib.contextmanager
    def _once(self, name: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # W&B raises anything: errors of its process, of the network, of types
            if not self._lost:
                log.warning("W&B could not log %s, and no further error of it is shown: %s", name, error)
            self._lost = True


def log_run_files(trainer: Trainer, folder: Path) -> None:
    """Log the checkpoints, exports, records and the page of a finished run to W&B as artifacts.

    Two versions of ``checkpoint-RUN``, with the aliases ``best`` and ``latest``, and ``exports-RUN`` with both.
    """
    exports = [path for path in folder.iterdir() if path.suffix in (".pth", ".safetensors", ".json", ".html")]
    sets = (
        (f"checkpoint-{folder.name}", "model", [folder / "checkpoints" / "best.ckpt"], ["best"]),
        (f"checkpoint-{folder.name}", "model", [folder / "checkpoints" / "last.ckpt"], ["latest"]),
        (f"exports-{folder.name}", "exports", sorted(exports), ["best", "latest"]),
    )
    for logger in trainer.loggers:
        if not isinstance(logger, WandbLogger):
            continue
        import wandb

        for name, kind, paths, aliases in sets:
            with _forgiving(logger, name):
                artifact = wandb.Artifact(name, type=kind)
                for path in paths:
                    if path.is_file():
                        artifact.add_file(str(path))
                logger.experiment.log_artifact(artifact, aliases=aliases)


@contextlib.contextmanager
def _forgiving(logger: Logger, name: str) -> Iterator[None]:
    """Turn an error of a logger into a warning: a run must not fail for a picture."""
    try:
        yield
    except Exception as error:  # loggers raise anything: errors of files, of the network, of types
        log.warning("%s could not log %s: %s", type(logger).__name__, name, error)
