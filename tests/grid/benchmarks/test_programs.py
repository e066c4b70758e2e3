"""The programs of the benchmark: every operation is there, chains follow a seed and say something."""

from __future__ import annotations

import numpy as np
import pytest

from arcvae.errors import DataError
from arcvae.grid.benchmarks.programs import EXACT, REPEATED, SINGLE, chains, least_objects, operations_of
from arcvae.grid.operations.drawings import draw, hidden, objects_of
from arcvae.grid.operations.pixels import apply
from arcvae.grid.operations.program import OPERATIONS, Program
from tests.grid.operations.scenes import SIZE, scenes

SCENES = [objects_of(grid) for grid in scenes(30, seed=5)]


def test_each_operation_stands_alone_and_with_different_arguments() -> None:
    assert {name for program in SINGLE for name in operations_of(program)} == set(OPERATIONS)
    assert all(len(program) == 1 for program in SINGLE)
    assert len(set(SINGLE)) == len(SINGLE)
    assert set(EXACT) < set(OPERATIONS)
    # What is reached in steps is a size that nothing was trained on in one.
    assert set(REPEATED.steps) < {program.steps[0] for program in SINGLE}


def test_programs_of_several_objects_ask_for_two() -> None:
    assert least_objects(Program.parse("translate(dy=1) | union()")) == 2
    assert least_objects(Program.parse("translate(dy=1) | tile()")) == 1


def test_chains_follow_their_seed_and_depth() -> None:
    first = chains(3, 5, SCENES, SIZE, seed=1)
    assert first == chains(3, 5, SCENES, SIZE, seed=1)
    assert first != chains(3, 5, SCENES, SIZE, seed=2)
    assert [len(chain) for chain in first] == [3] * 5
    steps = {step for program in SINGLE for step in program.steps}
    assert all(set(chain.steps) <= steps for chain in first)


def test_exact_chains_redraw_nothing() -> None:
    found = {name for chain in chains(4, 12, SCENES, SIZE, seed=1, exact=True) for name in operations_of(chain)}
    assert found <= set(EXACT)
    assert len(found) > 5


def test_chains_change_grids_and_hide_nothing_in_some() -> None:
    tried = [scene for scene in SCENES if len(scene) > 1][:16]
    for chain in chains(2, 8, SCENES, SIZE, seed=3):
        after = [apply(chain, scene, SIZE) for scene in tried]
        good = [
            bool(new) and not hidden(new, SIZE) and not np.array_equal(draw(new, SIZE), draw(old, SIZE))
            for old, new in zip(tried, after, strict=True)
        ]
        assert sum(good) >= 5


def test_grids_without_room_for_any_change_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("arcvae.grid.benchmarks.programs._ATTEMPTS", 50)
    with pytest.raises(DataError, match=r"no 9 chains of depth 3 .* take larger grids"):
        chains(3, 9, [[]], SIZE, seed=0)
