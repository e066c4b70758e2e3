"""Inputs: so many objects, apart from each other, from the pool."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcvae.grid.operations.drawings import draw, objects_of
from arcvae.grid.tasks.inputs import Pool
from arcvae.grid.tasks.scenes import drawing_of
from tests.grid.operations.scenes import scenes
from tests.grid.tasks.conftest import SIZE

POOL = Pool.of(scenes(60, seed=2), SIZE, 8, 15)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 6), st.lists(st.integers(1, 9), max_size=3))
def test_inputs_are_read_as_they_were_drawn(seed: int, count: int, colors: list[int]) -> None:
    scene = POOL.draw(np.random.default_rng(seed), count, colors)
    assert scene is not None
    objects = [drawing_of(thing) for thing in scene]
    assert len(objects) == count
    assert objects_of(draw(objects, SIZE)) == objects  # none touch, none leaves the grid, and they are in order
    assert set(colors[:count]) <= {found.color for found in objects}
    shapes = {thing.shape for thing in POOL.things}
    assert {thing.shape for thing in scene} <= shapes


def test_what_does_not_fit_is_left_out_of_a_pool() -> None:
    grid = np.zeros((16, 16), dtype=np.uint8)
    grid[0, :9], grid[2, :3], grid[4:8, :4] = 1, 2, 3  # nine wide, three cells, sixteen cells
    pool = Pool.of([grid], SIZE, 8, 15)
    assert [thing.color for thing in pool.things] == [2]
    with pytest.raises(ValueError, match="no object fits into a slot of 2 x 2 cells, 2 of them coloured"):
        Pool.of([grid], SIZE, 2, 2)
    with pytest.raises(ValueError, match="no object fits"):
        Pool.of([grid], (2, 2), 8, 15)


def test_no_room_is_no_input() -> None:
    block = np.full((2, 2), 4, dtype=np.uint8)
    pool = Pool.of([block], (2, 2), 8, 15)
    assert pool.draw(np.random.default_rng(0), 1) is not None
    assert pool.draw(np.random.default_rng(0), 2) is None
