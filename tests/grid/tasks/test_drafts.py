"""Programs that do something in every step, and every reason for which an input is refused."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from arcvae.grid.operations.drawings import Drawing
from arcvae.grid.operations.program import Program
from arcvae.grid.tasks.drafts import Draft, Part, add_inputs, draw_program, pair_problem, run
from arcvae.grid.tasks.inputs import Pool
from arcvae.grid.tasks.scenes import paint, scene_of
from arcvae.grid.tasks.space import CHOICES, STEPS, step_on
from tests.grid.tasks.conftest import SIZE


def parts_of(text: str) -> tuple[Part, ...]:
    """The steps and choices of a program of the space."""
    known = {step_on(step, choice): (step, choice) for step in STEPS for choice in CHOICES}
    return tuple(known[step] for step in Program.parse(text).steps)


@pytest.mark.parametrize("depth", [1, 3, 5])
@pytest.mark.parametrize("count", [1, 4])
def test_programs_have_their_depth_and_inputs_that_suit_them(pool: Pool, depth: int, count: int) -> None:
    rng = np.random.default_rng(depth)
    for _ in range(3):
        draft = Draft(draw_program(rng, pool, depth, count), 2)
        assert len(draft.program) == depth
        if add_inputs(draft, rng, pool, count, 4, Counter()):
            assert len(draft.inputs) == 4
            for scene in draft.inputs:
                assert pair_problem(draft.parts, scene, pool) is None
                scenes = run(draft.parts, scene, pool)
                assert len(scenes[0]) == count
                assert paint(scenes[-1], SIZE)[0] != paint(scene, SIZE)[0]


SQUARE = frozenset({(5, 5), (5, 6), (6, 5), (6, 6)})
BAR = frozenset({(0, 0), (1, 0), (2, 0), (3, 0)})


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("translate(dx=1)", None),
        ("reflect_x(about='object')", "a step without effect"),
        ("recolor(3, objects=of_color(7))", "a step without effect"),
        ("intersection()", "an empty output"),
        ("translate(dx=1) | translate(dx=-1)", "identity"),
        ("translate(dx=-3, objects=0)", "a hidden object"),  # off the grid
        ("scale(3) | translate(dx=1)", "an object that no slot holds"),
        ("scale(2)", None),
        ("tile(2, 2) | tile(2, 2) | tile(2, 2)", "too many objects"),
    ],
)
def test_inputs_are_refused_for_a_reason(pool: Pool, text: str, problem: str | None) -> None:
    scene = scene_of([Drawing(1, BAR), Drawing(2, SQUARE)])
    assert pair_problem(parts_of(text), scene, pool) == problem


def test_reasons_are_counted_and_a_program_that_never_suits_is_given_up(pool: Pool) -> None:
    reasons: Counter[str] = Counter()
    draft = Draft(parts_of("translate(dx=1) | translate(dx=-1)"), 2)
    assert not add_inputs(draft, np.random.default_rng(0), pool, 1, 2, reasons)
    assert reasons["identity"] > 10
    assert draft.inputs == []
