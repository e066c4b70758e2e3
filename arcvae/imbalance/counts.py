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

from arcvae.errors import ArcvaeError
from arcvae.io.files import sha256, write_json
from arcvae.io.locks import lock_or_warn

FORMAT = 1
_CHUNK = 1 << 20


def count_classes(labels: NDArray[np.integer[Any]], num_classes: int) -> NDArray[np.int64]:
    """How often each class occurs.

    Args:
        labels: Any shape, values in ``[0, num_classes)``.
        num_classes: C.

    Returns:
        ``(C,)`` int64. Takes 8 MB beside the labels, whatever their number: ``numpy.bincount`` on all of them
        at once would copy bytes as int64, eight times their size.

    Raises:
        ValueError: A label outside the range.
    """
    flat = labels.reshape(-1)
    counts = np.zeros(num_classes, dtype=np.int64)
    for start in range(0, len(flat), _CHUNK):
        chunk = np.bincount(flat[start : start + _CHUNK], minlength=num_classes)
        if len(chunk) > num_classes:
            raise ValueError(f"label {len(chunk) - 1} lies outside [0, {num_classes})")
        counts += chunk
    return counts


def cached_counts(
    labels: NDArray[np.integer[Any]], num_classes: int, cache: Path, *, lock_timeout: float = 10.0
) -> NDArray[np.int64]:
    """:func:`count_classes`, remembered in ``cache`` under a key made of the labels themselves.

    Args:
        labels: See :func:`count_classes`.
        num_classes: C.
        cache: Folder, made when missing.
        lock_timeout: Seconds to wait for another process that is counting the same labels.
    """
    key = content_key(labels, num_classes)
    path = cache / f"class-counts-{key}.json"
    if (counts := _read(path, key, num_classes, labels.size)) is not None:
        return counts
    with lock_or_warn(path.with_suffix(".lock"), lock_timeout):
        if (counts := _read(path, key, num_classes, labels.size)) is not None:
            return counts  # counted by whoever held the lock before
        counts = count_classes(labels, num_classes)
        try:
            write_json(path, {"format": FORMAT, "key": key, "counts": counts})
        except ArcvaeError as error:
            warnings.warn(f"class counts are not cached: {error}", stacklevel=2)
    return counts


def content_key(labels: NDArray[np.integer[Any]], num_classes: int) -> str:
    """Key of the cache: format, number of classes, shape and every byte of the labels."""
    head = f"{FORMAT} {num_classes} {labels.shape} {labels.dtype}"
    return sha256(f"{head} {sha256(np.ascontiguousarray(labels).data.cast('B'))}".encode())[:32]


def _read(path: Path, key: str, num_classes: int, total: int) -> NDArray[np.int64] | None:
    """The counts in a cache file, or None unless they are beyond doubt those of ``key``."""
    try:
        if path.stat().st_size > 1 << 16:
            raise ValueError("too large")
        payload = json.loads(path.read_bytes())
        counts = payload["counts"]
        plain = isinstance(counts, list) and all(type(n) is int and n >= 0 for n in counts)
        if payload["format"] != FORMAT or payload["key"] != key or not plain:
            raise ValueError("not what was asked for")
        if len(counts) != num_classes or sum(counts) != total:
            raise ValueError("not the counts of these labels")
        return np.array(counts, dtype=np.int64)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        warnings.warn(f"ignoring the class counts in {path} ({error}): counting again", stacklevel=3)
        return None
