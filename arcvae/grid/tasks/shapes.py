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


def pieces(shape: Shape) -> list[tuple[Shape, int, int]]:
    """The connected parts of cells in a box that may be too large for them, by their first cells.

    Returns:
        Each part in its bounding box, with the first row and column of that in the box of them all.
    """
    left, found = list(shape.rows), []
    while any(left):
        start = next(row for row, bits in enumerate(left) if bits)
        part = [0] * len(left)
        part[start] = left[start] & -left[start]
        growing = True
        while growing:
            around = [bits | bits << 1 | bits >> 1 for bits in part]
            near = [a | b | c for a, b, c in zip([0, *around[:-1]], around, [*around[1:], 0], strict=True)]
            grown = [bits & free for bits, free in zip(near, left, strict=True)]
            growing, part = grown != part, grown
        left = [bits & ~own for bits, own in zip(left, part, strict=True)]
        found.append(_cropped(part))
    return found


def _cropped(rows: list[int]) -> tuple[Shape, int, int]:
    """Rows, one of which has a cell, in their bounding box, and its first row and column."""
    used = [row for row, bits in enumerate(rows) if bits]
    cells = 0
    for bits in rows:
        cells |= bits
    first = (cells & -cells).bit_length() - 1
    kept = tuple(bits >> first for bits in rows[used[0] : used[-1] + 1])
    return Shape(cells.bit_length() - first, kept), used[0], first
