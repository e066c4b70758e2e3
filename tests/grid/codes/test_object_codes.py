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


def test_table_for_notebooks_says_what_the_printed_one_says(codes: ObjectCodes) -> None:
    html = replace(codes, left_out=np.array([0, 2, 1]))._repr_html_()
    rows = [re.findall(r"<t[hd]>(.*?)</t[hd]>", row) for row in re.findall(r"<tr>(.*?)</tr>", html)]
    assert rows[0][:5] == ["grid", "slot", "row", "column", "color"]
    assert rows[1:] == [line.split() for line in str(codes).splitlines()[1:]]
    assert html.endswith("3 objects of 2 grids have no slot")
    many = ObjectCodes(np.ones((9, 3, 11), dtype=np.float32))
    assert many._repr_html_().endswith("... and 7 more objects")
