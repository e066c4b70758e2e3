"""Shapes of the objects in a generated grid, as bitmaps that fit a 16x16 grid.

A shape is 16 rows of uint16; bit j of row i is the cell in row i, column j. Its bounding box starts at the top
left. Sixteen cells at a time, growing 100,000 blobs takes a fraction of a second in plain NumPy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

SIZE: Final = 16
KINDS: Final = ("blob", "rectangle", "line", "pattern")
MIN_CELLS, MAX_CELLS = 2, 15

Bitmaps = NDArray[np.uint16]
Ints = NDArray[np.int64]


class Draws:
    """Random integers that are the same on every machine and with every NumPy.

    NumPy keeps the raw stream of a bit generator stable across releases, but not what ``Generator`` makes of it:
    integers are therefore derived here, by integer arithmetic alone.

    Args:
        seed: Words that seed the stream, each in [0, 2^32).
    """

    def __init__(self, *seed: int) -> None:
        self._bits = np.random.PCG64(np.random.SeedSequence(seed))

    def below(self, bound: int | Ints, count: int) -> Ints:
        """``count`` integers, uniform on ``[0, bound)``; ``bound`` <= 2^31, one number or one per draw."""
        high = self._bits.random_raw(count) >> np.uint64(32)
        return ((high * np.asarray(bound, dtype=np.uint64)) >> np.uint64(32)).astype(np.int64)

    def weighted(self, weights: tuple[int, ...], count: int) -> Ints:
        """``count`` indices, drawn in proportion to whole-number weights."""
        cumulative = np.cumsum(weights)
        return np.searchsorted(cumulative, self.below(int(cumulative[-1]), count), side="right")


@dataclass(frozen=True)
class Shapes:
    """M shapes: bitmaps ``(M, 16)`` uint16, and height, width and number of cells, each ``(M,)`` int64."""

    rows: Bitmaps
    height: Ints
    width: Ints
    cells: Ints

    @classmethod
    def of(cls, rows: Bitmaps) -> Shapes:
        """Measure bitmaps whose bounding boxes start at the top left."""
        columns = np.bitwise_or.reduce(rows, axis=1)
        return cls(
            rows,
            height=(rows != 0).sum(1),
            width=SIZE - _leading_zeros(columns),
            cells=np.bitwise_count(rows).sum(1, dtype=np.int64),
        )


def _leading_zeros(words: Bitmaps) -> Ints:
    return SIZE - np.ceil(np.log2(words.astype(np.float64) + 1)).astype(np.int64)  # exact: words are < 2^16


@dataclass(frozen=True)
class _Catalogue:
    """Shapes of one kind that are drawn from a fixed list, each with a whole-number weight."""

    rows: Bitmaps
    weights: tuple[int, ...]

    def draw(self, draws: Draws, count: int) -> Bitmaps:
        """``count`` shapes, ``(count, 16)``."""
        return self.rows[draws.weighted(self.weights, count)]


def _catalogue(*drawings: tuple[int, str]) -> _Catalogue:
    """From pairs of a weight and a drawing such as ``"##/#."``."""
    rows = np.zeros((len(drawings), SIZE), dtype=np.uint16)
    for index, (_, drawing) in enumerate(drawings):
        for row, cells in enumerate(drawing.split("/")):
            rows[index, row] = sum(1 << column for column, cell in enumerate(cells) if cell == "#")
    return _Catalogue(rows, tuple(weight for weight, _ in drawings))


def _rectangles() -> _Catalogue:
    """Sides of 1 to 5 cells, 2 to 15 cells in all, longer side below three times the shorter."""
    sides = range(1, 6)
    return _catalogue(
        *(
            (1, "/".join(["#" * width] * height))
            for height in sides
            for width in sides
            if MIN_CELLS <= height * width <= MAX_CELLS and max(height, width) < 3 * min(height, width)
        )
    )


# Lengths 2 to 8. Lines of 3 to 5 cells are more frequent, as flat 1 x n shapes are in the reference corpora.
_LINE_WEIGHTS: Final = {2: 4, 3: 10, 4: 9, 5: 10, 6: 4, 7: 6, 8: 4}


def _lines() -> _Catalogue:
    """Horizontal 30 %, vertical 30 %, each diagonal 20 %."""
    drawings = []
    for length, weight in _LINE_WEIGHTS.items():
        steps = range(length)
        drawings += [
            (3 * weight, "#" * length),
            (3 * weight, "/".join("#" * length)),
            (2 * weight, "/".join("." * i + "#" for i in steps)),
            (2 * weight, "/".join("." * (length - 1 - i) + "#" for i in steps)),
        ]
    return _catalogue(*drawings)


def _patterns() -> _Catalogue:
    """Checkerboard, L, T, plus and zigzag, equally often; the variants of each share its weight of 60."""
    return _catalogue(
        *((30, drawing) for drawing in ("#./.#", "#.#/.#./#.#")),
        *((20, drawing) for drawing in ("##/#.", "###/#../#..", "####/#.../#.../#...")),
        *((15, drawing) for drawing in ("###/.#.", "###/.#./.#.", "####/..#.", "####/..#./..#.")),
        *((30, drawing) for drawing in ("/".join([".." + "#"] * 2 + ["#####"] + [".." + "#"] * 2),
                                        "/".join(["..." + "#"] * 3 + ["#######"] + ["..." + "#"] * 3))),
        *((12, drawing) for drawing in ("##/.#", "##/.##", "##/.##/..#", "##/.##/..##", "##/.##/..##/...#")),
    )  # fmt: skip


# Weights of 2 to 15 cells, chosen so that all kinds together have the component sizes of the reference corpus.
_BLOB_WEIGHTS: Final = (31, 34, 36, 36, 32, 31, 33, 24, 21, 28, 22, 29, 29, 19)


def _blobs(draws: Draws, count: int) -> Bitmaps:
    """Grow blobs cell by cell over 4-neighbours, on a torus that they are too small to wrap around.

    A frontier cell that touches two or more cells of the blob is three times as likely to be taken.
    """
    cells = np.sort(draws.weighted(_BLOB_WEIGHTS, count) + MIN_CELLS)[::-1]  # largest first: a prefix still grows
    blobs = np.zeros((count, SIZE), dtype=np.uint16)
    blobs[:, 0] = 1
    for grown in range(1, MAX_CELLS):
        growing = int(np.searchsorted(-cells, -grown))
        _grow(blobs[:growing], draws)
    return _to_top_left(blobs)[np.argsort(draws.below(1 << 31, count), kind="stable")]


def _grow(blobs: Bitmaps, draws: Draws) -> None:
    """Add one cell to each blob, in place."""
    above, below = np.roll(blobs, 1, axis=1), np.roll(blobs, -1, axis=1)
    left, right = _rotate(blobs, 1), _rotate(blobs, SIZE - 1)
    one = (above | below | left | right) & ~blobs
    two = ((above & below) | (left & right) | ((above | below) & (left | right))) & ~blobs
    ones = np.bitwise_count(one).sum(1, dtype=np.int64)
    twos = np.bitwise_count(two).sum(1, dtype=np.int64)
    rank = draws.below(ones + 2 * twos, len(blobs))
    # Weight 1 for the whole frontier and 2 more for cells that touch twice: pick the plane, then a cell in it.
    from_two = rank >= ones
    rank = np.where(from_two, (rank - ones) // 2, rank)
    plane = np.where(from_two[:, None], two, one)
    ends = np.bitwise_count(plane).cumsum(1, dtype=np.int64)
    row = (ends <= rank[:, None]).sum(1)
    index = np.arange(len(blobs))
    word = plane[index, row]
    rank_in_row = rank - ends[index, row] + np.bitwise_count(word)
    bits = (word[:, None] >> np.arange(SIZE, dtype=np.uint16)) & 1
    column = (bits.cumsum(1) <= rank_in_row[:, None]).sum(1)
    blobs[index, row] |= np.left_shift(1, column).astype(np.uint16)


def _rotate(words: Bitmaps, by: int | Bitmaps) -> Bitmaps:
    """Rotate 16-bit words towards the higher bit."""
    by = np.asarray(by, dtype=np.uint16)
    return (words << by) | (words >> ((SIZE - by) % SIZE).astype(np.uint16)) if np.any(by) else words


def _to_top_left(blobs: Bitmaps) -> Bitmaps:
    """Unroll blobs from the torus: the bounding box of each starts in row 0, column 0."""
    filled = blobs != 0
    first_row = (filled & ~np.roll(filled, 1, axis=1)).argmax(1)
    blobs = np.take_along_axis(blobs, (first_row[:, None] + np.arange(SIZE)) % SIZE, axis=1)
    columns = (np.bitwise_or.reduce(blobs, axis=1)[:, None] >> np.arange(SIZE, dtype=np.uint16)) & 1 == 1
    first_column = (columns & ~np.roll(columns, 1, axis=1)).argmax(1)
    return _rotate(blobs, ((SIZE - first_column) % SIZE).astype(np.uint16)[:, None])


_DRAW: Final[dict[str, Callable[[Draws, int], Bitmaps]]] = {
    "blob": _blobs,
    "rectangle": _rectangles().draw,
    "line": _lines().draw,
    "pattern": _patterns().draw,
}


def draw_shapes(kinds: Ints, draws: Draws) -> Shapes:
    """Draw a shape of each kind.

    Args:
        kinds: Indices into ``KINDS``, ``(M,)``.
        draws: The random stream.
    """
    rows = np.zeros((len(kinds), SIZE), dtype=np.uint16)
    for index, kind in enumerate(KINDS):
        chosen = np.flatnonzero(kinds == index)
        rows[chosen] = _DRAW[kind](draws, len(chosen))
    return Shapes.of(rows)
