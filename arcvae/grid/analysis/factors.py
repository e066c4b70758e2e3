"""Whether the codes of objects say what the generator of a corpus knows: the colour and the place of each object."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from arcvae.grid.codes.object_codes import ObjectCodes
from arcvae.grid.corpus.generator import FACTORS

Grids = NDArray[np.uint8]

_COLOR, _SIZE, _ROW, _COLUMN, _HEIGHT, _WIDTH = (
    FACTORS.index(name) for name in ("color", "size", "row", "column", "height", "width")
)
_AROUND = np.ones((3, 3), dtype=bool)


def recovered_factors(grids: Grids, factors: Grids, codes: ObjectCodes) -> dict[str, float]:
    """How many objects of a generated corpus have a slot with exactly their colour, row and column.

    Args:
        grids: ``(N, S, S)`` uint8.
        factors: ``(N, M, 7)`` uint8, of these grids; see :data:`arcvae.grid.corpus.generator.FACTORS`.
        codes: Of these grids.

    Returns:
        ``objects``: how many are looked at, those that touch no other object of their colour, over edges or corners;
        ``recovered``: the share that has a slot.
    """
    looked, found = 0, 0
    for grid, objects, row, column, color in zip(grids, factors, codes.row, codes.column, codes.color, strict=True):
        for factor in objects[objects[:, _COLOR] > 0].astype(np.int64):
            if not _stands_alone(grid, factor):
                continue
            looked += 1
            centre = factor[_ROW] + (factor[_HEIGHT] - 1) / 2, factor[_COLUMN] + (factor[_WIDTH] - 1) / 2
            found += bool(((color == factor[_COLOR]) & (row == centre[0]) & (column == centre[1])).any())
    return {"objects": looked, "recovered": found / looked if looked else 0.0}


def _stands_alone(grid: Grids, factor: NDArray[np.int64]) -> bool:
    """Whether the cells of an object are a component of their own."""
    top, left, height, width = factor[[_ROW, _COLUMN, _HEIGHT, _WIDTH]]
    labels, _ = ndimage.label(grid == factor[_COLOR], _AROUND)
    box = labels[top : top + height, left : left + width]
    first = box[0][box[0] > 0]  # the first row of an object has a cell
    return bool(len(first)) and any(
        (labels == label).sum() == factor[_SIZE] and (box == label).sum() == factor[_SIZE] for label in set(first)
    )
