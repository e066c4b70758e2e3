"""Turns and reflections: the laws of the square's symmetries hold number by number."""

from __future__ import annotations

from functools import reduce

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcvae import operations as ops
from arcvae.grid.codec import Codec
from arcvae.grid.models.objects import ObjectsVAE
from arcvae.grid.operations.drawings import draw
from arcvae.grid.operations.program import Program
from arcvae.grid.operations.turns import About
from tests.grid.operations.scenes import decoded, expected, knowing, scenes
from tests.grid.operations.test_places import random_codes, same

abouts = st.sampled_from(["grid", "object"])


@given(st.integers(0, 99), abouts)
def test_four_quarter_turns_and_two_reflections_are_the_identity(seed: int, about: About) -> None:
    codes = random_codes(seed)
    assert same(reduce(lambda found, _: ops.rotate(found, 90, about), range(4), codes), codes)
    assert same(ops.rotate(ops.rotate(codes, 90, about), -90, about), codes)
    assert same(ops.rotate(codes, 360, about), codes)
    assert same(ops.rotate(codes, 270, about), ops.rotate(codes, -90, about))
    assert same(ops.rotate(codes, 180, about), ops.rotate(ops.rotate(codes, 90, about), 90, about))
    for reflect in (ops.reflect_x, ops.reflect_y):
        assert same(reflect(reflect(codes, about), about), codes)
        assert not same(reflect(codes, about), codes)
    assert same(ops.reflect_y(ops.reflect_x(codes, about), about), ops.rotate(codes, 180, about))


@given(st.integers(0, 99), st.integers(-9, 9))
def test_turning_turns_the_direction_of_a_move(seed: int, dy: int) -> None:
    codes = random_codes(seed)
    assert same(ops.rotate(ops.translate(codes, dy=dy), 90), ops.translate(ops.rotate(codes, 90), dx=dy))
    assert same(ops.reflect_x(ops.translate(codes, dy=dy)), ops.translate(ops.reflect_x(codes), dy=-dy))


def test_whole_grids_turn_as_arrays_do() -> None:
    grids = scenes(20, seed=1)
    codes = knowing(grids).codes(grids)
    assert np.array_equal(decoded(ops.rotate(codes, 90)), np.rot90(grids, 1, (1, 2)))
    assert np.array_equal(decoded(ops.rotate(codes, 270)), np.rot90(grids, 3, (1, 2)))
    assert np.array_equal(decoded(ops.reflect_x(codes)), grids[:, ::-1])
    assert np.array_equal(decoded(ops.reflect_y(codes)), grids[:, :, ::-1])


@pytest.mark.parametrize("text", ["rotate(180)", "reflect_x()", "reflect_y()", "rotate(90, about='object')"])
def test_grids_need_not_be_square(text: str) -> None:
    grids, program = scenes(20, seed=2, size=(9, 14)), Program.parse(text)
    wanted = np.stack([draw(scene, (9, 14)) for scene in expected(program, grids)])
    assert np.array_equal(decoded(program(knowing(grids).codes(grids))), wanted)


def test_impossible_turns_are_refused() -> None:
    codes = Codec(ObjectsVAE(width=8)).codes(np.zeros((1, 10, 14), dtype=np.uint8))
    message = r"^rotate\(90\) about the centre needs square grids, these are 10 x 14; use 180 degrees, or about='obj"
    with pytest.raises(ValueError, match=message):
        ops.rotate(codes, 90)
    for remedy in (ops.rotate(codes, 180), ops.rotate(codes, 90, about="object")):
        assert remedy.size == (10, 14)
    with pytest.raises(ValueError, match=r"^degrees=45 must be a multiple of 90$"):
        ops.rotate(codes, 45)
    with pytest.raises(ValueError, match=r"^about='me' must be 'grid' or 'object'$"):
        ops.reflect_y(codes, about="me")  # type: ignore[arg-type]
