"""What ``arcvae.report`` makes a page of, told apart before torch is imported: runs, sweeps, and shipped models."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from arcvae.app.output import require_writable
from arcvae.app.shipped import comes_with_arcvae
from arcvae.app.sweep import FILE
from arcvae.errors import ConfigError, DataError
from arcvae.training.record import RECORD, RunRecord

PAGE: Final = "report.html"
"""Name of a page in the folder that it is of."""
MARK: Final = b'<meta name="generator" content="arcvae">'
"""By which a page is told from a file that must not be written over; in ``training/page/page.html``."""


def jobs_in(folder: Path) -> list[Path]:
    """Folders of the finished jobs of a sweep, in the order of their numbers; empty for a folder of another kind."""
    found = [path.parent for path in folder.glob(f"*/{RECORD}")]
    return sorted(found, key=lambda path: (int(path.name) if path.name.isdecimal() else 0, path.name))


def is_sweep(folder: Path) -> bool:
    """Whether this is the folder of a sweep, and not of a run."""
    return not (folder / RECORD).exists() and ((folder / FILE).is_file() or bool(jobs_in(folder)))


def require_runs(runs: Sequence[str]) -> None:
    """Refuse names of which no page can be made.

    Raises:
        ConfigError: There is none.
        DataError: One is no run, no sweep with a finished job and no model that comes with arcvae; or a model is given
            together with others.
    """
    if not runs:
        raise ConfigError("runs=[]: name a run folder, such as outputs/latest, or a model that comes with arcvae")
    for run in runs:
        folder = Path(run)
        if comes_with_arcvae(run):
            if len(runs) > 1:
                raise DataError(f"{run} comes with arcvae, without the record of its run; give it alone")
        elif not folder.is_dir():
            raise DataError(f"{run}: there is no such folder; give that of a finished training run, or of a sweep")
        elif is_sweep(folder):
            if not jobs_in(folder):
                raise DataError(f"{run} is a sweep of which no job is finished; give another")
        elif not (folder / RECORD).is_file():
            raise DataError(f"{run} holds no {RECORD}; give the folder of a finished training run, or of a sweep")
        else:
            RunRecord.read(folder)


def require_page(out: Path) -> None:
    """Refuse to write a page where something else is.

    Raises:
        ConfigError: Not the name of a page, a folder, or a file that is no page of arcvae's.
        FileSystemError: A pipe or a device, or nothing can be written into the nearest folder above it.
    """
    if out.suffix.lower() not in (".html", ".htm"):
        raise ConfigError(f"out={out} must end in .html")
    if out.is_dir():
        raise ConfigError(f"out={out} is a folder; give the name of a file in it")
    require_writable(str(out), out)  # also not a pipe, to open which would wait for whoever writes into it
    if out.exists():
        with out.open("rb") as file:
            if MARK not in file.read(4096):
                raise ConfigError(f"out={out} is not a page that arcvae has written; choose another name")
