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
            width=np.frexp(columns.astype(np.float64))[1].astype(np.int64),  # exact: the number of bits
            cells=np.bitwise_count(rows).sum(1, dtype=np.int64),
        )


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
    """Sides of 1 to 5 cells, 2 to 15 cells in all, equally often."""
    sides = range(1, 6)
    return _catalogue(
        *(
            (1, "/".join(["#" * width] * height))
            for height in sides
            for width in sides
            if MIN_CELLS <= height * width <= MAX_CELLS
        )
    )


def _lines() -> _Catalogue:
    """Of 2 to 8 cells, equally often; a third horizontal, a third vertical, a sixth along each diagonal."""
    drawings = []
    for length in range(2, 9):
        steps = range(length)
        drawings += [
            (2, "#" * length),
            (2, "/".join("#" * length)),
            (1, "/".join("." * i + "#" for i in steps)),
            (1, "/".join("." * (length - 1 - i) + "#" for i in steps)),
        ]
    return _catalogue(*drawings)


def _patterns() -> _Catalogue:
    """Checkerboard, L, T, plus and zigzag, equally often; the sizes of each share its weight of 60.

    None is turned or mirrored.
    """
    return _catalogue(
        *((30, drawing) for drawing in ("#./.#", "#.#/.#./#.#")),
        *((20, drawing) for drawing in ("##/#.", "###/#../#..", "####/#.../#.../#...")),
        *((15, drawing) for drawing in ("###/.#.", "###/.#./.#.", "####/..#.", "####/..#./..#.")),
        *((30, drawing) for drawing in ("/".join([".." + "#"] * 2 + ["#####"] + [".." + "#"] * 2),
                                        "/".join(["..." + "#"] * 3 + ["#######"] + ["..." + "#"] * 3))),
        *((12, drawing) for drawing in ("##/.#", "##/.##", "##/.##/..#", "##/.##/..##", "##/.##/..##/...#")),
    )  # fmt: skip


def _blobs(draws: Draws, count: int) -> Bitmaps:
    """Grow blobs of 2 to 15 cells, equally often, on a torus that they are too small to wrap around."""
    cells = np.sort(MIN_CELLS + draws.below(MAX_CELLS + 1 - MIN_CELLS, count))[::-1]  # largest first: a prefix grows
    blobs = np.zeros((count, SIZE), dtype=np.uint16)
    blobs[:, 0] = 1
    for grown in range(1, MAX_CELLS):
        growing = int(np.searchsorted(-cells, -grown))
        _grow(blobs[:growing], draws)
    return _to_top_left(blobs)[np.argsort(draws.below(1 << 31, count), kind="stable")]


def _grow(blobs: Bitmaps, draws: Draws) -> None:
    """Add one cell to each blob, in place.

    A free cell that touches k cells of the blob, over edges or corners, has weight 1 + 2 + ... + k. This is what the
    blobs of the reference corpus show: with two touching cells it is 3 times as likely as with one, with three 6 times.
    """
    planes = _touching(blobs) & ~blobs
    ends = (np.bitwise_count(planes).sum(2, dtype=np.int64) * np.arange(1, len(planes) + 1)[:, None]).cumsum(0)
    rank = draws.below(ends[-1], len(blobs))
    index = np.arange(len(blobs))
    # The k-th plane brings k of a cell's weight: pick a plane, then a cell in it.
    pick = (ends <= rank).sum(0)
    plane = planes[pick, index]
    rank = (ends[pick, index] - 1 - rank) // (pick + 1)
    ends = np.bitwise_count(plane).cumsum(1, dtype=np.int64)
    row = (ends <= rank[:, None]).sum(1)
    word = plane[index, row]
    rank_in_row = rank - ends[index, row] + np.bitwise_count(word)
    bits = (word[:, None] >> np.arange(SIZE, dtype=np.uint16)) & 1
    column = (bits.cumsum(1) <= rank_in_row[:, None]).sum(1)
    blobs[index, row] |= np.left_shift(1, column).astype(np.uint16)


def _touching(blobs: Bitmaps) -> Bitmaps:
    """Cells that touch at least 1, 2, ..., 8 cells of blobs ``(M, 16)``, as planes ``(8, M, 16)``."""
    planes = np.zeros((8, *blobs.shape), dtype=np.uint16)
    left, right = _rotate(blobs, SIZE - 1), _rotate(blobs, 1)
    above_and_below = (np.roll(words, by, axis=1) for words in (left, blobs, right) for by in (1, -1))
    for seen, words in enumerate((left, right, *above_and_below)):
        for k in range(seen, 0, -1):
            planes[k] |= planes[k - 1] & words
        planes[0] |= words
    return planes


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
