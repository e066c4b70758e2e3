"""Files and folders that a command writes where the user says, in place of a run folder."""

from __future__ import annotations

from pathlib import Path

from arcvae.errors import BusyError, ConfigError, FileSystemError
from arcvae.io.files import unwritable
from arcvae.io.locks import LOCK


def require_new_file(out: str | None, *, overwrite: bool) -> None:
    """Refuse to write over a file that the user has not given up, and where nothing can be written.

    Args:
        out: The file, or None for one that the command names.
        overwrite: Whether a file that is there may be replaced.

    Raises:
        ConfigError: ``out`` exists, and ``overwrite`` is false.
        FileSystemError: It is a folder, a pipe or a device, or nothing can be written into the nearest folder above it.
    """
    if not out:
        return
    require_writable(out, Path(out))
    if Path(out).exists() and not overwrite:
        raise ConfigError(f"out={out} exists; choose another name or set overwrite=true")


def require_new_folder(out: str) -> None:
    """Refuse to write into a folder that holds results, or that cannot be written to.

    Args:
        out: A folder, which need not exist.

    Raises:
        BusyError: It holds files; that by which a run locks it does not count.
        ConfigError: It is a file.
        FileSystemError: It, or the nearest folder above it that is there, cannot be written to.
    """
    folder = Path(out)
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"out={out} is a file; choose the name of a folder")
    if folder.is_dir() and any(not path.name.startswith(".") and path.name != LOCK for path in folder.iterdir()):
        raise BusyError(f"out={out} holds files already; choose another name")
    require_writable(out, folder / "metrics.json")


def require_writable(out: str, file: Path) -> None:
    """Refuse a place where nothing can be written, before the work whose result is to go there.

    Args:
        out: As it was given.
        file: A file that is to be written, which need not exist.

    Raises:
        FileSystemError: It is a folder, a pipe or a device, or nothing can be written into the nearest folder above it.
    """
    if reason := unwritable(file):
        raise FileSystemError(f"cannot write out={out}: {reason}; choose another name")
