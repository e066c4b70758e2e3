"""Cases: what the oracle makes of grids, the first as they come and the first in which all is seen."""

from __future__ import annotations

import numpy as np

from arcvae.grid.benchmarks.cases import collect, joined
from arcvae.grid.operations.drawings import Drawing
from arcvae.grid.operations.program import Program

SIZE = (4, 6)


def dot(row: int, column: int, color: int = 1) -> Drawing:
    return Drawing(color, frozenset({(row, column)}))


BAR = Drawing(2, frozenset({(1, 0), (1, 1), (1, 2)}))
SCENES = [[dot(0, 5)], [], [dot(3, 0)], [BAR, dot(0, 5)], [dot(0, 0), dot(0, 1, 3)], [dot(2, 2)]]
RIGHT = Program.parse("translate(dx=1)")


def test_first_cases_and_first_clear_cases_are_counted_apart() -> None:
    found = collect(RIGHT, SCENES, SIZE, limit=2)
    # The first object leaves the grid, the empty grid is passed over; 3 hides a cell again.
    assert found.index.tolist() == [0, 2, 4]
    assert found.every.tolist() == [True, True, False]
    assert found.clear.tolist() == [False, True, True]
    assert found.objects.tolist() == [1, 1, 2]
    assert found.target[0].sum() == 0
    assert np.argwhere(found.target[1]).tolist() == [[3, 1]]
    assert found.target[2, 0].tolist() == [0, 1, 3, 0, 0, 0]


def test_cases_end_with_the_pool_and_begin_where_they_should() -> None:
    assert collect(RIGHT, SCENES, SIZE, limit=100).index.tolist() == [0, 2, 3, 4, 5]
    assert collect(RIGHT, SCENES, SIZE, limit=1, skip=3).index.tolist() == [3, 4]
    assert len(collect(RIGHT, [[]], SIZE, limit=3)) == 0


def test_operations_of_several_objects_pass_over_single_ones() -> None:
    assert collect(Program.parse("union()"), SCENES, SIZE, limit=9).index.tolist() == [3, 4]


def test_sizes_are_the_largest_on_the_way() -> None:
    scale = Program.parse("scale(2, objects=0) | scale(0.5, objects=0)")
    (cells, *_), (extent, *_) = (
        getattr(collect(scale, [[BAR]], (9, 9), limit=1), part) for part in ("cells", "extent")
    )  # six by two in between
    assert (cells, extent) == (12, 6)


def test_joined_cases_follow_one_another() -> None:
    one, other = collect(RIGHT, SCENES, SIZE, limit=1), collect(Program.parse("recolor(4)"), SCENES, SIZE, limit=2)
    both = joined([one, other])
    assert both.index.tolist() == [*one.index, *other.index]
    assert np.array_equal(both.target, np.concatenate([one.target, other.target]))
    assert both.clear.sum() == one.clear.sum() + other.clear.sum()
