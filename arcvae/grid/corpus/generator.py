"""The grid corpus that the project generates itself: objects placed on an empty grid, with their factors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from arcvae.grid.corpus.shapes import KINDS, SIZE, Draws, Ints, Shapes, draw_shapes

NUM_COLORS: Final = 10
PLACEMENTS: Final = 50
MIN_SIZE, MAX_SIZE = 8, 32
"""Sides of grids; those of the longest lines, and the bits of a row."""

Bitmaps = NDArray[np.uint32]

FACTORS: Final = ("kind", "color", "size", "row", "column", "height", "width")
"""Columns of a factor array; ``kind`` is 1 + the index in ``KINDS``, and 0 where there is no object."""


@dataclass(frozen=True)
class CorpusKind:
    """What distinguishes one kind of corpus from another.

    Args:
        max_objects: A grid gets 1 to this many objects, uniformly.
        kind_weights: Whole-number weight of each of ``KINDS``.
    """

    max_objects: int
    kind_weights: tuple[int, int, int, int]


CORPUS_KINDS: Final = {
    "atomic": CorpusKind(max_objects=4, kind_weights=(2, 1, 1, 1)),
    "simplified": CorpusKind(max_objects=6, kind_weights=(0, 1, 1, 1)),
}


def generate_grids(
    kind: str,
    num_grids: int,
    seed: int,
    *,
    grid_size: int = SIZE,
    min_objects: int = 1,
    max_objects: int | None = None,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Generate grids and the factors that they were made from.

    Each grid has ``min_objects`` to ``max_objects`` objects, each of one colour and 2 to 15 cells, none on top of
    another (touching is fine). An object that finds no room in 50 placements is left out.

    Args:
        kind: ``"atomic"`` (1-4 objects: 40 % blobs, 20 % each rectangles, lines and patterns) or
            ``"simplified"`` (1-6 objects, no blobs).
        num_grids: N, >= 0.
        seed: 0 <= seed < 2^32. The same seed gives the same bits on every machine.
        grid_size: S, 8 to 32. An object that is larger than the grid is left out.
        min_objects: Fewest objects of a grid, >= 0.
        max_objects: Most objects of a grid; None: those of the kind.

    Returns:
        Grids ``(N, S, S)`` uint8, 0 = background, and factors ``(N, max_objects, 7)`` uint8 with the columns
        of ``FACTORS``: objects first, then rows of zeros. Row and column are those of the top left corner of
        the bounding box.

    Raises:
        ValueError: Unknown kind, or sizes and numbers out of range.

    Example:
        >>> grids, factors = generate_grids("atomic", 100, seed=0)
        >>> int((grids > 0).sum()) == int(factors[..., FACTORS.index("size")].sum())
        True
    """
    spec = _spec(kind)
    draws = Draws(seed, list(CORPUS_KINDS).index(kind))
    most = spec.max_objects if max_objects is None else max_objects
    _check(grid_size, min_objects, most)
    wanted = min_objects + draws.below(most + 1 - min_objects, num_grids)
    grids = np.zeros((num_grids, grid_size, grid_size), dtype=np.uint8)
    factors = np.zeros((num_grids, most, len(FACTORS)), dtype=np.uint8)
    taken = np.zeros((num_grids, grid_size), dtype=np.uint32)
    for index in range(most):
        owners = np.flatnonzero(wanted > index)
        kinds = draws.weighted(spec.kind_weights, len(owners))
        colors = 1 + draws.below(NUM_COLORS - 1, len(owners))
        shapes = draw_shapes(kinds, draws)
        rows, columns, placed = _place(shapes, owners, taken, draws)
        objects = np.stack(
            [1 + kinds, colors, shapes.cells, rows, columns, shapes.height, shapes.width], axis=1
        )  # (M, 7)
        factors[owners[placed], index] = objects[placed]
        bitmap = _shift(shapes.rows[placed], rows[placed], columns[placed], grid_size)
        grids[owners[placed]] += _unpack(bitmap) * colors[placed, None, None].astype(np.uint8)
    order = np.argsort(factors[:, :, 0] == 0, axis=1, kind="stable")
    return grids, np.take_along_axis(factors, order[:, :, None], axis=1)


def _spec(kind: str) -> CorpusKind:
    if kind not in CORPUS_KINDS:
        raise ValueError(f"unknown corpus kind {kind!r}; choose one of {', '.join(CORPUS_KINDS)}")
    return CORPUS_KINDS[kind]


def _check(grid_size: int, min_objects: int, max_objects: int) -> None:
    if not MIN_SIZE <= grid_size <= MAX_SIZE:
        raise ValueError(f"grid_size must be between {MIN_SIZE} and {MAX_SIZE}, got {grid_size}")
    if not 0 <= min_objects <= max_objects:
        raise ValueError(f"min_objects={min_objects} must be between 0 and max_objects={max_objects}")


def _place(shapes: Shapes, owners: Ints, taken: Bitmaps, draws: Draws) -> tuple[Ints, Ints, NDArray[np.bool_]]:
    """Find room for one object in each owner's grid and mark it in ``taken``, ``(N, S)``.

    Returns:
        Row and column of the top left corner, and whether there was room, each ``(M,)``.
    """
    size = taken.shape[1]
    rows, columns = np.zeros_like(owners), np.zeros_like(owners)
    placed = np.zeros(len(owners), dtype=np.bool_)
    pending = np.flatnonzero((shapes.height <= size) & (shapes.width <= size))
    for _ in range(PLACEMENTS):
        if not len(pending):
            break
        row = draws.below(size + 1 - shapes.height[pending], len(pending))
        column = draws.below(size + 1 - shapes.width[pending], len(pending))
        bitmap = _shift(shapes.rows[pending], row, column, size)
        free = ~(bitmap & taken[owners[pending]]).any(axis=1)
        found = pending[free]
        taken[owners[found]] |= bitmap[free]
        rows[found], columns[found], placed[found] = row[free], column[free], True
        pending = pending[~free]
    return rows, columns, placed


def _shift(bitmaps: NDArray[np.uint16], rows: Ints, columns: Ints, size: int) -> Bitmaps:
    """Bitmaps ``(M, 16)`` moved down and right on ``(M, size)`` grids; they must stay inside these."""
    lines = np.arange(size) - rows[:, None]  # line of the bitmap on each row of the grid
    moved = np.take_along_axis(bitmaps, lines.clip(0, SIZE - 1), axis=1).astype(np.uint32)
    moved[(lines < 0) | (lines >= SIZE)] = 0
    return moved << columns[:, None].astype(np.uint32)


def _unpack(bitmaps: Bitmaps) -> NDArray[np.uint8]:
    """Bitmaps ``(M, S)`` as zeros and ones ``(M, S, S)``."""
    octets = bitmaps.astype("<u4").view(np.uint8)
    size = bitmaps.shape[1]
    return np.unpackbits(octets, bitorder="little").reshape(-1, size, 32)[:, :, :size]


__all__ = ["CORPUS_KINDS", "FACTORS", "KINDS", "NUM_COLORS", "generate_grids"]
