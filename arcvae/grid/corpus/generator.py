"""The grid corpus that the project generates itself: objects placed on an empty grid, with their factors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from arcvae.grid.corpus.shapes import KINDS, SIZE, Draws, Ints, Shapes, draw_shapes

NUM_COLORS: Final = 10
PLACEMENTS: Final = 50

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


def generate_grids(kind: str, num_grids: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Generate grids and the factors that they were made from.

    Each grid has 1 to ``max_objects`` objects, each of one colour and 2 to 15 cells, none on top of another
    (touching is fine). An object that finds no room in 50 placements is left out.

    Args:
        kind: ``"atomic"`` (1-4 objects: 40 % blobs, 20 % each rectangles, lines and patterns) or
            ``"simplified"`` (1-6 objects, no blobs).
        num_grids: N, >= 0.
        seed: 0 <= seed < 2^32. The same seed gives the same bits on every machine.

    Returns:
        Grids ``(N, 16, 16)`` uint8, 0 = background, and factors ``(N, max_objects, 7)`` uint8 with the columns
        of ``FACTORS``: objects first, then rows of zeros. Row and column are those of the top left corner of
        the bounding box.

    Raises:
        ValueError: Unknown kind.

    Example:
        >>> grids, factors = generate_grids("atomic", 100, seed=0)
        >>> int((grids > 0).sum()) == int(factors[..., FACTORS.index("size")].sum())
        True
    """
    if kind not in CORPUS_KINDS:
        raise ValueError(f"unknown corpus kind {kind!r}; choose one of {', '.join(CORPUS_KINDS)}")
    spec = CORPUS_KINDS[kind]
    draws = Draws(seed, list(CORPUS_KINDS).index(kind))
    wanted = 1 + draws.below(spec.max_objects, num_grids)
    grids = np.zeros((num_grids, SIZE, SIZE), dtype=np.uint8)
    factors = np.zeros((num_grids, spec.max_objects, len(FACTORS)), dtype=np.uint8)
    taken = np.zeros((num_grids, SIZE), dtype=np.uint16)
    for index in range(spec.max_objects):
        owners = np.flatnonzero(wanted > index)
        kinds = draws.weighted(spec.kind_weights, len(owners))
        colors = 1 + draws.below(NUM_COLORS - 1, len(owners))
        shapes = draw_shapes(kinds, draws)
        rows, columns, placed = _place(shapes, owners, taken, draws)
        objects = np.stack(
            [1 + kinds, colors, shapes.cells, rows, columns, shapes.height, shapes.width], axis=1
        )  # (M, 7)
        factors[owners[placed], index] = objects[placed]
        bitmap = _shift(shapes.rows[placed], rows[placed], columns[placed])
        grids[owners[placed]] += _unpack(bitmap) * colors[placed, None, None].astype(np.uint8)
    order = np.argsort(factors[:, :, 0] == 0, axis=1, kind="stable")
    return grids, np.take_along_axis(factors, order[:, :, None], axis=1)


def _place(
    shapes: Shapes, owners: Ints, taken: NDArray[np.uint16], draws: Draws
) -> tuple[Ints, Ints, NDArray[np.bool_]]:
    """Find room for one object in each owner's grid and mark it in ``taken``.

    Returns:
        Row and column of the top left corner, and whether there was room, each ``(M,)``.
    """
    rows, columns = np.zeros_like(owners), np.zeros_like(owners)
    placed = np.zeros(len(owners), dtype=np.bool_)
    pending = np.arange(len(owners))
    for _ in range(PLACEMENTS):
        if not len(pending):
            break
        row = draws.below(SIZE + 1 - shapes.height[pending], len(pending))
        column = draws.below(SIZE + 1 - shapes.width[pending], len(pending))
        bitmap = _shift(shapes.rows[pending], row, column)
        free = ~(bitmap & taken[owners[pending]]).any(axis=1)
        found = pending[free]
        taken[owners[found]] |= bitmap[free]
        rows[found], columns[found], placed[found] = row[free], column[free], True
        pending = pending[~free]
    return rows, columns, placed


def _shift(bitmaps: NDArray[np.uint16], rows: Ints, columns: Ints) -> NDArray[np.uint16]:
    """Move bitmaps ``(M, 16)`` down and right by as many cells; they must stay inside the grid."""
    down = np.take_along_axis(bitmaps, (np.arange(SIZE) - rows[:, None]) % SIZE, axis=1)
    return down << columns[:, None].astype(np.uint16)


def _unpack(bitmaps: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """Bitmaps ``(M, 16)`` as zeros and ones ``(M, 16, 16)``."""
    octets = bitmaps.astype("<u2").view(np.uint8)
    return np.unpackbits(octets, bitorder="little").reshape(-1, SIZE, SIZE)


__all__ = ["CORPUS_KINDS", "FACTORS", "KINDS", "NUM_COLORS", "generate_grids"]
