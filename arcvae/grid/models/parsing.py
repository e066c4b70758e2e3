"""From grids to objects: connected components of one colour, cut into parts where one is too large for a shape.

Works on NumPy arrays, for whole batches at once: what a grid consists of is found, not learned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from arcvae.grid.models.dihedral import ORDER, turned

Mask = NDArray[np.bool_]
Ints = NDArray[np.int64]
Bound = Callable[[Mask, int, int], Ints]
"""Parts that masks take at least."""

_TOUCHING: Final = np.zeros((3, 3, 3), dtype=bool)
_TOUCHING[1] = True  # cells of one grid touch over edges and corners, cells of different grids never
_MOST_PARTS: Final = 6
"""Parts that a component may be cut into; one for which no such cut is found is left out."""
_TRIED: Final = 3
"""Cuts that are followed further when no single one is enough."""


@dataclass(frozen=True)
class Objects:
    """The M objects of N grids, sorted by grid and, within one, by the first of their cells.

    Attributes:
        grid: ``(M,)``, index of the grid, in [0, N).
        color: ``(M,)``, in [1, C).
        row: ``(M,)`` float32, centre of the bounding box in cells; whole for an odd height, a half for an even one.
        column: ``(M,)`` float32, likewise.
        parity: ``(M,)``, ``2 (height odd) + (width odd)``.
        shapes: ``(M, F F)`` bool, on the frame; see :mod:`arcvae.grid.models.dihedral`.
        whole: ``(M,)``, the component that each is, or is a part of: a number of its own in all N grids.
        dropped: ``(N,)``, components of each grid that have no object: too large, and :func:`cut` finds no parts.
    """

    grid: Ints
    color: Ints
    row: NDArray[np.float32]
    column: NDArray[np.float32]
    parity: Ints
    shapes: Mask
    whole: Ints
    dropped: Ints


def find_objects(grids: NDArray[np.integer], num_colors: int, frame: int, max_cells: int) -> Objects:
    """What grids consist of.

    Args:
        grids: ``(N, H, W)``; cells that are not in [1, C) belong to no object.
        num_colors: C.
        frame: F, largest height and width of an object; even.
        max_cells: Most cells of an object.
    """
    labels, count = np.zeros(grids.shape, dtype=np.int64), 0
    for color in range(1, num_colors):
        found, here = ndimage.label(grids == color, _TOUCHING)
        labels[found > 0] = found[found > 0] + count
        count += here
    cells = np.nonzero(labels)
    label = labels[cells]
    component = label.copy()
    dropped = _cut_what_does_not_fit(cells, label, len(grids), frame, max_cells)
    kept = label > 0
    n, y, x = (part[kept] for part in cells)
    _, first, label = np.unique(label[kept], return_index=True, return_inverse=True)
    order = np.argsort(first)  # cells come grid by grid, row by row
    first = first[order]
    label = np.argsort(order)[label]
    top, left, height, width = _boxes(label, y, x)
    shapes = np.zeros((len(first), frame, frame), dtype=bool)
    rows = y - top[label] + ((frame - height % 2 - height) // 2)[label]
    columns = x - left[label] + ((frame - width % 2 - width) // 2)[label]
    shapes[label, rows, columns] = True
    return Objects(
        grid=n[first],
        color=grids[n, y, x][first].astype(np.int64),
        row=(top + (height - 1) / 2).astype(np.float32),
        column=(left + (width - 1) / 2).astype(np.float32),
        parity=2 * (height % 2) + width % 2,
        shapes=shapes.reshape(len(first), frame**2),
        whole=component[kept][first],
        dropped=dropped,
    )


def _boxes(label: Ints, y: Ints, x: Ints) -> tuple[Ints, Ints, Ints, Ints]:
    """Top, left, height and width of the bounding box of the cells of each label, 0 to the largest."""
    if not len(label):
        empty = np.zeros(0, dtype=np.int64)
        return empty, empty, empty, empty
    order = np.argsort(label, kind="stable")
    starts = np.searchsorted(label[order], np.arange(label.max() + 1))
    top, left = (np.minimum.reduceat(part[order], starts) for part in (y, x))
    bottom, right = (np.maximum.reduceat(part[order], starts) for part in (y, x))
    return top, left, bottom - top + 1, right - left + 1


def _cut_what_does_not_fit(cells: tuple[Ints, ...], label: Ints, num_grids: int, frame: int, max_cells: int) -> Ints:
    """Give the parts of components that are too large labels of their own, in place, and 0 to those that are not cut.

    Returns:
        ``(N,)``, components of each grid that are too large and not cut.
    """
    dropped = np.zeros(num_grids, dtype=np.int64)
    if not len(label):
        return dropped
    n, y, x = cells
    _, _, height, width = _boxes(label, y, x)  # label 0 has no cells and takes the box of the next one
    size = np.bincount(label)
    large = np.flatnonzero((size > max_cells) | ((size > 0) & ((height > frame) | (width > frame))))
    free = label.max() + 1
    for component in large:
        here = np.flatnonzero(label == component)
        top, left = y[here].min(), x[here].min()
        mask = np.zeros((y[here].max() - top + 1, x[here].max() - left + 1), dtype=bool)
        mask[y[here] - top, x[here] - left] = True
        parts = cut(mask, frame, max_cells)
        if parts is None:
            label[here] = 0
            dropped[n[here[0]]] += 1
            continue
        for part in parts[1:]:
            label[here[part[y[here] - top, x[here] - left]]] = free
            free += 1
    return dropped


def cut(mask: Mask, frame: int, max_cells: int) -> list[Mask] | None:
    """Parts of a connected mask, each connected and small enough for a shape; None if no six or fewer are found.

    A mask that consists of blocks of f x f cells, as an object does that was made f times as large, is cut along them,
    and its blocks count as cells do: it says no more than the smaller one.

    Among all windows and diagonal strips, the cut is taken whose two parts have the shortest outlines and the smallest
    boxes together; where one of two parts is still too large, the few that leave least to be cut are cut once more.
    What leaves least is told by size; where that leads nowhere, all is tried again by how far cells lie apart as well.
    Few cuts are followed, so that a large mask of an odd form may be given up although six parts would do.
    Turning or mirroring the mask turns the parts with it.

    Args:
        mask: ``(H, W)``, its bounding box.
        frame: Largest height and width of a part.
        max_cells: Most cells of a part, or blocks.
    """
    mask = np.ascontiguousarray(mask)
    return _cut(mask.tobytes(), mask.shape, frame, max_cells)


@lru_cache(maxsize=1 << 15)
def _cut(content: bytes, shape: tuple[int, int], frame: int, max_cells: int) -> list[Mask] | None:
    """:func:`cut` of a mask as bytes, which training meets again in every epoch."""
    mask = np.frombuffer(content, dtype=bool).reshape(shape)
    for times in range(min(*shape, frame), 0, -1):
        blocks = mask[::times, ::times]
        if not np.array_equal(_enlarged(blocks, times), mask):
            continue
        parts = _cut_any(blocks, frame // times, max_cells, smallest=2 if times == 1 else 1)
        if parts is not None:
            return [_enlarged(part, times) for part in parts]
    return None


def _enlarged(mask: Mask, times: int) -> Mask:
    larger: Mask = mask.repeat(times, 0).repeat(times, 1)
    return larger


def _cut_any(mask: Mask, frame: int, max_cells: int, smallest: int) -> list[Mask] | None:
    """Parts of a mask as it is, in any orientation, of ``smallest`` cells at least."""
    if max(mask.shape) > 4 * frame or _needed(mask[None], frame, max_cells)[0] > _MOST_PARTS:  # it stays small
        return None
    views = [np.ascontiguousarray(turned(mask, g)) for g in range(ORDER)]
    g = max(range(ORDER), key=lambda g: (views[g].shape, views[g].tobytes()))
    for bound in (_needed, _needed_sharper):  # the first alone decides wherever it finds parts
        parts = _search(views[g], frame, max_cells, smallest, _MOST_PARTS, bound, set())
        if parts is not None:
            break
    else:
        return None
    back = next(h for h in range(ORDER) if np.array_equal(turned(views[g], h), mask))
    return [turned(part, back) for part in parts]  # type: ignore[misc]


def _needed(masks: Mask, frame: int, max_cells: int) -> Ints:
    """Parts that each mask ``(P, H, W)`` has to be cut into at least, ``(P,)``."""
    height, width = extents(masks)
    needed: Ints = -np.min([-masks.sum((1, 2)) // max_cells, -height // frame, -width // frame], axis=0)
    return needed


def _needed_sharper(masks: Mask, frame: int, max_cells: int) -> Ints:
    """As :func:`_needed`, never less: thin masks spread further than their size and their box tell."""
    return np.maximum(_needed(masks, frame, max_cells), _apart(masks, frame))


def _apart(masks: Mask, frame: int) -> Ints:
    """How many cells of each mask ``(P, H, W)`` are found of which no part can hold two, ``(P,)``.

    Row by row each cell is taken that lies at least F rows or columns from all that were taken before.
    """
    left, count = masks.copy(), np.zeros(len(masks), dtype=np.int64)
    y, x = np.indices(masks.shape[1:])
    while left.any():
        count += left.any((1, 2))
        top, column = np.divmod(left.reshape(len(left), -1).argmax(1), masks.shape[2])
        left &= (y >= top[:, None, None] + frame) | (np.abs(x - column[:, None, None]) >= frame)
    return count


def _search(
    mask: Mask, frame: int, max_cells: int, smallest: int, most: int, bound: Bound, failed: set[tuple[bytes, int]]
) -> list[Mask] | None:
    """At most ``most`` parts; ``bound`` orders the cuts, ``failed`` has masks given up before, with their ``most``."""
    if _fit(mask[None], frame, max_cells)[0]:
        return [mask]
    key = (mask.tobytes(), most)
    if key in failed or _apart(mask[None], frame)[0] > most:
        return None
    failed.add(key)  # until it succeeds, when the search is over
    parts = _distinct(np.concatenate(list(_candidates(mask, frame))))
    size = parts.sum((1, 2))
    parts = parts[(size >= smallest) & (size <= mask.sum() - smallest) & _fit(parts, frame, max_cells)]
    rest = mask & ~parts
    whole = connected(parts) & connected(rest)
    parts, rest = parts[whole], rest[whole]
    cost = _cost(parts) + _cost(rest)
    needed = bound(rest, frame, max_cells)
    done = np.flatnonzero(needed == 1)
    if len(done):
        best = done[np.argmin(cost[done])]
        return [parts[best], rest[best]]
    order = np.lexsort((cost, needed))
    for index in order[needed[order] < most][:_TRIED]:
        further = _search(rest[index], frame, max_cells, smallest, most - 1, bound, failed)
        if further is not None:
            return [parts[index], *further]
    return None


def _candidates(mask: Mask, frame: int) -> Iterator[Mask]:
    """What windows of at most F x F cells, and strips along both diagonals, cut out of a mask: ``(P, H, W)`` each."""
    height, width = mask.shape
    y, x = np.mgrid[:height, :width]
    ranges = [(left, right) for left in range(width) for right in range(left + 1, min(left + frame, width) + 1)]
    columns = np.stack([(x >= left) & (x < right) for left, right in ranges])
    for top in range(height):
        rows = [(y >= top) & (y < bottom) for bottom in range(top + 1, min(top + frame, height) + 1)]
        windows = np.stack(rows)[:, None] & columns[None]
        yield windows.reshape(-1, height, width) & mask
    for diagonal in (y + x, y - x):
        low, high = int(diagonal.min()), int(diagonal.max()) + 1
        strips = [(diagonal >= a) & (diagonal < b) for a in range(low, high) for b in range(a + 1, high + 1)]
        yield np.stack(strips) & mask


def _distinct(masks: Mask) -> Mask:
    """Masks ``(P, H, W)`` without repetitions, in the order of their cells."""
    bits = np.packbits(masks.reshape(len(masks), -1), axis=1)
    keys = bits.view(f"V{bits.shape[1]}")[:, 0]  # np.unique of rows compares them cell by cell: 30 times slower
    return masks[np.unique(keys, return_index=True)[1]]


def _fit(masks: Mask, frame: int, max_cells: int) -> Mask:
    """Which masks ``(P, H, W)`` are not empty and small enough."""
    size = masks.sum((1, 2))
    height, width = extents(masks)
    small: Mask = (size >= 1) & (size <= max_cells) & (height <= frame) & (width <= frame)
    return small


def extents(masks: Mask) -> tuple[Ints, Ints]:
    """Height and width of the bounding box of each mask ``(P, H, W)``: ``(P,)`` each; 0 for an empty one."""
    found = []
    for axis in (2, 1):
        used: Mask = np.asarray(masks.any(axis))  # (P, H) or (P, W)
        length = used.shape[1] - used[:, ::-1].argmax(1) - used.argmax(1)
        found.append(np.where(used.any(1), length, 0))
    return found[0], found[1]


def connected(masks: Mask) -> Mask:
    """Which masks ``(P, H, W)``, none of them empty, are one component."""
    if not len(masks):
        return np.zeros(0, dtype=bool)
    labels, _ = ndimage.label(masks, _TOUCHING)
    labels = labels.reshape(len(masks), -1)
    flat = masks.reshape(len(masks), -1)
    first = labels[np.arange(len(masks)), flat.argmax(1)]
    same: Mask = ((labels == first[:, None]) == flat).all(1)
    return same


def _cost(masks: Mask) -> Ints:
    """Twice the outline of each mask ``(P, H, W)`` plus the area of its bounding box, in cells: ``(P,)``."""
    padded = np.pad(masks, ((0, 0), (1, 1), (1, 1))).astype(np.int64)
    outline = np.abs(np.diff(padded, axis=1)).sum((1, 2)) + np.abs(np.diff(padded, axis=2)).sum((1, 2))
    height, width = extents(masks)
    cost: Ints = 2 * outline + height * width
    return cost
