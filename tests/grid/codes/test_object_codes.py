"""Codes with names: views of the same numbers, replaced without touching empty slots, printed as a table."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from arcvae.grid.codes.object_codes import ObjectCodes


@pytest.fixture
def codes() -> ObjectCodes:
    """Three grids of three slots with 2, 1 and 0 objects."""
    numbers = np.random.default_rng(0).normal(size=(3, 3, 11)).astype(np.float32)
    numbers[..., :2] = np.arange(18).reshape(3, 3, 2) / 2
    numbers[..., 2] = [[4, 9, 0], [0, 1, 0], [0, 0, 0]]
    return ObjectCodes(numbers)


def test_names_are_columns_of_the_numbers(codes: ObjectCodes) -> None:
    assert np.array_equal(codes.row, codes.numbers[:, :, 0])
    assert np.array_equal(codes.column, codes.numbers[:, :, 1])
    assert np.array_equal(codes.color, codes.numbers[:, :, 2])
    assert codes.shapes.shape == (3, 3, 8)
    assert codes.shape == (3, 3, 11)
    assert codes.filled.sum(1).tolist() == [2, 1, 0]
    assert np.array_equal(codes.flat.reshape(3, 3, 11), codes.numbers)


def test_replacing_leaves_the_rest_and_empty_slots_alone(codes: ObjectCodes) -> None:
    before = codes.numbers.copy()
    moved = codes.replace(row=codes.row + 2, color=np.full((3, 3), 5))
    assert np.array_equal(codes.numbers, before)
    filled = codes.filled
    assert np.array_equal(moved.row[filled], codes.row[filled] + 2)
    assert (moved.color[filled] == 5).all()
    assert np.array_equal(moved.numbers[~filled], codes.numbers[~filled])
    assert np.array_equal(moved.shapes, codes.shapes)
    assert np.array_equal(moved.column, codes.column)


def test_table_has_a_line_for_each_object_and_says_how_many_are_left_out(codes: ObjectCodes) -> None:
    lines = str(codes).splitlines()
    assert len(lines) == 1 + 3
    assert lines[1].split()[:5] == ["0", "0", "0.0", "0.5", "4"]
    assert lines[3].split()[:5] == ["1", "1", "4.0", "4.5", "1"]
    many = ObjectCodes(np.ones((15, 2, 11), dtype=np.float32))
    assert str(many).splitlines()[-1] == "... and 10 more objects"
    assert repr(codes[:1]) == "\n".join(lines[:3])


def test_some_grids_are_codes_again(codes: ObjectCodes) -> None:
    assert len(codes[[2, 0]]) == 2
    assert np.array_equal(codes[[2, 0]].numbers, codes.numbers[[2, 0]])


@pytest.mark.parametrize("index", [0, 2, -1, -3, np.int64(1), np.array(1)])
def test_one_grid_is_a_batch_of_one(codes: ObjectCodes, index: int) -> None:
    codes = replace(codes, left_out=np.arange(3), part_of=np.tile(np.arange(3), (3, 1)))
    one, place = codes[index], int(index) % 3
    assert one.shape == (1, 3, 11)
    assert np.array_equal(one.numbers, codes.numbers[place : place + 1])
    assert (one.left_out, one.part_of) == ([place], pytest.approx(np.arange(3)[None]))
    assert str(one) == str(codes[place : place + 1])
    assert np.array_equal(one.filled, codes.filled[[place]])


def test_a_loop_over_codes_is_one_over_grids(codes: ObjectCodes) -> None:
    assert [one.filled.sum() for one in codes] == [2, 1, 0]
    for index in (3, -4):
        with pytest.raises(IndexError, match=f"there is no grid {index}: these are codes of 3"):
            codes[index]


def test_numbers_without_an_axis_for_grids_or_slots_are_refused(codes: ObjectCodes) -> None:
    for numbers in (codes.flat, codes.numbers[0], codes.numbers[None]):
        with pytest.raises(ValueError, match=r"codes of objects have shape \(.*\), expected \(N, K, 3 \+ S\)"):
            ObjectCodes(numbers)
    with pytest.raises(ValueError, match=r"have shape \(3, 11\)"):
        codes[:, 0]  # type: ignore[index]


def test_codes_of_no_grids_are_flat_too(codes: ObjectCodes) -> None:
    assert codes[:0].flat.shape == (0, 33)
    assert codes[[]].flat.shape == (0, 33)
    assert len(str(codes[:0]).splitlines()) == 1


def test_table_for_notebooks_says_what_the_printed_one_says(codes: ObjectCodes) -> None:
    html = replace(codes, left_out=np.array([0, 2, 1]))._repr_html_()
    rows = [re.findall(r"<t[hd]>(.*?)</t[hd]>", row) for row in re.findall(r"<tr>(.*?)</tr>", html)]
    assert rows[0][:5] == ["grid", "slot", "row", "column", "color"]
    assert rows[1:] == [line.split() for line in str(codes).splitlines()[1:]]
    assert html.endswith("3 objects of 2 grids have no slot")
    many = ObjectCodes(np.ones((9, 3, 11), dtype=np.float32))
    assert many._repr_html_().endswith("... and 7 more objects")
