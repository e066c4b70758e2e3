"""Training runs that lie below a folder: what each is, how it fared, and how much room it takes."""

from __future__ import annotations

import contextlib
import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from arcvae.errors import ArcvaeError, DataError
from arcvae.io.door import read_yaml_list
from arcvae.io.locks import is_held, lock_folder
from arcvae.training.record import RECORD, RunRecord
from arcvae.training.run_folder import checkpoint_files

BEST: Final = "best.ckpt"
KEPT: Final = (BEST, "last.ckpt")
"""Checkpoints that a run keeps when it is pruned."""
LAST: Final = "last:"
"""What the newest runs are named by, before their number."""


@dataclass(frozen=True)
class FoundRun:
    """A training run below a folder."""

    folder: Path
    state: str
    """"running", "finished" or "interrupted"."""
    changed: float
    """When it was last written to, in seconds since 1970."""
    record: RunRecord | None = None
    """None unless it is finished."""

    @property
    def overrides(self) -> list[str]:
        """What was typed to begin it, without where things go."""
        words: list[str] = []
        with contextlib.suppress(ArcvaeError):
            words = read_yaml_list(self.folder / ".hydra" / "overrides.yaml", DataError, "another run")
        return [word for word in words if not word.startswith(("hydra.", "output_dir="))]

    @property
    def epochs(self) -> int:
        """Epochs so far."""
        if self.record is not None:
            return self.record.epochs or 0
        try:
            with (self.folder / "metrics.csv").open(newline="") as file:
                return sum(1 for _ in csv.reader(file)) - 1
        except (OSError, ValueError, csv.Error):
            return 0

    @property
    def size(self) -> int:
        """Bytes of its files."""
        return sum(path.lstat().st_size for path in self.folder.rglob("*") if path.is_file() and not path.is_symlink())

    @property
    def figure(self) -> str:
        """The figure that it was chosen by, beside that of the trivial predictor."""
        if self.record is None:
            return ""
        name = (self.record.monitor or "").rpartition("/")[2]
        ours, trivial = (self.record.results(split).get(name) for split in (self.record.split, "baseline"))
        if not isinstance(ours, int | float):
            return ""
        beside = f" (trivial {trivial:.4f})" if isinstance(trivial, int | float) else ""
        return f"{name} {ours:.4f}{beside}"

    @property
    def verdict(self) -> str:
        """The names of its collapses, or that there is none."""
        return "" if self.record is None else self.record.collapses

    @property
    def superfluous(self) -> list[Path]:
        """Checkpoints that pruning removes: all but the best and the last.

        None of a run without ``best.ckpt``, whose best one goes by another name.
        """
        found = [path for path in checkpoint_files(self.folder) if not path.is_symlink()]
        safe = any(path.name == BEST for path in found) and self.state != "running"
        return [path for path in found if path.name not in KEPT] if safe else []

    def prune(self) -> int:
        """Remove what is superfluous; returns the bytes that this frees.

        Raises:
            BusyError: A run has begun in the folder meanwhile.
            FileSystemError: It cannot be written to.
        """
        if not (gone := self.superfluous):
            return 0
        with lock_folder(self.folder, key="output_dir"):
            size = sum(path.stat().st_size for path in gone)
            for path in gone:
                path.unlink()
        return size


def found_runs(output_dir: Path) -> list[FoundRun]:
    """Training runs below a folder, those of sweeps too, newest first; other folders are passed over."""
    folders = [path for path in (*output_dir.glob("train/*"), *output_dir.glob("sweeps/*/*")) if path.is_dir()]
    found = (_found(folder) for folder in folders)
    return sorted((run for run in found if run is not None), key=lambda run: run.changed, reverse=True)


def _found(folder: Path) -> FoundRun | None:
    files = [path for name in (RECORD, "metrics.csv", "train.log", "checkpoints") if (path := folder / name).exists()]
    if not files:
        return None
    changed = max(path.stat().st_mtime for path in files)
    if (folder / RECORD).exists():
        try:
            record = RunRecord.read(folder)
        except ArcvaeError:  # of another command, or damaged
            return None
        return FoundRun(folder, "finished", (folder / RECORD).stat().st_mtime, record)
    if not (folder / "checkpoints").exists() and not (folder / "train.log").exists():
        return None
    return FoundRun(folder, "running" if is_held(folder) else "interrupted", changed)


def named_runs(config: Mapping[str, Any]) -> list[str]:
    """The folders that ``runs`` of a config names: a list of them, or ``last:N`` for the newest finished runs.

    Raises:
        DataError: There are fewer than that.
    """
    runs = config["runs"]
    if isinstance(runs, list):
        return [str(run) for run in runs]
    wanted = int(str(runs).removeprefix(LAST))
    there = [str(run.folder) for run in found_runs(Path(config["output_dir"])) if run.state == "finished"]
    if len(there) < wanted:
        newest = f"; runs=last:{len(there)} takes all" if there else "; train first"
        raise DataError(f"runs={runs}: finished runs below {config['output_dir']}: {len(there)}{newest}")
    return there[:wanted]
