"""Copies: where they go, in which order, and what happens without slots."""

from __future__ import annotations

import numpy as np
import pytest

from arcvae import operations as ops
from arcvae.grid.codes.object_codes import ObjectCodes
from tests.grid.operations.test_places import random_codes, same


@pytest.fixture
def codes() -> ObjectCodes:
    """Two objects with an empty slot between them."""
    numbers = np.zeros((1, 3, 11), dtype=np.float32)
    numbers[0, 0, :3], numbers[0, 2, :3] = (1, 2, 3), (4.5, 5, 6)
    return ObjectCodes(numbers, size=(12, 9))


def places(codes: ObjectCodes) -> list[tuple[float, ...]]:
    return [tuple(slot[:3].tolist()) for slot in codes.numbers[0][codes.filled[0]]]


def test_copies_follow_the_objects_copy_by_copy(codes: ObjectCodes) -> None:
    start = [(1, 2, 3), (4.5, 5, 6)]
    assert places(ops.duplicate(codes, dy=1, dx=-1, max_objects=4)) == [*start, (2, 1, 3), (5.5, 4, 6)]
    found = ops.repeat(codes, 2, dx=3, max_objects=9)
    assert places(found) == [*start, (1, 5, 3), (4.5, 8, 6), (1, 8, 3), (4.5, 11, 6)]
    assert (found.slots, found.size) == (9, (12, 9))
    assert places(ops.repeat(codes, 1, dy=2, objects=2)) == [*start, (6.5, 5, 6)]
    assert places(ops.tile(codes, 2, 2, objects=0, max_objects=5)) == [*start, (1, 6, 3), (7, 2, 3), (7, 6, 3)]
    assert places(ops.tile(codes, 1, 2, dx=1, objects=0)) == [*start, (1, 3, 3)]


def test_operations_say_the_same_in_several_ways() -> None:
    codes = random_codes(3)
    assert same(ops.duplicate(codes, 2, 3, max_objects=10), ops.repeat(codes, 1, 2, 3, max_objects=10))
    assert same(ops.repeat(codes, 3, dy=2, max_objects=20), ops.tile(codes, 4, 1, dy=2, max_objects=20))
    assert np.array_equal(ops.tile(codes, 1, 1).filled.sum(1), codes.filled.sum(1))


@pytest.mark.parametrize(
    ("operation", "arguments", "message"),
    [
        (
            ops.duplicate,
            {},
            r"^duplicate makes 4 objects of grid 0, and codes have 3 slots; give max_objects=4",
        ),
        (ops.repeat, {"n": 4}, r"^repeat makes 10 objects .* give max_objects=10 or more$"),
        (ops.tile, {"rows": 3}, r"^tile makes 12 objects"),
        (ops.tile, {"max_objects": 7}, r"^tile makes 8 objects of grid 0, and codes have 7 slots"),
        (ops.repeat, {"n": 0}, r"^n=0 must be a whole number of 1 at least$"),
        (ops.tile, {"columns": 0}, r"^columns=0 must be a whole number of 1 at least$"),
        (ops.duplicate, {"dx": 0.5}, r"^dx=0.5 must be a whole number$"),
    ],
)
def test_what_cannot_be_is_refused(codes: ObjectCodes, operation, arguments, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=message):
        operation(codes, **arguments)


def test_tiles_need_a_size_or_steps(codes: ObjectCodes) -> None:
    unknown = ObjectCodes(codes.numbers)
    with pytest.raises(ValueError, match="tile needs the size of the grids"):
        ops.tile(unknown)
    assert same(ops.tile(unknown, dy=6, dx=4, max_objects=8), ops.tile(codes, max_objects=8))
