"""The objects of grids: their number, sizes and colours, whether a grid is valid, and what reconstructions miss."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Grids = NDArray[np.uint8]
Ints = NDArray[np.int64]

SMALLEST, LARGEST = 2, 15
"""Fewest and most cells of an object."""

# Neighbourhood of a cell in a stack of grids: its eight neighbours in the same grid.
_TOUCHING = np.zeros((3, 3, 3), dtype=bool)
_TOUCHING[1] = True


@dataclass(frozen=True)
class Components:
    """The 8-connected, one-coloured components of N grids: M of them, sorted by grid."""

    num_grids: int
    grid: Ints
    """Index of the grid of each component, ``(M,)``, in [0, N)."""
    color: Ints
    """``(M,)``, in [1, C)."""
    size: Ints
    """Cells, ``(M,)``, >= 1."""

    @property
    def objects(self) -> Ints:
        """Fewest objects of at most 15 cells that make up each component, ``(M,)``: objects of one colour may touch."""
        return -(-self.size // LARGEST)

    @property
    def objects_per_grid(self) -> Ints:
        """Objects of each grid, ``(N,)``, >= 0."""
        return np.bincount(self.grid, self.objects, minlength=self.num_grids).astype(np.int64)

    @property
    def main_color(self) -> Ints:
        """Colour of the largest component of each grid, ``(N,)``; 0 for a grid without any."""
        order = np.lexsort((self.size, self.grid))
        result = np.zeros(self.num_grids, dtype=np.int64)
        result[self.grid[order]] = self.color[order]  # the largest of each grid is written last
        return result

    def valid(self, max_objects: int) -> NDArray[np.bool_]:
        """Whether each grid is made of 1 to ``max_objects`` objects of 2 to 15 cells, ``(N,)``."""
        stray = np.bincount(self.grid, self.size < SMALLEST, minlength=self.num_grids) > 0
        number = self.objects_per_grid
        return ~stray & (number >= 1) & (number <= max_objects)


def errors_by_objects(grids: Grids, decoded: Grids, ignore_index: int | None = None) -> dict[str, dict[str, float]]:
    """How many reconstructions are exact, and which errors the others have, by the number of objects of the original.

    Args:
        grids: Originals, ``(N, H, W)`` uint8.
        decoded: Their reconstructions, of the same shape.
        ignore_index: Value of cells in the originals that do not count, in no object and no error; None: all count.

    Returns:
        For each number of objects that occurs: ``share`` of the grids; ``exact_match``; mean cells per grid that were
        ``left_out`` (painted as background), ``added`` (background that was painted) or ``recolored``.
    """
    if ignore_index is not None:
        counts = grids != ignore_index
        grids, decoded = grids * counts, decoded * counts  # background in both
    number = find_components(grids).objects_per_grid
    result = {}
    for count in np.unique(number).tolist():
        original, ours = grids[number == count], decoded[number == count]
        wrong = {
            "left_out": (original > 0) & (ours == 0),
            "added": (original == 0) & (ours > 0),
            "recolored": (original > 0) & (ours > 0) & (original != ours),
        }
        result[str(count)] = {
            "share": len(original) / len(grids),
            "exact_match": float((original == ours).all((1, 2)).mean()),
            **{name: float(cells.sum() / len(original)) for name, cells in wrong.items()},
        }
    return result


def find_components(grids: Grids) -> Components:
    """The 8-connected components of one colour of grids ``(N, H, W)`` uint8, 0 = background.

    Example:
        >>> found = find_components(np.array([[[1, 1, 0], [0, 0, 2], [0, 2, 0]]], dtype=np.uint8))
        >>> found.size.tolist(), found.color.tolist(), found.valid(4).tolist()
        ([2, 2], [1, 2], [True])
    """
    indices, colors, sizes = [], [], []
    for color in np.unique(grids[grids > 0]).tolist():
        labels, count = ndimage.label(grids == color, structure=_TOUCHING)
        size = np.bincount(labels.ravel(), minlength=count + 1)[1:]
        first = np.zeros(count + 1, dtype=np.int64)
        cells = np.flatnonzero(labels)
        first[labels.ravel()[cells]] = cells // grids[0].size  # all cells of a component lie in one grid
        indices.append(first[1:])
        colors.append(np.full(count, color))
        sizes.append(size)
    grid, color, size = (
        np.concatenate([*part, np.zeros(0, np.int64)]).astype(np.int64) for part in (indices, colors, sizes)
    )
    order = np.argsort(grid, kind="stable")
    return Components(len(grids), grid[order], color[order], size[order])
