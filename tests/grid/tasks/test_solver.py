"""The solver finds programs that were planted, and answers with what codes decode to."""

from __future__ import annotations

import numpy as np
import pytest

from arcvae.grid.codec import Codec
from arcvae.grid.operations.program import Program
from arcvae.grid.tasks.collection import Collection
from arcvae.grid.tasks.inputs import Pool
from arcvae.grid.tasks.make import grid_of
from arcvae.grid.tasks.solver import solve, solve_rates
from arcvae.grid.tasks.task import Task, replay
from tests.grid.tasks.test_make import LARGE_SMALL, OTHER, SMALL_LARGE


@pytest.mark.parametrize(
    "text", ["translate(dy=1, objects=largest)", "rotate(90)", "reflect_y() | recolor(7, objects=0)", "repeat(2, dx=3)"]
)
def test_planted_programs_are_solved(codec: Codec, pool: Pool, text: str) -> None:
    program = Program.parse(text)
    inputs = tuple(grid_of(scene, pool) for scene in (SMALL_LARGE, LARGE_SMALL, OTHER))
    outputs = tuple(replay(program, given) for given in inputs)
    unknown = (*outputs[:-1], np.zeros_like(outputs[-1]))  # the answer is not looked at
    found = solve(codec, Task("x", program, 2, inputs, unknown), budget=None)
    assert found is not None
    assert np.array_equal(found[1], outputs[-1])
    assert len(found[0]) <= len(program)


def test_what_no_short_program_explains_is_not_solved(codec: Codec, pool: Pool) -> None:
    inputs = tuple(grid_of(scene, pool) for scene in (SMALL_LARGE, LARGE_SMALL, OTHER))
    noise = tuple(np.random.default_rng(0).integers(0, 10, (3, 16, 16)).astype(np.uint8))
    assert solve(codec, Task("x", Program(), 2, inputs, noise), budget=None) is None


def test_rates_are_those_of_the_first_tasks_of_each_kind(codec: Codec, collection: Collection) -> None:
    counted: list[int] = []
    rates = solve_rates(codec, collection.tasks, 1, counted.append)
    assert set(rates) == {f"n{n}k{k}" for n in range(1, 4) for k in range(1, 5)}
    assert sum(counted) == 12
    assert np.mean([rates[f"n1k{k}"] for k in range(1, 5)]) > 0.7
    assert max(rates[f"n3k{k}"] for k in range(1, 5)) == 0  # shorter programs are refused when tasks are made
