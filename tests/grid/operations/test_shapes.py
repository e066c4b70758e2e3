"""Shapes that change: scaled and mirrored onto themselves, cut and left out where they grow too large."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from arcvae import operations as ops
from arcvae.grid.codec import Codec
from arcvae.grid.codes.object_codes import ObjectCodes
from arcvae.grid.models.objects import ObjectsVAE
from arcvae.grid.operations.drawings import draw
from arcvae.grid.operations.program import Program
from tests.grid.operations.scenes import decoded, expected, knowing, scenes
from tests.grid.operations.test_places import random_codes, same


def shown(text: str, grid: list[list[int]], max_objects: int | None = None) -> tuple[list[list[int]], ObjectCodes]:
    """What a program makes of a grid, and the codes."""
    grids, program = np.array([grid], dtype=np.uint8), Program.parse(text)
    codes = program(knowing(grids, program).codes(grids), max_objects)
    return decoded(codes)[0].tolist(), codes


def test_cells_become_blocks_and_blocks_cells() -> None:
    grid = np.zeros((7, 7), dtype=int)
    grid[1, 1:3], grid[2, 2] = 4, 4
    large = np.zeros((7, 7), dtype=int)
    large[1:3, 1:5], large[3:5, 3:5] = 4, 4
    assert shown("scale(2)", grid.tolist())[0] == large.tolist()
    assert shown("scale(2) | scale(0.5)", grid.tolist())[0] == grid.tolist()
    # Blocks are counted from the corner: of three columns the last is alone.
    assert shown("scale(0.5)", [[0] * 5, [0, 4, 4, 4, 0], [0] * 5])[0] == [[0] * 5, [0, 4, 4, 0, 0], [0] * 5]


def test_a_shape_and_its_mirror_image_are_one() -> None:
    grid = [[0, 3, 0, 0], [0, 3, 3, 0], [0, 0, 0, 0]]
    assert shown("symmetrize()", grid)[0] == [[0, 3, 3, 0], [0, 3, 3, 0], [0, 0, 0, 0]]
    assert shown("symmetrize(axis='x')", grid)[0] == [[0, 3, 3, 0], [0, 3, 3, 0], [0, 0, 0, 0]]
    assert shown("symmetrize(about='grid', axis='x')", grid)[0] == [[0, 3, 0, 0], [0, 3, 3, 0], [0, 3, 0, 0]]
    assert shown("symmetrize() | symmetrize()", grid)[0] == shown("symmetrize()", grid)[0]


def test_what_grows_too_large_is_cut_or_left_out() -> None:
    grid = np.zeros((16, 16), dtype=int)
    grid[2, 2:7] = 5  # twice as long as a slot
    image, codes = shown("scale(2)", grid.tolist())
    assert np.array(image)[2:4, 2:12].all()
    assert codes.filled.sum() == 2
    assert codes.left_out is not None
    assert codes.left_out.tolist() == [0]
    grid[3, 2:7] = 5
    _, codes = shown("scale(5)", grid.tolist())  # ten parts
    assert codes.filled.sum() == 0
    assert codes.left_out is not None
    assert codes.left_out.tolist() == [1]


def test_parts_need_slots() -> None:
    grids = np.zeros((1, 16, 16), dtype=np.uint8)
    for index in range(4):
        grids[0, 4 * index, :5] = index + 1
    codes = knowing(grids, Program.parse("scale(2)")).codes(grids)
    with pytest.raises(ValueError, match=r"^scale makes 8 objects of grid 0, and codes have 6 slots; give max_obj"):
        ops.scale(codes, 2)
    assert ops.scale(codes, 2, max_objects=8).filled.all()


@pytest.mark.slow
def test_refined_codes_draw_the_new_shapes_better() -> None:
    torch.manual_seed(0)
    codec, grids = Codec(ObjectsVAE(width=16)), scenes(10, seed=3, most=1)
    codes = codec.codes(grids, refine=200)
    wrong = []
    for refine in (0, 200):
        large = ops.scale(codes, 2, max_objects=12, refine=refine)
        # What the codes showed before, in pixels twice as large, against what they show now; places are the same.
        wanted = expected(Program.parse("scale(2)"), decoded(codes))
        wrong.append((decoded(large) != np.stack([draw(scene, (16, 16)) for scene in wanted])).sum())
    assert wrong[1] < wrong[0]
    with pytest.raises(ValueError, match=r"^refine=-1 must be a whole number of 0 at least$"):
        ops.scale(codes, 2, refine=-1)


def test_a_factor_of_one_is_the_identity() -> None:
    codes = random_codes(0)
    assert same(ops.scale(codes, 1), codes)
    grids = scenes(8, seed=0)
    known = knowing(grids).codes(grids)
    assert same(ops.scale(known, 2, objects=[]), known)


@pytest.mark.parametrize("factor", [0, -1, 1.5, 2 / 3, float("inf"), float("nan"), True, "2", None])
def test_other_factors_are_refused(factor: float) -> None:
    with pytest.raises(ValueError, match=r"^factor=.* must be 1, 2, 3, \.\.\. or 1/2, 1/3, \.\.\.$"):
        ops.scale(random_codes(0), factor)


def test_other_words_and_codes_without_a_codec_are_refused() -> None:
    codes = random_codes(0)
    with pytest.raises(ValueError, match=r"^axis='z' must be 'x' or 'y'$"):
        ops.symmetrize(codes, axis="z")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^about='me' must be 'grid' or 'object'$"):
        ops.symmetrize(codes, about="me")  # type: ignore[arg-type]
    for change in (lambda: ops.scale(codes, 2), lambda: ops.symmetrize(codes)):
        with pytest.raises(ValueError, match=r" draws shapes and needs a codec; take the codes from codec\.codes"):
            change()
