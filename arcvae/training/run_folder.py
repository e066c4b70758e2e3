"""The folder that a run writes into: locked by one run at a time, and never overwritten once the run is finished."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from arcvae.errors import BusyError, CheckpointError, FileSystemError
from arcvae.io.files import sweep_parts
from arcvae.io.locks import LOCK, lock_folder
from arcvae.training.processes import is_first_process

_ANOTHER: Final = "choose another hydra.run.dir, or hydra.sweep.dir for the jobs of a sweep"

log = logging.getLogger(__name__)

AUTO: Final = "auto"
"""``ckpt_path`` of a run that goes on from whatever its own folder holds, and begins if that is nothing."""


@contextlib.contextmanager
def held_run_folder(folder: Path) -> Iterator[None]:
    """Lock a run folder, which is created if missing, against other runs.

    In a distributed run only the first process locks it.

    Raises:
        BusyError: Another run is writing into it, or it holds a finished run.
        CheckpointError: It holds a checkpoint that Lightning would load by itself.
        FileSystemError: It cannot be written to.
    """
    if not is_first_process():
        yield
        return
    _require_unfinished(folder)  # before the lock, whose file is touched
    with lock_folder(folder):
        _require_unfinished(folder)
        if planted := sorted(folder.glob("hpc_ckpt_*.ckpt")):
            raise CheckpointError(
                f"{planted[0]} would be loaded unasked under Slurm; move it out of the run folder, and continue from "
                "it with ckpt_path"
            )
        for path in folder.rglob("*"):  # a named pipe in place of a log would hold up whoever writes to it for ever
            if path.exists() and not path.is_file() and not path.is_dir():
                raise FileSystemError(f"{path} is neither a file nor a folder; remove it")
        for place in (folder, *(path for path in folder.iterdir() if path.is_dir())):
            sweep_parts(place)
        yield


def checkpoint_files(folder: Path) -> list[Path]:
    """Files of the checkpoints in a run folder, valid or not, by name."""
    return sorted((folder / "checkpoints").glob("*.ckpt"))


def checkpoint_at(path: str | os.PathLike[str]) -> Path:
    """The checkpoint that a path means: a file, or ``checkpoints/best.ckpt`` of a run folder; free of links.

    ``outputs/latest`` may point to another run before the checkpoint is read. It need not exist.
    """
    found = Path(os.path.realpath(path))  # unlike Path.resolve, also for links that lead round in a circle
    return found / "checkpoints" / "best.ckpt" if found.is_dir() else found


def _require_unfinished(folder: Path) -> None:
    if any((folder / record).exists() for record in ("metrics.json", "results.json")):
        raise BusyError(f"{folder} holds a finished run; {_ANOTHER}")


def require_free(folder: Path, *, trains: bool) -> None:
    """Refuse a run folder that cannot be held now, before anything that takes long; nothing is written into a new one.

    Args:
        folder: It need not exist.
        trains: Whether for a training run, which may go on from the checkpoints that lie there.

    Raises:
        BusyError: As :func:`held_run_folder`; or another command would write between the files of a training run.
    """
    if folder.is_dir():
        _require_unfinished(folder)
        if not trains and checkpoint_files(folder):
            raise BusyError(f"{folder} is the folder of a training run; {_ANOTHER}")
        if (folder / LOCK).exists():
            with held_run_folder(folder):
                pass


def link_latest(folder: Path, output_dir: Path) -> bool:
    """Let the symbolic link ``OUTPUT_DIR/latest`` point to a run folder; where that fails, there is a warning.

    Args:
        folder: Run folder.
        output_dir: In which the link is made; itself made when missing.

    Returns:
        Whether it points there.
    """
    link = output_dir / "latest"
    part = output_dir / f".latest.{os.getpid()}.part"
    target = os.path.realpath(folder)
    with contextlib.suppress(ValueError):  # on Windows there is no way from one drive to another
        target = os.path.relpath(target, os.path.realpath(output_dir))
    try:
        output_dir.mkdir(parents=True, exist_ok=True)
        part.unlink(missing_ok=True)
        part.symlink_to(target, target_is_directory=True)
        os.replace(part, link)
    except OSError as error:
        log.warning("%s does not point to this run: %s", link, error.strerror or error)
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        return False
    return True
