"""Several objects at once: sets of cells, and lines between them."""

from __future__ import annotations

import numpy as np
import pytest

from arcvae import operations as ops
from arcvae.grid.operations.sets import line_between
from tests.grid.operations.test_places import random_codes
from tests.grid.operations.test_shapes import shown

TWO = [[4, 4, 0, 0, 5], [4, 0, 0, 0, 5], [0, 0, 0, 5, 5], [0, 0, 0, 0, 0]]


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("union()", [[4, 4, 0, 0, 4], [4, 0, 0, 0, 4], [0, 0, 0, 4, 4], [0, 0, 0, 0, 0]]),
        ("union(align=True)", [[4, 4, 0, 0, 0], [4, 4, 0, 0, 0], [4, 4, 0, 0, 0], [0, 0, 0, 0, 0]]),
        ("intersection(align=True)", [[0, 4, 0, 0, 0], *[[0] * 5] * 3]),
        ("intersection()", [[0] * 5] * 4),
        ("difference()", [[4, 4, 0, 0, 0], [4, 0, 0, 0, 0], [0] * 5, [0] * 5]),
        ("difference(align=True)", [[4, 0, 0, 0, 0], [4, 0, 0, 0, 0], [0] * 5, [0] * 5]),
        ("connect()", [[4, 4, 0, 0, 5], [4, 0, 4, 0, 5], [0, 0, 0, 5, 5], [0] * 5]),
        ("connect(color=9)", [[4, 4, 0, 0, 5], [4, 0, 9, 0, 5], [0, 0, 0, 5, 5], [0] * 5]),
        ("connect(objects=1)", TWO),
    ],
)
def test_two_objects_become_what_is_worked_by_hand(text: str, rows: list[list[int]]) -> None:
    assert shown(text, TWO)[0] == rows


def test_one_result_takes_the_slot_of_the_first() -> None:
    grid = [[1, 0, 2, 0, 3, 0, 4], *[[0] * 7] * 2]
    assert shown("union(objects=[1, 3])", grid)[1].color.tolist() == [[1, 2, 2, 3, 0, 0]]  # it has two parts
    assert shown("difference(objects=[1, 3])", grid)[1].color.tolist() == [[1, 2, 3, 0, 0, 0]]
    assert shown("intersection(objects=[1, 3])", grid)[1].color.tolist() == [[1, 3, 0, 0, 0, 0]]
    assert shown("union(objects=[])", grid)[1].color.tolist() == [[1, 2, 3, 4, 0, 0]]


def test_lines_follow_the_objects_in_order() -> None:
    grid = [[1, 0, 0, 2, 0, 0, 3], *[[0] * 7] * 2]
    codes = shown("connect()", grid)[1]
    assert codes.color.tolist() == [[1, 2, 3, 1, 2, 0]]
    assert codes.column.tolist() == [[0, 3, 6, 1.5, 4.5, 0]]
    message = r"^connect makes 9 objects of grid 0, and codes have 6 slots"
    with pytest.raises(ValueError, match=message):
        shown("connect()", [[1, 0, 0, 2, 0, 0, 3, 0, 0, 4, 0, 0, 5], *[[0] * 13] * 2])


@pytest.mark.parametrize(("down", "right"), [(0, 5), (5, 0), (4, 4), (-3, 7), (7, -2), (-6, -1), (1, 1), (0, 0)])
def test_lines_have_no_gaps_and_are_straight(down: int, right: int) -> None:
    line = line_between(np.array([[3, 3]]), np.array([[3 + down, 3 + right]]))
    length = max(abs(down), abs(right))
    assert len(line) == max(length - 1, 0)
    whole = np.array([[3, 3], *line.tolist(), [3 + down, 3 + right]])
    assert (np.abs(np.diff(whole, axis=0)).max(1) <= 1).all()
    for step, (row, column) in enumerate(line - 3, 1):
        assert abs(row - step * down / length) <= 0.5
        assert abs(column - step * right / length) <= 0.5


def test_nearest_cells_are_joined_and_nothing_is_no_object() -> None:
    first, second = np.array([[0, 0], [0, 1], [3, 0]]), np.array([[3, 3], [9, 9]])
    assert line_between(first, second).tolist() == [[3, 1], [3, 2]]
    assert line_between(first, second[:0]).shape == (0, 2)


def test_impossible_arguments_are_refused() -> None:
    codes = random_codes(0)
    with pytest.raises(ValueError, match=r"^align=1 must be True or False$"):
        ops.union(codes, align=1)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^color=0 must be in 1 to C - 1; 0 is the background$"):
        ops.connect(codes, color=0)
    for operation in (ops.union, ops.intersection, ops.difference, ops.connect):
        with pytest.raises(ValueError, match=f"^{operation.__name__} draws shapes and needs a codec"):
            operation(codes)
