"""Sets of tasks: the same for any number of processes, split as promised, without duplicates."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from arcvae.grid.operations.program import Program
from arcvae.grid.tasks import collection as module
from arcvae.grid.tasks.collection import SPLITS, Collection, duplicates, make_collection, split
from arcvae.grid.tasks.make import Maker
from arcvae.grid.tasks.task import Task


def grid(value: int) -> np.ndarray:
    return np.full((2, 2), value, dtype=np.uint8)


def task(name: str, program: str, *values: int) -> Task:
    grids = tuple(map(grid, values or (1, 2, 3)))
    return Task(name, Program.parse(program), 1, grids, grids)


@pytest.mark.slow
def test_the_seed_says_everything(collection: Collection, maker: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(collection.tasks) == 36
    assert set(Counter((t.depth, t.objects) for t in collection.tasks).values()) == {3}
    monkeypatch.setattr(module, "_BLOCK", 10)
    reported: list[int] = []
    fewer = make_collection(maker, 12, 3, 4, report=reported.append)
    assert [repr(t) for t in fewer.tasks] == [repr(t) for t in collection.tasks[:12]]
    assert sum(reported) == 12
    other = make_collection(replace(maker, seed=4), 12, 3, 4)
    assert [repr(t) for t in other.tasks] != [repr(t) for t in fewer.tasks]


@pytest.mark.slow
def test_processes_make_the_same_tasks(collection: Collection, maker: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BLOCK", 10)
    found = make_collection(maker, 36, 3, 4, workers=2)
    assert [t.index_line() for t in found.tasks] == [t.index_line() for t in collection.tasks]
    assert found.reasons == collection.reasons


@pytest.mark.parametrize(("count", "sixth"), [(1, 0), (6, 1), (36, 6), (100, 16), (300, 50)])
def test_splits_have_their_sizes_and_programs_of_their_own(count: int, sixth: int) -> None:
    more = ["", " | reflect_x()", " | reflect_x() | rotate(90)"]
    tasks = [task(str(i), f"translate(dx={1 + i % 40}){more[i % 3]}") for i in range(count)]
    found = split(tasks, seed=0)
    sizes = Counter(t.split for t in found)
    assert (sizes["validation"], sizes["evaluation"]) == (sixth, sixth)
    assert [t.id for t in found] == [t.id for t in tasks]
    if 36 <= count <= 100:  # every program occurs once; of 300, three of a kind do not fill a sixth exactly
        programs = [{str(t.program) for t in found if t.split == name} for name in SPLITS]
        assert not programs[0] & programs[1] | programs[1] & programs[2] | programs[0] & programs[2]
    assert [t.split for t in split(tasks, seed=1)] != [t.split for t in found] or count < 6


def test_one_program_for_all_is_split_all_the_same() -> None:
    sizes = Counter(t.split for t in split([task(str(i), "reflect_x()") for i in range(12)], seed=0))
    assert sizes == {"training": 8, "validation": 2, "evaluation": 2}


def test_duplicates_share_a_pair_and_are_drawn_again(maker: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    tasks = [task("a", "", 1, 2), task("b", "", 3, 4), task("c", "", 5, 1), task("d", "", 6, 7)]
    assert duplicates(tasks) == {"c"}
    answers = [{"n1k1-0001"}, set()]
    monkeypatch.setattr(module, "duplicates", lambda tasks: answers.pop(0))
    before = make_collection(replace(maker, seed=5), 2, 1, 1)
    answers[:] = [set()]
    after = make_collection(replace(maker, seed=5), 2, 1, 1)
    assert repr(before.tasks[0]) == repr(after.tasks[0])
    assert before.reasons["a task with a pair of another one"] == 1
    assert [t.id for t in before.tasks] == [t.id for t in after.tasks]
    assert not all(np.array_equal(a, b) for a, b in zip(before.tasks[1].inputs, after.tasks[1].inputs, strict=False))
