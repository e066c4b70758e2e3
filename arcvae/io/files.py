"""Writing files so that a crash leaves the old one or the new one, never half of either."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import re
import secrets
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from arcvae.errors import FileSystemError

_PART_NAME: Final = re.compile(r"\.(.+)\.\d+-[0-9a-f]{8}\.part")
_CHUNK: Final = 1 << 20


def write_atomic(path: str | os.PathLike[str], content: bytes, *, follow: bool = False) -> None:
    """Write ``content`` beside ``path``, flush it to disk, move it into place, and read it back.

    The temporary file lies in the same folder: elsewhere the move could be a copy, which a crash can tear. It is read
    back before the move as well, as long as the old file is still there. What does not read back is written once more.

    Args:
        path: A file, or where there is none yet; its folder is made when missing.
        content: All that is to be in it.
        follow: For a path that the user names: what a link leads to is written, and a pipe or a device is refused. By
            default a file takes their place, for in the run folder of a stranger they may lead anywhere.

    Raises:
        FileSystemError: The operating system refused: ``path`` is as it was and no temporary file is left. Or what was
            written did not read back twice.
    """
    target = Path(os.path.realpath(path) if follow else path)
    if not _written(target, content, follow) and not _written(target, content, follow):
        raise FileSystemError(f"{target} does not hold what was written to it; check this disk, or choose another")


def _written(target: Path, content: bytes, only_file: bool) -> bool:
    """Write a file, with ``only_file`` in place of no pipe or device; whether it reads back as ``content``."""
    part = target.with_name(_part_name(target.name))
    try:
        if only_file and (reason := _other_than_file(target)):
            raise FileSystemError(f"cannot write {target}: {reason}; choose another name")
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            view = memoryview(content)
            while view:
                view = view[os.write(descriptor, view) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if not _holds(part, content, from_disk=True):
            part.unlink()
            return False
        os.replace(part, target)
        _sync_folder(target.parent)
        return _holds(target, content)
    except BaseException as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise FileSystemError(f"cannot write {target}: {error.strerror or error}") from error
        raise


def _part_name(name: str) -> str:
    return f".{name}.{os.getpid()}-{secrets.token_hex(4)}.part"


def _other_than_file(path: Path) -> str | None:
    """What lies at a path free of links, if that is no regular file; None also if there is nothing.

    Raises:
        OSError: It cannot be looked at.
    """
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return None
    return None if stat.S_ISREG(mode) else "it is a folder" if stat.S_ISDIR(mode) else "it is a pipe or a device"


def unwritable(path: str | os.PathLike[str]) -> str | None:
    """Why :func:`write_atomic` could not write what a path leads to; None if it could.

    To be asked before work that takes long. It is tried in the nearest folder that is there, because permissions do not
    tell for all users and file systems; nothing is left behind.

    Example:
        >>> unwritable(os.devnull)
        'it is a pipe or a device'
    """
    try:
        target = Path(os.path.realpath(path))
        if reason := _other_than_file(target):
            return reason
        folder = next(filter(os.path.exists, target.parents), target.parent)
        part = folder / _part_name(target.name)
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        part.unlink()
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        return getattr(error, "strerror", None) or str(error)
    return None


def _holds(path: Path, content: bytes, *, from_disk: bool = False) -> bool:
    """Whether a file reads as ``content``; ``from_disk`` asks the system, where that is possible, for no copy of it."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    try:
        if from_disk and hasattr(os, "posix_fadvise"):
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        place = 0
        while chunk := os.read(descriptor, _CHUNK):
            if chunk != content[place : place + len(chunk)]:
                return False
            place += len(chunk)
        return place == len(content)
    finally:
        os.close(descriptor)


def sweep_parts(folder: Path, name: str = "") -> None:
    """Remove the temporary files that killed writers of :func:`write_atomic` left in a folder.

    To be called only by whoever holds the lock on what is swept: a part that is being written looks the same.

    Args:
        folder: Where to look, not deeper.
        name: Only those of the file of this name; all by default.
    """
    with contextlib.suppress(OSError):  # what cannot be removed now may be the next time
        for path in folder.iterdir():
            if (found := _PART_NAME.fullmatch(path.name)) and name in ("", found[1]):
                path.unlink()


def _sync_folder(folder: Path) -> None:
    """Make a rename in ``folder`` survive a power cut, where the system can.

    The file is in place by now: Windows does not open folders, and some network file systems do not sync them.
    """
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def to_json(value: Any) -> Any:
    """``value`` as strict JSON knows it: tensors and arrays as lists, NaN and infinity as None."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return value


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write strict JSON, atomically; what is not a finite number becomes null."""
    write_atomic(path, (json.dumps(to_json(value), indent=2, allow_nan=False) + "\n").encode())


def sha256(content: bytes | memoryview) -> str:
    """Hexadecimal SHA-256."""
    return hashlib.sha256(content).hexdigest()
