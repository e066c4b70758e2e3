"""Shapes as rows of bits, and what turning, mirroring and scaling makes of them."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from arcvae.grid.operations.drawings import Size


class Shape(NamedTuple):
    """Cells in their bounding box: bit c of row r is the cell in column c, counted from the left."""

    width: int
    rows: tuple[int, ...]


@lru_cache(maxsize=1 << 16)
def cells_of(shape: Shape) -> tuple[tuple[int, int], ...]:
    """Rows and columns of the cells of a shape, row by row."""
    return tuple((r, c) for r, row in enumerate(shape.rows) for c in range(shape.width) if row >> c & 1)


@lru_cache(maxsize=1 << 18)
def canvas(shape: Shape, top: int, left: int, size: Size) -> int:
    """The cells of a grid that a shape covers: bit ``row * W + column``."""
    height, width = size
    full, cells = (1 << width) - 1, 0
    for row, bits in enumerate(shape.rows, top):
        if 0 <= row < height:
            cells |= ((bits << left if left >= 0 else bits >> -left) & full) << (row * width)
    return cells


@lru_cache(maxsize=1 << 16)
def turned(shape: Shape, quarters: int) -> Shape:
    """By quarter turns, counterclockwise."""
    for _ in range(quarters):
        rows = [sum((row >> c & 1) << r for r, row in enumerate(shape.rows)) for c in reversed(range(shape.width))]
        shape = Shape(len(shape.rows), tuple(rows))
    return shape


@lru_cache(maxsize=1 << 16)
def flipped(shape: Shape, up_down: bool) -> Shape:
    """Top to bottom, or left to right."""
    if up_down:
        return Shape(shape.width, shape.rows[::-1])
    last = shape.width - 1
    return Shape(
        shape.width, tuple(sum((row >> c & 1) << (last - c) for c in range(shape.width)) for row in shape.rows)
    )


@lru_cache(maxsize=1 << 16)
def symmetric(shape: Shape, up_down: bool) -> Shape:
    """With its mirror image laid over it."""
    pairs = zip(shape.rows, flipped(shape, up_down).rows, strict=True)
    return Shape(shape.width, tuple(one | other for one, other in pairs))


@lru_cache(maxsize=1 << 16)
def scaled(shape: Shape, factor: float) -> Shape:
    """By a whole factor, or by one divided by one."""
    times, part = max(1, round(factor)), max(1, round(1 / factor))
    block = [(y, x) for y in range(times) for x in range(times)]
    cells = [(r // part * times + y, c // part * times + x) for r, c in cells_of(shape) for y, x in block]
    rows = [0] * (1 + max(r for r, _ in cells))
    for r, c in cells:
        rows[r] |= 1 << c
    return Shape(1 + max(c for _, c in cells), tuple(rows))


@lru_cache(maxsize=1 << 14)
def with_margin(shape: Shape) -> Shape:
    """A shape and all cells that touch it."""
    wide = [0, *(row | row << 1 | row << 2 for row in shape.rows), 0]
    rows = [a | b | c for a, b, c in zip([0, *wide[:-1]], wide, [*wide[1:], 0], strict=True)]
    return Shape(shape.width + 2, tuple(rows))


def pieces(cells: int, width: int) -> list[tuple[Shape, int, int]]:
    """The connected parts of cells, by their first cells.

    Args:
        cells: Bit ``row * width + column`` each, none in the last column.
        width: Columns.

    Returns:
        Each part in its bounding box, with the first row and column of that.
    """
    found = []
    while cells:
        part, grown = 0, cells & -cells
        while grown != part:
            part = grown
            wide = part | part << 1 | part >> 1
            grown = (wide | wide << width | wide >> width) & cells
        cells &= ~part
        found.append(_cropped(part, width))
    return found


def _cropped(cells: int, width: int) -> tuple[Shape, int, int]:
    """Some cells in their bounding box, and its first row and column."""
    top = ((cells & -cells).bit_length() - 1) // width
    cells >>= top * width
    rows, used = [], 0
    while cells:
        rows.append(cells & (1 << width) - 1)
        used |= rows[-1]
        cells >>= width
    left = (used & -used).bit_length() - 1
    return Shape(used.bit_length() - left, tuple(row >> left for row in rows)), top, left
