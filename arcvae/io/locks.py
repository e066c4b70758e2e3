"""Advisory locks between processes: one that may be waited for, and one that a run holds on its folder.

The kernel holds them (``flock``), so the lock of a process that dies is free again and its file may stay where it is.
Where the system or the file system has no such locks, work goes on without: what they protect is written atomically
(:mod:`arcvae.io.files`), so the worst that can happen is work done twice.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from arcvae.errors import BusyError, FileSystemError

LOCK: Final = "run.lock"
"""The file in a run folder by which it is locked."""


@contextlib.contextmanager
def lock_or_warn(path: Path, timeout: float) -> Iterator[None]:
    """Hold a lock if it is free in time; go on without it otherwise.

    Args:
        path: The lock file; made when missing, with its folder, and left in place.
        timeout: Seconds to wait for whoever holds it, >= 0. After that there is a warning.
    """
    lock = _lock(path)
    try:
        lock.acquire(timeout=timeout)
    except Timeout:
        warnings.warn(f"{path} is held by another process: going on without the lock", stacklevel=3)
    except OSError:  # no locks here, or no such folder: whoever writes into it will say so
        pass
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def lock_folder(folder: Path, lock: str = LOCK, key: str = "hydra.run.dir") -> Iterator[None]:
    """Hold a folder, which is made when missing, against others who do the same work in it.

    Two locks exclude each other also within one process.

    Args:
        folder: That of a run, or of a sweep.
        lock: Name of the file in it by which it is locked; without its suffix, what the work is called.
        key: What names the folder on the command line.

    Raises:
        BusyError: Another run or sweep holds it.
        FileSystemError: It cannot be made or written to, or the lock is a pipe or a socket.
    """
    path = folder / lock
    work = path.stem
    refusal = f"cannot write to the {work} folder {folder}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        regular = _touched(path)
    except OSError as error:
        raise FileSystemError(f"{refusal}: {error.strerror or error}; choose another {key}") from error
    if not regular:
        raise FileSystemError(f"{refusal}: {lock} is not a regular file; remove it")
    held = _lock(path)
    try:
        held.acquire(blocking=False)
    except Timeout:
        raise BusyError(f"another {work} is going on in {folder}; choose another {key}") from None
    except OSError:  # no locks here
        pass
    try:
        yield
    finally:
        held.release()


def _touched(path: Path) -> bool:
    """Make a file that is to be locked; False for what is none, without waiting for whoever reads from a named pipe."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | getattr(os, "O_NONBLOCK", 0), 0o666)
        regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
        os.close(descriptor)
    except OSError as error:
        if error.errno != errno.ENXIO:  # what a named pipe without a reader, and a socket, give
            raise
        return False
    return regular


def is_held(folder: Path) -> bool:
    """Whether a run holds a run folder now; False where there are no locks. Nothing is made."""
    path = folder / LOCK
    if not path.is_file():
        return False
    lock = _lock(path)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return True
    except OSError:  # no locks here
        return False
    lock.release()
    return False


def _lock(path: Path) -> FileLock:
    # Without flock filelock would leave marker files, which outlive a process that is killed: then rather no lock.
    return FileLock(path, poll_interval=0.02, fallback_to_soft=False)
