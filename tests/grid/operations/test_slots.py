"""Slots that are filled, closed up, and run out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from arcvae.grid.codes.object_codes import ObjectCodes
from arcvae.grid.operations.slots import packed, replaced, together, widened


@pytest.fixture
def codes() -> ObjectCodes:
    """Two grids of three slots, with colours 1, none, 2 and 3, 4, 5; rows tell the slots apart."""
    numbers = np.zeros((2, 3, 11), dtype=np.float32)
    numbers[..., 2] = [[1, 0, 2], [3, 4, 5]]
    numbers[..., 0] = np.arange(6).reshape(2, 3)
    return ObjectCodes(numbers, np.array([0, 2]), size=(9, 9))


def test_what_is_kept_comes_first_in_its_order(codes: ObjectCodes) -> None:
    kept = np.array([[True, False, True], [False, True, True]])
    own = np.tile(np.arange(3), (2, 1))
    found = packed(codes, codes.numbers, kept, own, "test", None, np.array([1, 1]))
    assert found.color.tolist() == [[1, 2, 0], [4, 5, 0]]
    assert found.row.tolist() == [[0, 2, 0], [4, 5, 0]]
    assert found.left_out is not None
    assert (found.left_out.tolist(), found.size) == ([1, 3], (9, 9))
    assert packed(codes, codes.numbers, kept, own, "test", 5).color.tolist() == [[1, 2, 0, 0, 0], [4, 5, 0, 0, 0]]
    assert packed(codes, codes.numbers, kept, own, "test", 1).slots == 3


def test_too_many_objects_are_refused_with_their_number(codes: ObjectCodes) -> None:
    twice = np.concatenate([codes.numbers] * 2, 1)
    kept, own = np.concatenate([codes.filled] * 2, 1), np.tile(np.arange(6), (2, 1))
    message = r"^test makes 6 objects of grid 1, and codes have 3 slots; give max_objects=6 or more$"
    with pytest.raises(ValueError, match=message):
        packed(codes, twice, kept, own, "test", None)
    with pytest.raises(ValueError, match=r"codes have 5 slots"):
        packed(codes, twice, kept, own, "test", 5)
    assert packed(codes, twice, kept, own, "test", 6).color.tolist() == [[1, 2, 1, 2, 0, 0], [3, 4, 5, 3, 4, 5]]
    with pytest.raises(ValueError, match="max_objects=0 must be a whole number of 1 at least"):
        packed(codes, twice, kept, own, "test", 0)


def test_objects_come_in_the_place_of_others(codes: ObjectCodes) -> None:
    new = np.zeros((2, 11), dtype=np.float32)
    new[:, 2] = 8, 9
    changed = {(1, 1): [new[:1], new[1:]], (1, 0): [], (0, 3): [new[:1]]}
    found = replaced(codes, changed, {1: 4}, "test", None)
    assert found.color.tolist() == [[1, 2, 8], [8, 9, 5]]
    assert found.left_out is not None
    assert found.left_out.tolist() == [0, 6]
    assert found.first.tolist() == [[True] * 3] * 2
    assert replaced(codes, {}, {}, "test", None).color.tolist() == [[1, 2, 0], [3, 4, 5]]
    assert len(replaced(codes[:0], {}, {}, "test", None)) == 0


def test_parts_stay_with_their_object(codes: ObjectCodes) -> None:
    parts = np.zeros((3, 11), dtype=np.float32)
    parts[:, 2] = 7
    found = replaced(codes, {(0, 2): [parts[:2], parts[2:]], (1, 0): [parts]}, {}, "test", 5)
    assert found.part_of is not None
    assert found.color.tolist() == [[1, 7, 7, 7, 0], [7, 7, 7, 4, 5]]
    assert found.part_of.tolist() == [[0, 1, 1, 3, 4], [0, 0, 0, 3, 4]]
    assert together(found, np.eye(2, 5, 2, dtype=bool)).astype(int).tolist() == [[0, 1, 1, 0, 0], [0, 0, 0, 1, 0]]
    # All of an object goes when something comes in its place, and what lay between its parts stays.
    torn = replace(codes, part_of=np.array([[0, 1, 0], [0, 1, 0]]))
    less = replaced(torn, {(0, 0): [], (1, 0): [parts[:1]]}, {}, "test", None)
    assert less.color.tolist() == [[0, 0, 0], [7, 4, 0]]
    kept = replaced(torn, {(1, 1): []}, {}, "test", None)
    assert (kept.color.tolist(), kept.part_of.tolist()) == ([[1, 2, 0], [3, 5, 0]], [[0, 0, 2], [0, 0, 2]])  # type: ignore[union-attr]
    assert widened(kept, 4).part_of.tolist() == [[0, 0, 2, 3]] * 2  # type: ignore[union-attr]


def test_more_slots_are_empty_ones(codes: ObjectCodes) -> None:
    assert widened(codes, None) is codes
    assert widened(codes, 2) is codes
    wide = widened(codes, 5)
    assert np.array_equal(wide.numbers[:, :3], codes.numbers)
    assert not wide.numbers[:, 3:].any()
    assert (wide.left_out is codes.left_out, wide.size) == (True, (9, 9))
