"""The way in for files that others may have written: regular files only, opened once, and no larger than expected.

A path is opened before it is looked at, without waiting, and then asked through the handle what it is: a named pipe in
place of a file would otherwise hang the reader for ever, and a file could be exchanged between the look and the read.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
from collections.abc import Iterator
from io import BufferedReader, FileIO
from pathlib import Path
from typing import Any, Final

import yaml

from arcvae.errors import ArcvaeError, FileSystemError

_FLAGS: Final = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
MAX_JSON: Final = 1 << 26
"""Bytes of the largest JSON file that is read; the record of a run of a million epochs would be larger."""
MAX_YAML: Final = 1 << 16
"""Bytes of the largest YAML file that is read."""
MAX_NODES: Final = 2_000
"""Values in a YAML file, those that aliases stand for counted each time, and long text as several."""
MAX_LEVELS: Final = 64
"""Lists and mappings of a YAML file within one another."""
_PARSER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""What tells the events of a YAML file: libyaml, ten times as fast, where PyYAML was built with it."""


class _Bounded(BufferedReader):
    """A file that is asked for no more than it has: Python takes the memory for all that is asked for at once."""

    def read(self, size: int | None = -1, /) -> bytes:
        left = max(0, os.fstat(self.fileno()).st_size - self.tell())
        return super().read(left if size is None or size < 0 else min(size, left))


@contextlib.contextmanager
def opened(path: str | os.PathLike[str], fault: type[ArcvaeError], give: str) -> Iterator[BufferedReader]:
    """A regular file, or a link to one, open for reading.

    Args:
        path: The file.
        fault: What to raise.
        give: What the user should give instead, as the end of a message: "a checkpoint".

    Raises:
        ArcvaeError: ``fault``: there is no such file, it is something else (a folder, a named pipe, a device), or
            reading it fails.
        FileSystemError: It may not be read.
    """
    where = Path(path).absolute()
    try:
        descriptor = os.open(path, _FLAGS)
        regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
        if not regular:
            os.close(descriptor)
    except FileNotFoundError:
        raise fault(f"there is no file {where}; give {give}") from None
    except PermissionError:
        raise FileSystemError(f"permission denied: cannot read {where}") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        if getattr(error, "errno", None) != errno.ENXIO:  # what opening a socket gives
            raise fault(f"cannot read {where}: {getattr(error, 'strerror', None) or error}") from None
        regular = False
    if not regular:
        raise fault(f"{where} is not a regular file; give {give}")
    with _Bounded(FileIO(descriptor)) as file:
        try:
            yield file
        except OSError as error:
            raise fault(f"cannot read {where}: {error.strerror or error}") from None


def read_whole(path: str | os.PathLike[str], fault: type[ArcvaeError], give: str, most: int) -> bytes:
    """The content of a file of at most ``most`` bytes.

    Raises:
        ArcvaeError: As :func:`opened`, and for a larger file.
    """
    with opened(path, fault, give) as file:
        size = os.fstat(file.fileno()).st_size
        content = file.read(size + 1) if size <= most else b""
    if size > most or len(content) > most:
        raise fault(f"{Path(path).absolute()} has {size:,} bytes, more than {most:,}; give {give}")
    return content


def read_json(path: str | os.PathLike[str], fault: type[ArcvaeError], give: str, most: int = MAX_JSON) -> Any:
    """The value in a JSON file of at most ``most`` bytes.

    Raises:
        ArcvaeError: As :func:`read_whole`, and for what is not JSON.
    """
    content = read_whole(path, fault, give, most)
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise fault(f"{Path(path).absolute()} is not JSON ({error}); give {give}") from None


def require_bounded_yaml(content: bytes) -> None:
    """Refuse YAML that would take long or much to build, from its events alone.

    Two hundred bytes of aliases can stand for gigabytes, and deep nesting ends in a ``RecursionError``.

    Raises:
        ValueError: More than ``MAX_YAML`` bytes, ``MAX_NODES`` values or ``MAX_LEVELS`` levels, or an alias within what
            it stands for.
        yaml.YAMLError: It is not YAML.
    """
    if len(content) > MAX_YAML:
        raise ValueError(f"it has more than {MAX_YAML:,} bytes")
    sizes: dict[str | None, int] = {}
    begun: list[tuple[str | None, int]] = []
    total = 0
    for event in yaml.parse(content, Loader=_PARSER):
        if isinstance(event, yaml.AliasEvent):
            within = any(event.anchor == anchor for anchor, _ in begun)
            total += MAX_NODES if within else sizes.get(event.anchor, 0)
        elif isinstance(event, yaml.CollectionStartEvent):
            begun.append((event.anchor, total))
            total += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = begun.pop()
            if anchor is not None:
                sizes[anchor] = total - before
        elif isinstance(event, yaml.ScalarEvent):
            size = 1 + len(event.value) // 100
            total += size
            if event.anchor is not None:
                sizes[event.anchor] = size
        if total > MAX_NODES or len(begun) > MAX_LEVELS:  # event by event: to build it would take minutes
            raise ValueError(f"it stands for more than {MAX_NODES:,} values, or {MAX_LEVELS} levels of them")


def read_yaml_list(path: str | os.PathLike[str], fault: type[ArcvaeError], give: str) -> list[str]:
    """The strings in a YAML file that is a list of strings, of at most 64 KB and without anchors and aliases.

    With those a file of some hundred bytes can stand for gigabytes.

    Raises:
        ArcvaeError: As :func:`read_whole`, and for any other content.
    """
    content = read_whole(path, fault, give, MAX_YAML)
    try:
        lists = 0
        for event in yaml.parse(content, Loader=_PARSER):  # event by event: deep nesting would take minutes
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
                raise ValueError("it uses anchors")
            lists += isinstance(event, yaml.SequenceStartEvent)
            if lists > 1 or isinstance(event, yaml.MappingStartEvent):
                raise ValueError("something in it is not text")
        value = yaml.safe_load(content)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:120]
        raise fault(f"{Path(path).absolute()} is not a list of text ({reason}); give {give}") from None
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise fault(f"{Path(path).absolute()} is not a list of text; give {give}")
    return value
