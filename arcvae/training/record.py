"""What a run folder holds besides checkpoints: enough to redo, reload and compare the run."""

from __future__ import annotations

import contextlib
import csv
import io
import logging
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, Checkpoint, ModelCheckpoint

from arcvae.errors import BusyError, FileSystemError
from arcvae.io.exports import CHECKPOINT_FORMAT
from arcvae.io.files import write_atomic

log = logging.getLogger(__name__)

_PACKAGES = ("torch", "lightning", "hydra-core", "omegaconf", "torchmetrics", "numpy", "matplotlib", "wandb")


class EpochRecord(Checkpoint):
    """``metrics.csv``: a row for each epoch with all train and validation figures.

    The rows travel with the checkpoint, so the file of a resumed run starts at epoch 1. (A ``Checkpoint`` in
    Lightning's sense because only those are called after the module has logged its epoch.)
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
        """Training samples per second, validation and checkpoints included."""
        return self.samples / self.seconds if self.seconds else 0.0

    def state_dict(self) -> dict[str, Any]:
        """The rows so far."""
        return {"rows": [dict(row) for row in self.rows], "seconds": self.seconds, "samples": self.samples}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on after the rows of the run that is resumed."""
        self.rows = [dict(row) for row in state_dict["rows"]]
        self.seconds, self.samples = state_dict["seconds"], state_dict["samples"]

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self._started = time.monotonic()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count samples; a batch is a tensor of samples or a tuple that starts with one."""
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
            if name.startswith(("train/", "val/"))
        }
        self.rows.append(
            {"epoch": trainer.current_epoch + 1, "step": trainer.global_step, "seconds": seconds} | figures
        )
        if trainer.is_global_zero:
            write_atomic(Path(trainer.default_root_dir) / "metrics.csv", self._as_csv().encode())

    def _as_csv(self) -> str:
        columns = list(dict.fromkeys(name for row in self.rows for name in row))
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        return text.getvalue()


class RunStamp(Callback):
    """Adds to each checkpoint what it takes to use it without its run folder.

    Args:
        facts: Plain types and tensors: the resolved config, class counts and weights, the hash of the corpus.
    """

    def __init__(self, facts: dict[str, Any]) -> None:
        self.facts = {"format": CHECKPOINT_FORMAT} | facts

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Add the facts."""
        checkpoint["arcvae"] = self.facts


def model_checkpoint(trainer: Trainer) -> ModelCheckpoint | None:
    """The callback that writes checkpoints, if the trainer has one."""
    return next((callback for callback in trainer.callbacks if isinstance(callback, ModelCheckpoint)), None)  # type: ignore[attr-defined]


@contextlib.contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Hold a run folder against other runs.

    Further processes of the same run, which Lightning starts with ``LOCAL_RANK`` set, find it held.

    Raises:
        BusyError: Another process is running in it, or a finished run lies there.
        FileSystemError: It cannot be written to.
    """
    if os.environ.get("LOCAL_RANK", "0") != "0":
        yield
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / "run.lock", os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise FileSystemError(f"cannot write to the run folder {folder}: {error.strerror or error}") from error
    try:
        try:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BusyError(f"another run is going on in {folder}; leave hydra.run.dir to its default") from None
        except (ImportError, OSError):  # no locks on this system or file system
            pass
        if (folder / "metrics.json").exists():
            raise BusyError(f"{folder} holds a finished run; choose another hydra.run.dir")
        yield
    finally:
        os.close(descriptor)


def link_latest(folder: Path, output_dir: Path) -> None:
    """Point ``OUTPUT_DIR/latest`` to a run folder; a system without links costs a warning."""
    link = output_dir / "latest"
    part = output_dir / f".latest.{os.getpid()}.part"
    try:
        part.unlink(missing_ok=True)
        part.symlink_to(os.path.relpath(folder, output_dir), target_is_directory=True)
        os.replace(part, link)
    except OSError as error:
        log.warning("%s does not point to this run: %s", link, error.strerror or error)
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def peak_memory() -> float | None:
    """Most memory that this process has held so far, in MiB; None where the system does not tell."""
    try:
        import resource
    except ImportError:  # not on Windows
        return None
    unit = 1024**2 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit, 1)


def software() -> dict[str, Any]:
    """Versions of Python, the machine and the packages, and the state of the checkout that the code is from."""
    versions = {}
    for name in _PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    commit, dirty = _checkout()
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": versions,
        "git_commit": commit,
        "git_dirty": dirty,
    }


def _checkout() -> tuple[str | None, bool | None]:
    """Commit of the checkout with this file in it, and whether it has changes; None where there is no such."""
    here = Path(__file__).resolve()

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(here.parent), *arguments], capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", here.name)  # installed elsewhere, a repository around it is not ours
        return git("rev-parse", "HEAD"), bool(git("status", "--porcelain", "--untracked-files=no"))
    except (OSError, subprocess.SubprocessError):
        return None, None
