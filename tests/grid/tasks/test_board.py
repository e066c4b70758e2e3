"""The board rules out nothing that leads to the output."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from arcvae.grid.operations.program import Step
from arcvae.grid.tasks.board import Board, Demonstration
from arcvae.grid.tasks.inputs import Pool
from arcvae.grid.tasks.scenes import chosen, moved, paint, perform
from arcvae.grid.tasks.shapes import canvas
from arcvae.grid.tasks.space import CATEGORY, CHOICES, STEPS
from tests.grid.tasks.conftest import SIZE

SETS = tuple(step for step in STEPS if CATEGORY[step.name] == "sets")


@pytest.mark.parametrize("steps", [STEPS, SETS], ids=["all", "sets"])
def test_steps_that_lead_to_an_output_are_found(pool: Pool, steps: Sequence[Step]) -> None:
    rng = np.random.default_rng(0)
    tested = 0
    for _ in range(1000):
        scene = pool.draw(rng, int(rng.integers(1, 5)))
        step, choice = steps[int(rng.integers(len(steps)))], CHOICES[rng.integers(len(CHOICES))]
        if scene is None or not (which := chosen(choice, scene, SIZE)):
            continue
        wanted, seen = paint(perform(step, scene, which, SIZE), SIZE)
        if seen and wanted != paint(scene, SIZE)[0]:
            board = Board(Demonstration(scene, wanted), SIZE)
            assert (step, which) in [*board.seconds(scene, board.state(scene))], (step, choice)
            assert any(board.hope(0))  # as if the first step had changed nothing
            tested += 1
    assert tested > 250


def test_an_object_fits_where_the_output_has_no_background(pool: Pool) -> None:
    rng = np.random.default_rng(1)
    scene = pool.draw(rng, 5)
    assert scene is not None
    wanted = paint(scene, SIZE)[0]
    board = Board(Demonstration((), wanted), SIZE)
    for thing in scene:
        for y in range(-20, 21, 2):
            for x in range(-30, 31):
                other = moved(thing, y, x)
                outside = canvas(other.shape, other.top, other.left, SIZE) & ~sum(wanted)
                assert board.fits(other) == (outside == 0)
