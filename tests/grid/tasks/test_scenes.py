"""Operations on rows of bits do what the pixel oracle does, for every step and choice of the space."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcvae.grid.operations.drawings import Drawing, draw, objects_of
from arcvae.grid.operations.pixels import apply
from arcvae.grid.operations.program import Program
from arcvae.grid.tasks.scenes import chosen, drawing_of, members, paint, perform, scene_of, thing_of
from arcvae.grid.tasks.space import CHOICES, STEPS, step_on
from tests.grid.operations.scenes import SIZE, scenes

GRIDS = scenes(40, seed=5, most=6)[1:]


@pytest.mark.parametrize("name", sorted({step.name for step in STEPS}))
def test_every_step_of_the_space_is_that_of_the_oracle(name: str) -> None:
    steps = [step for step in STEPS if step.name == name]
    rng = np.random.default_rng(0)
    for grid in GRIDS:
        objects = objects_of(grid)
        for _ in range(12):
            step, choice = steps[rng.integers(len(steps))], CHOICES[rng.integers(len(CHOICES))]
            wanted = apply(Program([step_on(step, choice)]), objects, SIZE)
            scene = scene_of(objects)
            found = perform(step, scene, chosen(choice, scene, SIZE), SIZE)
            assert [drawing_of(thing) for thing in found] == wanted, step_on(step, choice)


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, len(GRIDS) - 1),
    st.lists(st.tuples(st.sampled_from(STEPS), st.sampled_from(CHOICES)), min_size=2, max_size=3),
)
def test_programs_are_those_of_the_oracle_outside_of_the_grid_too(which: int, parts) -> None:  # type: ignore[no-untyped-def]
    objects = objects_of(GRIDS[which])
    scene = scene_of(objects)
    for step, choice in parts:
        if len(scene) > 30:
            return
        objects = apply(Program([step_on(step, choice)]), objects, SIZE)
        scene = perform(step, scene, chosen(choice, scene, SIZE), SIZE)
    assert [drawing_of(thing) for thing in scene] == objects
    planes, seen = paint(scene, SIZE)
    picture = draw(objects, SIZE)
    for color in range(1, 10):
        assert planes[color] == sum(1 << int(r * SIZE[1] + c) for r, c in np.argwhere(picture == color))
    tagged = draw([found._replace(color=1 + i) for i, found in enumerate(objects)], SIZE)
    assert seen == (len(set(tagged[tagged > 0].tolist())) == len(objects))


def test_things_are_objects_as_rows_of_bits() -> None:
    found = Drawing(3, frozenset({(-1, 4), (0, 5), (0, 4)}))
    thing = thing_of(found)
    assert (thing.color, thing.shape.width, thing.shape.rows, thing.top, thing.left) == (3, 2, (1, 3), -1, 4)
    assert (thing.bottom, thing.right, drawing_of(thing)) == (0, 5, found)
    assert members(0b1011) == [0, 1, 3]
