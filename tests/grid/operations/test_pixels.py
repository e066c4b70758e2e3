"""The pixel oracle, against arrays and cases worked by hand; codes are compared with it in test_program.py."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from arcvae.grid.corpus.generator import generate_grids
from arcvae.grid.operations.drawings import draw, objects_of
from arcvae.grid.operations.pixels import apply
from arcvae.grid.operations.program import OPERATIONS, Program, Step

Grid = NDArray[np.uint8]


def run(text: str, grid: Grid) -> Grid:
    size = (grid.shape[0], grid.shape[1])
    return draw(apply(Program.parse(text), objects_of(grid), size), size)


def shifted(grid: Grid, down: int, right: int) -> Grid:
    """``grid`` moved by at most five cells, without wrapping."""
    padded = np.pad(grid, 5)
    return padded[5 - down : 21 - down, 5 - right : 21 - right]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("translate(dy=3, dx=-5)", lambda grid: shifted(grid, 3, -5)),
        ("translate(dy=16)", np.zeros_like),
        ("rotate(90)", np.rot90),
        ("rotate(-90)", lambda grid: np.rot90(grid, -1)),
        ("rotate(180)", lambda grid: np.rot90(grid, 2)),
        ("reflect_x()", np.flipud),
        ("reflect_y()", np.fliplr),
        ("recolor(7)", lambda grid: np.where(grid, 7, 0)),
        ("recolor(7, objects=of_color(3))", lambda grid: np.where(grid == 3, 7, grid)),
        ("duplicate(dx=2)", lambda grid: np.where(moved := shifted(grid, 0, 2), moved, grid)),
        ("symmetrize(about='grid')", lambda grid: np.where(grid[:, ::-1], grid[:, ::-1], grid)),
        ("union() | recolor(1)", lambda grid: (grid > 0).astype(np.uint8)),
        ("scale(2) | scale(0.5)", lambda grid: grid),
    ],
)
def test_whole_grids_change_as_arrays_do(text: str, wanted: Callable[[Grid], Grid]) -> None:
    grids = generate_grids("atomic", 40, seed=3)[0]
    for grid in grids:
        found = run(text, grid)
        assert found.dtype == np.uint8
        assert np.array_equal(found, wanted(grid))


def test_objects_move_towards_their_middle_and_away_from_it() -> None:
    grid = np.zeros((9, 9), dtype=np.uint8)
    grid[2, 2:4], grid[6, 3], grid[4, 4] = 1, 2, 3  # rows 2, 4, 6 about 4; columns 2.5, 4, 3 about 3 1/6
    apart = np.zeros((9, 9), dtype=np.uint8)
    apart[1, 1:3], apart[7, 2], apart[4, 5] = 1, 2, 3
    assert np.array_equal(run("separate()", grid), apart)
    # Columns 1.5, 2 and 5 are about 2 5/6: the second is within a cell of it.
    back = np.zeros((9, 9), dtype=np.uint8)
    back[2, 2:4], back[6, 2], back[4, 4] = 1, 2, 3
    assert np.array_equal(run("group()", apart), back)


def test_tiles_of_a_corner_fill_the_grid() -> None:
    grid = np.zeros((6, 8), dtype=np.uint8)
    grid[:2, :3] = [[5, 0, 6], [5, 5, 0]]
    wanted = np.tile(np.pad(grid[:2, :3], ((0, 1), (0, 1))), (2, 2))
    assert np.array_equal(run("tile()", grid), wanted)
    assert np.array_equal(run("tile(rows=1, columns=2)", grid)[3:], np.zeros((3, 8)))
    assert np.array_equal(run("repeat(1, dx=4)", grid)[:3], wanted[:3])


def test_turning_in_place_stays_about_the_centre_and_comes_back() -> None:
    grid = np.zeros((9, 9), dtype=np.uint8)
    grid[4, 2:6], grid[3, 2] = 3, 3  # two rows, four columns: the centre stays
    once = run("rotate(90, about='object')", grid)
    assert np.argwhere(once)[:, 0].tolist() == [2, 3, 4, 5, 5]
    assert sorted(np.argwhere(once)[:, 1].tolist()) == [3, 4, 4, 4, 4]
    grid[3, 2] = 0  # one row, four columns: half a cell down and half a cell left
    once = run("rotate(90, about='object')", grid)
    assert np.argwhere(once).tolist() == [[3, 3], [4, 3], [5, 3], [6, 3]]
    for cells in (grid, once):
        assert np.array_equal(run(" | ".join(["rotate(90, about='object')"] * 4), cells), cells)


def test_selection_counts_objects_in_their_order() -> None:
    grid = np.zeros((6, 6), dtype=np.uint8)
    grid[0, 0], grid[2, 2:4], grid[4, 2:4] = 1, 2, 3
    assert np.unique(run("recolor(9, objects=largest)", grid)).tolist() == [0, 1, 3, 9]
    assert np.unique(run("recolor(9, objects=smallest)", grid)).tolist() == [0, 2, 3, 9]
    assert np.unique(run("recolor(9, objects=[0, 2])", grid)).tolist() == [0, 2, 9]
    assert np.unique(run("recolor(9, objects=touching_border)", grid)).tolist() == [0, 2, 3, 9]
    assert np.array_equal(run("recolor(9, objects=8)", grid), grid)


@pytest.mark.parametrize("name", OPERATIONS)
def test_nothing_becomes_nothing(name: str) -> None:
    arguments = {"rotate": [90], "recolor": [3], "scale": [2], "repeat": [2]}.get(name, [])
    for objects in ({}, {"objects": 0}):
        assert apply(Program([Step(name, *arguments, **objects)]), [], (8, 8)) == []
