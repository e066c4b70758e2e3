"""Objects as sets of cells: found in a grid, and drawn on one. Nothing here knows codes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Cell = tuple[int, int]
Size = tuple[int, int]


class Drawing(NamedTuple):
    """An object: its colour, in [1, C), and the rows and columns of its cells, one at least."""

    color: int
    cells: frozenset[Cell]

    @property
    def box(self) -> tuple[int, int, int, int]:
        """First row, first column, last row and last column."""
        rows, columns = zip(*self.cells, strict=True)
        return min(rows), min(columns), max(rows), max(columns)

    def moved(self, down: int, right: int) -> Drawing:
        """The same object elsewhere."""
        return Drawing(self.color, frozenset((row + down, column + right) for row, column in self.cells))


def objects_of(grid: NDArray[np.integer]) -> list[Drawing]:
    """The objects of a grid ``(H, W)``: cells of one colour that touch over edges or corners, by their first cells.

    Example:
        >>> [(found.color, len(found.cells)) for found in objects_of(np.array([[1, 0, 2], [0, 1, 2]]))]
        [(1, 2), (2, 2)]
    """
    left = {(int(row), int(column)): int(grid[row, column]) for row, column in np.argwhere(grid > 0)}
    found = []
    while left:
        start, color = next(iter(left.items()))  # row by row
        found.append(Drawing(color, reached(start, {cell for cell, value in left.items() if value == color})))
        for cell in found[-1].cells:
            del left[cell]
    return found


def draw(objects: Iterable[Drawing], size: Size) -> NDArray[np.uint8]:
    """The grid ``(H, W)`` uint8 that shows some objects.

    Example:
        >>> draw([Drawing(3, frozenset({(0, 0), (0, 1)})), Drawing(4, frozenset({(0, 1), (0, 9)}))], (1, 3)).tolist()
        [[3, 4, 0]]
    """
    grid = np.zeros(size, dtype=np.uint8)
    for color, cells in objects:
        for row, column in cells:
            if 0 <= row < size[0] and 0 <= column < size[1]:
                grid[row, column] = color
    return grid


def hidden(objects: Sequence[Drawing], size: Size) -> bool:
    """Whether a cell of an object is not seen: outside of the grid, or under another object."""
    cells = [cell for found in objects for cell in found.cells]
    return len(set(cells)) < len(cells) or any(not (0 <= r < size[0] and 0 <= c < size[1]) for r, c in cells)


def split(color: int, cells: Iterable[Cell]) -> list[Drawing]:
    """The connected parts of an object, by their first cells."""
    left, parts = set(cells), []
    while left:
        parts.append(Drawing(color, reached(min(left), left)))
        left -= parts[-1].cells
    return parts


def reached(start: Cell, cells: set[Cell]) -> frozenset[Cell]:
    """The cells that are connected to one of them."""
    seen, border = {start}, [start]
    while border:
        row, column = border.pop()
        for near in ((row + y, column + x) for y in (-1, 0, 1) for x in (-1, 0, 1)):
            if near in cells and near not in seen:
                seen.add(near)
                border.append(near)
    return frozenset(seen)
