"""A writer that is killed, or finds the disk full, at each of its file operations in turn."""

from __future__ import annotations

import errno
import io
import itertools
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

from arcvae.errors import FileSystemError

OPERATIONS = ("open", "write", "fsync", "replace", "unlink", "mkdir", "symlink")
MODES = ("kill", "full disk")
WENT_ON = 10


def interrupted(writer: Callable[[], object], at: int, mode: str) -> int:
    """Run ``writer`` in a child whose ``at``-th file operation kills it or fails; its exit code.

    0 if it ended before, ``WENT_ON`` if it did without the operation, 5 for a fault of files, -9 when killed.
    """
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    calls = itertools.count(1)

    def faulty(operation: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object, **kwargs: object) -> object:
            if next(calls) == at:
                if mode == "kill":
                    os.kill(os.getpid(), signal.SIGKILL)
                raise OSError(errno.ENOSPC, "No space left on device")
            return operation(*args, **kwargs)

        return call

    for module, name in [*((os, name) for name in OPERATIONS), (io, "open")]:  # the last one is of Path.write_bytes
        setattr(module, name, faulty(getattr(module, name)))
    try:
        writer()
    except FileSystemError:
        os._exit(5)
    except BaseException:
        os._exit(99)
    os._exit(WENT_ON if next(calls) > at else 0)


def at_every_operation(
    before: Callable[[], object], writer: Callable[[], object], mode: str
) -> Iterator[tuple[int, int]]:
    """Interrupt a writer at its first operation, then at its second, ..., and at last at none.

    Args:
        before: Called each time before it begins.
        writer: Writes with operations of ``os``.
        mode: One of ``MODES``.

    Yields:
        The operation, and the exit code of :func:`interrupted`; 0 comes last.
    """
    for at in itertools.count(1):
        before()
        code = interrupted(writer, at, mode)
        yield at, code
        if code == 0:
            return


def naive(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.write(descriptor, content[: len(content) // 2])
    os.write(descriptor, content[len(content) // 2 :])
    os.close(descriptor)
