"""Places and colours: inverses and commutation hold number by number, and the edge of the grid changes nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcvae import operations as ops
from arcvae.grid.codec import Codec
from arcvae.grid.codes.object_codes import ObjectCodes
from arcvae.grid.models.objects import ObjectsVAE


def random_codes(seed: int, slots: int = 5) -> ObjectCodes:
    """Eight grids with any number of objects, in any slots."""
    rng = np.random.default_rng(seed)
    numbers = rng.normal(size=(8, slots, 11)).astype(np.float32)
    numbers[..., :2] = rng.integers(-4, 40, (8, slots, 2)) / 2
    numbers[..., 2] = rng.integers(0, 10, (8, slots))
    numbers[numbers[..., 2] == 0] = 0
    return ObjectCodes(numbers, size=(16, 16))


def same(one: ObjectCodes, other: ObjectCodes) -> bool:
    return np.array_equal(one.numbers, other.numbers)


@given(st.integers(0, 99), st.integers(-99, 99), st.integers(-99, 99))
def test_there_and_back_is_the_identity_and_order_does_not_matter(seed: int, dy: int, dx: int) -> None:
    codes = random_codes(seed)
    moved = ops.translate(codes, dy, dx)
    assert same(ops.translate(moved, -dy, -dx), codes)
    assert same(ops.translate(ops.translate(codes, dx=dx), dy=dy), moved)
    assert same(ops.translate(ops.translate(codes, dy=dy), dx=dx), moved)
    assert same(moved, codes) == (dy == dx == 0)


@given(st.integers(0, 99), st.integers(1, 9), st.integers(-9, 9))
def test_colours_and_places_have_nothing_to_do_with_each_other(seed: int, color: int, dy: int) -> None:
    codes = random_codes(seed)
    both = ops.recolor(ops.translate(codes, dy, objects=[0, 1]), color)
    assert same(both, ops.translate(ops.recolor(codes, color), dy, objects=[0, 1]))
    assert (both.color[codes.filled] == color).all()
    assert np.array_equal(both.filled, codes.filled)
    assert np.array_equal(both.shapes, codes.shapes)


def test_group_stops_at_the_middle_and_separate_goes_the_other_way() -> None:
    numbers = np.zeros((1, 4, 11), dtype=np.float32)
    numbers[0, :, :3] = [[0, 2, 1], [4, 2, 1], [11, 2.5, 1], [0, 0, 0]]
    codes = ObjectCodes(numbers)
    # The mean row is 5 and the mean column 13/6, within less than a cell of all.
    assert ops.group(codes).row.tolist() == [[1, 5, 10, 0]]
    assert ops.group(codes, by=99).row.tolist() == [[5, 5, 5, 0]]
    assert ops.group(codes, by=99).column.tolist() == [[2, 2, 2.5, 0]]
    assert ops.separate(codes, by=2).row.tolist() == [[-2, 2, 13, 0]]
    assert ops.separate(codes, by=2).column.tolist() == [[0, 0, 4.5, 0]]
    assert same(ops.group(codes, 3, objects=1), codes)
    assert ops.group(codes, by=9, objects=[0, 2]).row.tolist() == [[5, 4, 6, 0]]


def test_thirds_of_the_mean_are_exact() -> None:
    numbers = np.zeros((1, 3, 11), dtype=np.float32)
    numbers[0, :, :3] = [[0.5, 0, 1], [0.5, 0, 1], [0.5, 0, 1]]
    codes = ObjectCodes(numbers)
    assert same(ops.separate(codes), codes)


def test_impossible_arguments_are_refused() -> None:
    codes = random_codes(0)
    with pytest.raises(ValueError, match=r"^dx=0\.5 must be a whole number$"):
        ops.translate(codes, dx=0.5)  # type: ignore[arg-type]
    for operation in (ops.group, ops.separate):
        with pytest.raises(ValueError, match=r"^by=0 must be a whole number of 1 at least$"):
            operation(codes, by=0)
    with pytest.raises(ValueError, match=r"^color=0 must be in 1 to C - 1; 0 is the background$"):
        ops.recolor(codes, 0)
    four = Codec(ObjectsVAE(width=8, num_colors=4)).codes(np.zeros((1, 16, 16), dtype=np.uint8))
    assert len(ops.recolor(four, 3)) == 1
    with pytest.raises(ValueError, match=r"^color=4 must be in 1 to 3; 0 is the background$"):
        ops.recolor(four, 4)
