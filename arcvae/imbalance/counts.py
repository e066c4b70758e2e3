"""Class counts over a whole train split, cached by content.

The cache is shared by all runs, whatever process they are in. It can only ever save time: whatever is wrong with
it costs a warning and a recount.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcvae.errors import ArcvaeError, DataError
from arcvae.io.door import read_json
from arcvae.io.files import sha256, sweep_parts, write_json
from arcvae.io.locks import lock_or_warn

FORMAT = 1
_CHUNK = 1 << 20
_LARGEST = 1 << 20


def count_classes(
    labels: NDArray[np.integer[Any]], num_classes: int, ignore_index: int | None = None
) -> NDArray[np.int64]:
    """How often each class occurs.

    Args:
        labels: Any shape, values in ``[0, C)`` but for those to ignore.
        num_classes: C.
        ignore_index: Label of elements that are not counted, such as padding, or None.

    Returns:
        ``(C,)`` int64. Takes some 10 MB beside the labels, however many there are: ``numpy.bincount`` on all of them
        at once would copy bytes as int64, eight times their size.

    Raises:
        ValueError: A label outside the range.

    Example:
        >>> count_classes(np.array([0, 1, 0, 255], dtype=np.uint8), 3, ignore_index=255)
        array([2, 1, 0])
    """
    flat = labels.reshape(-1)
    counts = np.zeros(num_classes, dtype=np.int64)
    for start in range(0, len(flat), _CHUNK):
        chunk = flat[start : start + _CHUNK]
        if ignore_index is not None:
            chunk = chunk[chunk != ignore_index]
        if not len(chunk):
            continue
        for label in (int(chunk.min()), int(chunk.max())):
            if not 0 <= label < num_classes:
                raise ValueError(f"label {label} lies outside [0, {num_classes}); padding needs an ignore_index")
        counts += np.bincount(chunk, minlength=num_classes)
    return counts


def cached_counts(
    labels: NDArray[np.integer[Any]],
    num_classes: int,
    cache: Path,
    *,
    ignore_index: int | None = None,
    lock_timeout: float = 10.0,
) -> NDArray[np.int64]:
    """:func:`count_classes`, kept in ``cache`` under a key made of the labels themselves.

    Args:
        labels: See :func:`count_classes`.
        num_classes: C.
        cache: Folder, made when missing.
        ignore_index: See :func:`count_classes`; part of the key.
        lock_timeout: Seconds to wait for another process that is counting the same labels.

    Returns:
        ``(C,)`` int64, those of :func:`count_classes` whatever the cache holds.

    Raises:
        ValueError: A label outside the range.
    """
    key = content_key(labels, num_classes, ignore_index)
    path = cache / f"class-counts-{key}.json"
    if (counts := _read(path, key, num_classes, labels.size)) is not None:
        return counts
    with lock_or_warn(path.with_suffix(".lock"), lock_timeout):
        if (counts := _read(path, key, num_classes, labels.size)) is not None:
            return counts  # counted by whoever held the lock before
        sweep_parts(cache, path.name)
        counts = count_classes(labels, num_classes, ignore_index)
        ignored = {} if ignore_index is None else {"ignored": labels.size - int(counts.sum())}
        try:
            entry = {"format": FORMAT, "key": key, "counts": counts.tolist(), **ignored}
            write_json(path, {**entry, "sha256": _digest(entry)})
        except ArcvaeError as error:
            warnings.warn(f"class counts are not cached: {error}", stacklevel=2)
    return counts


def content_key(labels: NDArray[np.integer[Any]], num_classes: int, ignore_index: int | None = None) -> str:
    """Key of the cache: a hash of its format, the number of classes, what is ignored, and the labels themselves."""
    head = f"{FORMAT} {num_classes} {labels.shape} {labels.dtype}"
    if ignore_index is not None:  # keys without one are those of earlier versions
        head += f" ignore {ignore_index}"
    return sha256(f"{head} {sha256(np.ascontiguousarray(labels).data.cast('B'))}".encode())[:32]


def _digest(entry: dict[str, Any]) -> str:
    return sha256(json.dumps(entry, sort_keys=True).encode())


def _read(path: Path, key: str, num_classes: int, total: int) -> NDArray[np.int64] | None:
    """The counts in a cache file, or None unless they are beyond doubt those of ``key``."""
    if not path.exists():
        return None
    try:
        payload = read_json(path, DataError, "another", _LARGEST)
        counts = payload["counts"]
        whole = isinstance(counts, list)
        every = [*counts, *(payload[name] for name in ("ignored",) if name in payload)] if whole else []
        whole = whole and all(type(n) is int and n >= 0 for n in every)
        if payload["format"] != FORMAT or payload["key"] != key or not whole:
            raise ValueError("not what was asked for")
        if len(counts) != num_classes or sum(every) != total:
            raise ValueError("not the counts of these labels")
        if (digest := payload.pop("sha256", None)) is None:
            return None  # of an earlier version
        if digest != _digest(payload):
            raise ValueError("its digest differs")
        return np.array(counts, dtype=np.int64)
    except (ArcvaeError, ValueError, KeyError, TypeError, AttributeError) as error:
        warnings.warn(f"ignoring the class counts in {path} ({error}): counting again", stacklevel=3)
        return None
