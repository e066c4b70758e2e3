"""Which objects are taken: by place, by predicate, and against the pixel oracle."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

import arcvae
from arcvae import operations as ops
from arcvae.grid.codes.object_codes import ObjectCodes
from arcvae.grid.operations.drawings import objects_of
from arcvae.grid.operations.selection import SELECTORS, Objects, chosen, indices
from tests.grid.operations.scenes import knowing, scenes


@pytest.fixture(scope="module")
def codes() -> ObjectCodes:
    grids = scenes(40, seed=5, most=6)
    return knowing(grids).codes(grids)


def places(found: np.ndarray) -> list[list[int]]:
    return [np.flatnonzero(row).tolist() for row in found]


def test_predicates_choose_what_the_grid_shows(codes: ObjectCodes) -> None:
    scene = [objects_of(grid) for grid in scenes(40, seed=5, most=6)]
    sizes = [[len(found.cells) for found in objects] for objects in scene]
    assert places(ops.largest(codes)) == [[row.index(max(row))] if row else [] for row in sizes]
    assert places(ops.smallest(codes)) == [[row.index(min(row))] if row else [] for row in sizes]
    colors = [[found.color for found in objects] for objects in scene]
    assert places(ops.of_color(4)(codes)) == [[i for i, color in enumerate(row) if color == 4] for row in colors]
    edges = [[any({*cell} & {0, 15} for cell in found.cells) for found in objects] for objects in scene]
    assert places(ops.touching_border(codes)) == [np.flatnonzero(row).tolist() for row in edges]
    for found in (ops.largest, ops.smallest, ops.touching_border):
        assert 0 < found(codes).sum() < codes.filled.sum()


def test_what_has_left_the_grid_touches_its_border(codes: ObjectCodes) -> None:
    assert np.array_equal(ops.touching_border(ops.translate(codes, dx=99)), codes.filled)


def test_places_lists_and_functions_choose(codes: ObjectCodes) -> None:
    filled = codes.filled
    assert np.array_equal(chosen(codes, None), filled)
    for objects in (1, np.int64(1), [1], (1, 1), np.array([1])):
        assert np.array_equal(chosen(codes, objects), filled & (np.arange(6) == 1))
    assert not chosen(codes, []).any()
    assert np.array_equal(chosen(codes, lambda found: found.row > 5), filled & (codes.row > 5))


def test_masks_choose_as_predicates_do(codes: ObjectCodes) -> None:
    mask = codes.row > 5
    assert np.array_equal(chosen(codes, mask), codes.filled & mask)
    assert np.array_equal(chosen(codes, ~codes.filled), np.zeros_like(mask))
    moved = ops.translate(codes, 1, objects=codes.color == 4)
    assert np.array_equal(moved.numbers, ops.translate(codes, 1, objects=ops.of_color(4)).numbers)
    assert (moved.row != codes.row).any()
    whole = replace(codes, part_of=np.zeros((40, 6), dtype=np.int64))  # each grid one object in parts
    assert np.array_equal(chosen(whole, np.arange(6) == np.full((40, 1), 1)), codes.filled & codes.filled[:, [1]])


def test_what_is_no_codes_of_objects_is_refused_by_every_operation() -> None:
    codec = arcvae.load("atomic-objects")
    z = codec.sample_codes(2)
    arguments = {"rotate": [90], "recolor": [3], "scale": [1], "repeat": [2], "tile": [2, 2, 1, 1]}
    calls = {
        **{name: lambda z, name=name: ops.OPERATIONS[name](z, *arguments.get(name, [])) for name in ops.OPERATIONS},
        **{str(found): found for found in (ops.largest, ops.touching_border, ops.of_color(3))},
        "program": ops.Program.parse("reflect_x()"), "widened": lambda z: ops.widened(z, None),
        "connect in a colour": lambda z: ops.connect(z, 3),
    }  # fmt: skip
    assert len(calls) == 16 + 6
    for name, call in calls.items():
        for other in (z, z.tolist(), None):
            with pytest.raises(
                ValueError,
                match=r"^operations take what codec\.codes\(grids\) or codec\.as_codes\(z\) returns, not \w+$",
            ):
                call(other)
        codes = ops.widened(codec.as_codes(z), 30)
        assert len(call(codes)) == 2, name


@pytest.mark.parametrize(
    ("objects", "message"),
    [
        (6, r"^objects=6: codes have 6 slots, 0 to 5$"),
        ([0, 9], r"^objects=\[0, 9\]: codes have 6 slots"),
        (-1, r"^objects=-1 must be None, an index from 0 on, a list of them, or a predicate such as largest$"),
        ("largest", "objects='largest' must be None"),
        (1.0, "objects=1.0 must be None"),
        (True, "objects=True must be None"),
        ([True] * 6, r"^objects=\[True, True, True, True, True, True\] must be None"),
        (np.ones((40, 6)), r"^objects=array\(.*\) must be None, an index from 0 on, a list of them"),
        (np.ones((40, 6), dtype=int), r"^objects=array\(.*\) must be None"),
        (torch.ones(40, 6, dtype=torch.bool), r"^objects=tensor\(.*\) must be None"),
        (np.ones(6, dtype=bool), r"^objects= is bool \(6,\), expected bool \(40, 6\)$"),
        (lambda codes: codes.row, r"returned float32 \(40, 6\), expected bool \(40, 6\)$"),
        (lambda codes: np.array([True]), r"returned bool \(1,\), expected bool \(40, 6\)$"),
    ],
)
def test_other_choices_are_refused(codes: ObjectCodes, objects: Objects, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        chosen(codes, objects)
    assert "\n" not in str(caught.value)


def test_predicates_have_names_and_say_what_they_lack() -> None:
    assert [str(SELECTORS[name]) for name in ("largest", "smallest", "touching_border")] == [*SELECTORS][:3]
    assert (str(ops.of_color(3)), ops.of_color(3) == ops.of_color(3)) == ("of_color(3)", True)
    assert indices([2, 0]) == (2, 0)
    alone = ObjectCodes(np.ones((1, 1, 11), dtype=np.float32))
    with pytest.raises(ValueError, match="objects= draws shapes and needs a codec"):
        ops.largest(alone)
    with pytest.raises(ValueError, match="touching_border needs the size of the grids"):
        ops.touching_border(alone)
    with pytest.raises(ValueError, match="color=0 must be a whole number of 1 at least"):
        ops.of_color(0)
