"""Operations by numbers alone: with operators that make no mistakes, they do what operations on cells do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from arcvae import operations as ops
from arcvae.grid.codec import Codec
from arcvae.grid.codes.operators import ShapeOperators
from arcvae.grid.models.objects import ObjectsVAE
from arcvae.grid.operations.drawings import draw, split
from arcvae.grid.operations.program import Program, Step
from tests.grid.operations.exact import ExactOperators
from tests.grid.operations.scenes import SIZE, Grids, decoded, expected, knowing, scenes
from tests.grid.operations.test_places import random_codes, same

TEXTS = (
    "scale(2)", "scale(0.5)", "scale(3, objects=smallest)", "symmetrize(axis='x')", "symmetrize(objects=1)",
    "union()", "union(align=True)", "intersection()", "intersection(align=True)", "difference()",
    "difference(align=True)", "difference(objects=0)",
)  # fmt: skip
MOVED = (
    "rotate(90) | scale(0.5)", "translate(dy=2, dx=1, objects=0) | union()",
    "translate(dy=-2, objects=0) | difference()", "translate(dx=2, objects=1) | intersection()",
)  # fmt: skip


def with_operators(grids: Grids, text: str) -> Codec:
    """A codec that knows these grids, what a program makes of them, and how to do that by numbers."""
    codec = knowing(grids, Program.parse(text))
    codec.operators = ExactOperators(codec)
    return codec


def held(program: Program, grids: Grids) -> np.ndarray:
    """Which grids have, after a program, only objects that a slot can hold; one part at most of what is cut out."""
    fits = []
    for scene in expected(program, grids):
        parts = [part for found in scene for part in split(found.color, found.cells)]
        boxes = [part.box for part in parts]
        small = all(bottom - top < 8 and right - left < 8 for top, left, bottom, right in boxes)
        whole = len(parts) <= 1 or program.steps[-1].name not in ("intersection", "difference")
        fits.append(small and whole and all(len(part.cells) <= 15 for part in parts))
    return np.array(fits)


@pytest.mark.parametrize("text", [*TEXTS, *MOVED])
def test_result_is_that_of_the_oracle_where_a_slot_can_hold_it(text: str) -> None:
    grids, program = scenes(30, seed=len(text), most=2), Program.parse(text)
    codec, last = with_operators(grids, str(program)), program.steps[-1]
    direct = Program([*program.steps[:-1], Step(last.name, **dict(last.arguments), via="codes")])
    codes = direct(codec.codes(grids))
    wanted = np.stack([draw(scene, SIZE) for scene in expected(direct, grids)])
    right = held(program, grids)
    assert right.sum() > 5
    np.testing.assert_array_equal(decoded(codes)[right], wanted[right])
    assert codes.left_out is not None
    assert (codes.left_out[right] == 0).all()


def test_what_a_slot_cannot_hold_is_lost_and_counted() -> None:
    grids = np.zeros((3, 16, 16), dtype=np.uint8)
    grids[0, 2, 2:7], grids[0, 4, 4] = 5, 6  # scaled by two, five cells are too many
    grids[1, 2, 2:7], grids[1, 4, 2:4] = 5, 6
    grids[2, 2, 2] = 5
    codec = with_operators(grids, "scale(2)")
    codes = ops.scale(codec.codes(grids), 2, via="codes")
    assert codes.color.tolist() == [[6, 0, 0, 0, 0, 0], [6, 0, 0, 0, 0, 0], [5, 0, 0, 0, 0, 0]]
    assert codes.left_out is not None
    assert codes.left_out.tolist() == [1, 1, 0]
    # A difference in two parts.
    grids[0] = 0
    grids[0, 2, 2:5], grids[0, 4, 3] = 5, 6
    codec = with_operators(grids, "difference(align=True)")
    codes = ops.difference(ops.translate(codec.codes(grids), dy=-2, objects=ops.of_color(6)), via="codes")
    assert codes.left_out is not None
    assert codes.left_out[0] == 1
    assert codes.color[0].tolist() == [0] * 6


def test_objects_of_a_union_that_do_not_touch_keep_their_slots_in_its_color() -> None:
    grids = np.zeros((1, 16, 16), dtype=np.uint8)
    grids[0, 2, 2:4], grids[0, 2, 8:10], grids[0, 3, 4:6] = 1, 2, 3
    codec = with_operators(grids, "union(objects=[0, 2])")
    codes = codec.codes(grids)
    assert codes.color[0, :3].tolist() == [1, 2, 3]
    united = ops.union(codes, via="codes")  # the first and the third touch, the second is apart
    assert united.color.tolist() == [[1, 1, 0, 0, 0, 0]]
    assert united.column[0, :2].tolist() == [3.5, 8.5]
    assert (decoded(united) == (grids > 0)).all()
    far = ops.translate(codes, dx=40, objects=1)
    assert ops.union(far, objects=[0, 1], via="codes").column[0, :2].tolist() == [2.5, 48.5]
    assert ops.intersection(far, objects=[0, 1], via="codes").color[0].tolist() == [3, 0, 0, 0, 0, 0]
    assert ops.difference(far, objects=[0, 1], via="codes").column[0, :2].tolist() == [2.5, 4.5]


def test_untrained_operators_make_codes_that_can_be_decoded() -> None:
    model = ObjectsVAE(width=16)
    codec, grids = Codec(model, operators=ShapeOperators(model, width=16, blocks=1)), scenes(50, seed=0)
    for text in TEXTS:
        step = Program.parse(text).steps[0]
        codes = Step(step.name, **dict(step.arguments), via="codes")(codec.codes(grids))
        assert np.isfinite(codes.numbers).all()
        halves = 2 * codes.numbers[..., :2]
        assert (halves == halves.round()).all()
        assert decoded(codes).shape == grids.shape


def test_nothing_chosen_changes_nothing() -> None:
    grids = scenes(8, seed=0)
    codes = with_operators(grids, "").codes(grids)
    for operation in (ops.symmetrize, ops.union, ops.intersection, ops.difference):
        assert same(operation(codes, objects=[], via="codes"), codes)
    assert same(ops.scale(codes, 2, objects=[], via="codes"), codes)
    assert same(ops.scale(codes, 1, via="codes"), codes)


def test_programs_print_and_parse_the_way() -> None:
    text = "scale(2, via='codes') | union(align=True, via='codes') | symmetrize(axis='x', via='codes')"
    assert str(Program.parse(text)) == text
    assert str(Program.parse("scale(2, via='pixels')")) == "scale(2)"


def test_other_words_and_what_has_no_operator_are_refused() -> None:
    codes = random_codes(0)
    with pytest.raises(ValueError, match=r"^via='code' must be 'pixels' or 'codes'$"):
        ops.union(codes, via="code")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^factor=4 has no operator; use 2, 3 or 1/2, or via='pixels'$"):
        ops.scale(codes, 4, via="codes")
    with pytest.raises(ValueError, match=r"^refine=3 needs via='pixels'"):
        ops.symmetrize(codes, refine=3, via="codes")
    with pytest.raises(ValueError, match=r"^union draws shapes and needs a codec"):
        ops.union(codes, via="codes")
    with pytest.raises(ValueError, match=r"^scale has no argument 'by'"):
        Program.parse("scale(2, by='codes')")


def test_model_without_operators_is_told_which_command_makes_them(tmp_path: Path) -> None:
    run = tmp_path / "run"
    (run / "checkpoints").mkdir(parents=True)
    codec = Codec(ObjectsVAE(width=16), path=run / "vae_best.pth")
    codes = codec.codes(scenes(3, seed=0))
    with pytest.raises(ValueError, match=r"has none; python -m arcvae\.operate ckpt_path=CHECKPOINT, that of its run,"):
        ops.scale(codes, 2, via="codes")
    (run / "checkpoints" / "best.ckpt").touch()
    with pytest.raises(ValueError, match=rf"python -m arcvae\.operate ckpt_path={run}/checkpoints/best\.ckpt makes"):
        ops.scale(codes, 2, via="codes")
