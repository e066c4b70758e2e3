"""Readers that read a file once: commands check a corpus before they train on it, and training reads it again."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from arcvae.io.files import sweep_parts
from arcvae.io.locks import lock_or_warn

Reader = TypeVar("Reader", bound=Callable[..., Any])


def cached_by_file(read: Reader) -> Reader:
    """Decorate ``read(path, **settings)`` to return the same object as long as the file has not changed.

    Only the last result is kept, for a corpus may be large. A file counts as unchanged while its inode, size and times
    of modification and change are the same. A call that raises is not remembered.

    Args:
        read: Takes the path first; the further arguments are hashable.

    Example:
        >>> import tempfile
        >>> with tempfile.NamedTemporaryFile() as file:
        ...     read = cached_by_file(lambda path: [path])
        ...     first, second = read(file.name), read(file.name)
        >>> first is second
        True
    """

    signature = inspect.signature(read)

    @functools.lru_cache(maxsize=1)
    def read_version(_version: tuple[int, ...], /, *args: Any, **settings: Any) -> Any:
        return read(*args, **settings)

    @functools.wraps(read)
    def cached(path: str | os.PathLike[str], /, *args: Any, **settings: Any) -> Any:
        call = signature.bind(Path(path), *args, **settings)
        call.apply_defaults()  # a default that is given is the same call
        return read_version(_version(call.args[0]), *call.args, **call.kwargs)

    return cached  # type: ignore[return-value]


def make_once(path: Path, make: Callable[[], None], timeout: float = 600.0) -> None:
    """Make a file that several processes need and that is not there: one makes it, the others wait for that.

    Args:
        path: The file.
        make: Writes it with :func:`arcvae.io.files.write_atomic`.
        timeout: Seconds to wait for whoever is making it; after that it is made twice.
    """
    with lock_or_warn(path.with_name(f"{path.name}.lock"), timeout):
        if not path.exists():
            sweep_parts(path.parent, path.name)
            make()


def _version(path: Path) -> tuple[int, ...]:
    """What differs between two contents of a file; empty for a file that cannot be looked at: the reader says why."""
    try:
        found = path.stat()
    except (OSError, ValueError):  # ValueError: a NUL in the name
        return ()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
