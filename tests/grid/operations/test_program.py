"""Programs: every operation against the pixel oracle, one by one and in chains; text that parses to itself."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import arcvae
from arcvae import operations as ops
from arcvae.grid.codes.object_codes import ObjectCodes
from arcvae.grid.operations.drawings import draw
from arcvae.grid.operations.program import OPERATIONS, Program, Step
from tests.elsewhere import elsewhere
from tests.grid.operations.scenes import SIZE, decoded, expected, knowing, scenes

CASES = [
    "translate(dy=3, dx=-2)",
    "translate(dy=-9, objects=[0, 2])",
    "rotate(90)",
    "rotate(-90, objects=1)",
    "rotate(180)",
    "rotate(90, about='object')",
    "rotate(270, about='object', objects=largest)",
    "reflect_x()",
    "reflect_y(objects=smallest)",
    "reflect_x(about='object')",
    "reflect_y(about='object')",
    "recolor(3)",
    "recolor(3, objects=touching_border)",
    "scale(2)",
    "scale(0.5)",
    "scale(3, objects=smallest)",
    "connect()",
    "connect(color=5, objects=[0, 2])",
    "group(by=2)",
    "separate(by=3)",
    "union()",
    "union(align=True, refine=2)",
    "intersection(align=True)",
    "difference(align=True)",
    "difference(objects=[0, 1])",
    "duplicate(dy=4, dx=1)",
    "repeat(2, dx=3, objects=largest)",
    "tile()",
    "tile(rows=1, columns=3, dx=5)",
    "symmetrize()",
    "symmetrize(axis='x')",
    "symmetrize(about='grid')",
    "duplicate(dy=1) | union(objects=[0, 1]) | reflect_x() | rotate(90)",
    "translate(dy=-14) | scale(2) | translate(dy=14)",
    "group(by=4) | connect() | symmetrize(about='grid') | recolor(7, objects=largest)",
    "scale(2) | duplicate(dx=1) | difference() | tile() | separate()",
]


@pytest.mark.parametrize("text", CASES)
def test_codes_show_what_the_oracle_draws(text: str) -> None:
    grids, program = scenes(30, seed=len(text)), Program.parse(text)
    codes = program(knowing(grids, program).codes(grids), max_objects=24)
    scene = expected(program, grids)
    wanted = np.stack([draw(objects, SIZE) for objects in scene])
    assert (wanted != grids).any((1, 2)).sum() > 5, "an operation that does nothing would pass"
    assert codes.left_out is not None
    whole = codes.left_out == 0
    assert whole.sum() > (20 if len(program) == 1 else 5)
    np.testing.assert_array_equal(decoded(codes)[whole], wanted[whole])


def test_every_operation_is_tested_against_the_oracle() -> None:
    assert {step.name for text in CASES for step in Program.parse(text).steps} == set(OPERATIONS)
    assert len(OPERATIONS) == 16


@pytest.mark.parametrize(
    "text",
    [
        "rotate(90, about='object')",
        "reflect_y(about='object', objects=largest)",
        "group(by=2) | recolor(8, objects=largest)",
        "separate() | translate(dx=1, objects=0)",
        "duplicate(dx=9, objects=0) | rotate(180, about='object') | symmetrize(axis='x')",
        "scale(0.5, objects=largest) | connect()",
        "symmetrize(about='grid') | union(objects=[0, 2]) | rotate(270, about='object')",
    ],
)
def test_parts_of_an_object_are_one_object(text: str) -> None:
    grids = scenes(20, seed=4, most=2)
    grids[:, 4:10, 5:9] = 0
    grids[:, 5:9, 5:8] = grids[:, 4, 5:9] = grids[:, 9, 5] = 6  # 17 cells in one colour, and what touches it
    program = Program.parse(text)
    codec = knowing(grids, program)
    before = codec.codes(grids)
    assert (before.first.sum(1) < before.filled.sum(1)).all()
    codes = program(before, max_objects=24)
    assert codes.left_out is not None
    whole = codes.left_out == 0
    assert whole.sum() > 10
    wanted = np.stack([draw(objects, SIZE) for objects in expected(program, grids)])
    np.testing.assert_array_equal(decoded(codes)[whole], wanted[whole])


@pytest.mark.parametrize("name", OPERATIONS)
def test_no_grids_empty_grids_and_the_codes_themselves(name: str) -> None:
    arguments = {"rotate": [90], "recolor": [3], "scale": [2], "repeat": [2]}.get(name, [])
    grids = scenes(6, seed=3, most=2)
    program = Program([Step(name, *arguments)])
    codes = ops.widened(knowing(grids, program).codes(grids), 9)
    before = codes.numbers.copy()
    after = program(codes)
    assert np.array_equal(codes.numbers, before), "what is handed in must not change"
    assert np.array_equal(program(codes).numbers, after.numbers)
    assert (after.size, after.codec) == (codes.size, codes.codec)
    assert not after.filled[0].any()
    assert len(program(codes[:0])) == 0
    assert not program(codes[[0, 0]]).filled.any()
    one = program(codes[3:4])
    np.testing.assert_allclose(one.numbers, after.numbers[3:4], atol=1e-5)  # a grid does not depend on its neighbours


@pytest.mark.parametrize("text", CASES)
def test_text_parses_to_itself(text: str) -> None:
    program = Program.parse(text)
    assert str(program) == text
    assert program == Program.parse(str(program))
    assert hash(program) == hash(Program.parse(f"  {text.replace(', ', ',')} "))


numbers = st.integers(-9, 9)
objects = st.one_of(
    st.none(),
    st.integers(0, 5),
    st.lists(st.integers(0, 5), max_size=3),
    st.sampled_from([ops.largest, ops.smallest, ops.touching_border]),
    st.integers(1, 9).map(ops.of_color),
)
steps = st.one_of(
    st.builds(lambda dy, dx, o: Step("translate", dy, dx, o), numbers, numbers, objects),
    st.builds(
        lambda q, a, o: Step("rotate", 90 * q, a, objects=o), numbers, st.sampled_from(["grid", "object"]), objects
    ),
    st.builds(lambda n, o: Step(n, "object", objects=o), st.sampled_from(["reflect_x", "reflect_y"]), objects),
    st.builds(
        lambda n, b, o: Step(n, b, objects=o), st.sampled_from(["group", "separate"]), st.integers(1, 5), objects
    ),
    st.builds(lambda o: Step("connect", objects=o), objects),
    st.builds(lambda f, o: Step("scale", f, objects=o), st.sampled_from([2, 3, 0.5, 1 / 3]), objects),
    st.builds(
        lambda name, o, a: Step(name, objects=o, align=a),
        st.sampled_from(["union", "difference"]),
        objects,
        st.booleans(),
    ),
    st.builds(lambda n, dy, o: Step("repeat", n, dy, objects=o), st.integers(1, 3), numbers, objects),
    st.builds(
        lambda a, b, o: Step("symmetrize", a, b, o), st.sampled_from("xy"), st.sampled_from(["grid", "object"]), objects
    ),
)


@given(st.lists(steps, max_size=5))
def test_random_programs_print_and_parse_to_themselves(chain: list[Step]) -> None:
    program = Program(chain)
    again = Program.parse(str(program))
    assert (again, str(again), hash(again)) == (program, str(program), hash(program))


@settings(max_examples=25, deadline=None)
@given(st.lists(steps, min_size=1, max_size=3), st.integers(0, 1000))
def test_random_programs_show_what_the_oracle_draws(chain: list[Step], seed: int) -> None:
    grids, program = scenes(4, seed, most=3), Program(chain)
    codec = knowing(grids, program)
    codes = program(codec.codes(grids), max_objects=200)
    wanted = np.stack([draw(scene, SIZE) for scene in expected(program, grids)])
    whole = codes.left_out == 0  # large ones too: their parts stay together
    np.testing.assert_array_equal(decoded(codes)[whole], wanted[whole])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("translat(dy=2)", "no operation is called 'translat'; did you mean translate?"),
        ("translate(dz=2)", "translate has no argument 'dz'; there are dy, dx, objects"),
        ("zzz()", "no operation is called 'zzz'; there are translate, rotate, scale"),
        ("recolor()", "recolor: missing a required argument: 'color'; it takes color, objects"),
        ("recolor(1, 2, 3)", "recolor: too many positional arguments; it takes color, objects"),
        ("recolor(0)", "color=0 must be in 1 to C - 1; 0 is the background"),
        ("rotate(45)", "degrees=45 must be a multiple of 90"),
        ("translate(dy=1.5)", "dy=1.5 must be a whole number"),
        ("translate(dy=open('x'))", "'open' is neither a literal nor a selector; there are largest"),
        ("recolor(3, objects=larges)", "'larges' is neither a literal nor a selector; did you mean largest?"),
        ("recolor(3, objects=largest())", "'largest()': largest takes no arguments; write largest"),
        ("recolor(3, objects=of_color)", "'of_color': of_color takes one argument; write of_color(3)"),
        ("recolor(3, objects=of_color(0))", "color=0 must be a whole number of 1 at least"),
        ("recolor(3, objects='all')", "objects='all' must be None, an index from 0 on, a list of them, or a predicate"),
        ("recolor(3, objects=-1)", "objects=-1 must be None, an index from 0 on"),
        ("recolor(1 + 2)", "'1 + 2' is not a literal"),
        ("scale(1/0)", "'1 / 0' is not a literal"),
        ("scale(1/2/1)", "'1 / 2 / 1' is not a literal"),
        ("scale(1.0/2)", "'1.0 / 2' is not a literal"),
        ("scale(True/2)", "'True / 2' is not a literal"),
        (f"scale(1{'0' * 400}/3)", "is not a literal"),
        ("scale(3/2)", "factor=1.5 must be 1, 2, 3, ... or 1/2, 1/3, ..."),
        ("recolor(6/2)", "color=3.0 must be a whole number"),
        (
            "recolor(color=3, color=4)",
            "'recolor(color=3, color=4)': give each argument once, by its name",
        ),
        ("recolor(**{'color': 3})", "give each argument once, by its name"),
        ("recolor(3) + rotate(90)", "'recolor(3) + rotate(90)' is not a step; write the call of an operation"),
        ("recolor", "'recolor' is not a step"),
        ("x.recolor(3)", "'x.recolor(3)' is not a step"),
        ("recolor(3) |", "'recolor(3) |' is not a program (invalid syntax)"),
    ],
)
def test_other_text_is_refused_in_one_line(text: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        Program.parse(text)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    if found := re.search(r"'(\w+)'.*; did you mean (\w+)\?", str(caught.value)):
        misspelt, meant = found.groups()
        assert meant in str(Program.parse(text.replace(misspelt, meant)))


def test_what_cannot_be_printed_is_no_part_of_a_program() -> None:
    with pytest.raises(ValueError, match=r"translate: objects=<function .* cannot be part of a program"):
        Step("translate", dy=1, objects=lambda codes: codes.filled)


def test_error_of_a_step_names_it() -> None:
    codes = ObjectCodes(np.ones((1, 1, 11), dtype=np.float32))
    with pytest.raises(ValueError, match=r"^step 2, duplicate\(dx=1\): duplicate makes 2 objects of grid 0"):
        Program.parse("recolor(2) | duplicate(dx=1)")(codes)
    assert Program.parse("recolor(2) | duplicate(dx=1)")(codes, max_objects=2).color.tolist() == [[2, 2]]
    assert Program.parse("")(codes) is codes


def test_programs_follow_each_other_and_defaults_are_not_told() -> None:
    one, other = Program([Step("translate", 2, 0)]), Program([Step("reflect_x", about="grid")])
    assert str(one | other) == "translate(dy=2) | reflect_x()"
    assert repr(one) == "Program.parse('translate(dy=2)')"
    assert {one: 1}[Program.parse("translate(2)")] == 1
    assert Step("translate", np.int64(2)) == Step("translate", 2)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("scale(1/2)", "scale(0.5)"),
        ("scale(factor=1 / 3, objects=largest)", "scale(0.3333333333333333, objects=largest)"),
        ("translate(dy=2) | scale(1/2)", "translate(dy=2) | scale(0.5)"),
    ],
)
def test_factor_may_be_written_as_its_message_says(text: str, plain: str) -> None:
    program = Program.parse(text)
    assert str(program) == plain  # as ever: tasks of earlier sets are found by their text
    assert (program, hash(program)) == (Program.parse(plain), hash(Program.parse(plain)))
    assert program.steps[-1].arguments[0] == ("factor", 1 / (3 if "3" in text else 2))


@pytest.mark.slow
def test_programs_do_the_same_wherever_the_model_is() -> None:
    grids = scenes(8, seed=1)
    codec = arcvae.load("atomic-objects")
    by_codes = ["scale(2, {})", "symmetrize({})", "union({})", "union(align=True, {})"]
    texts = [*CASES, *(text.format("via='codes'") for text in by_codes)]
    here = [Program.parse(text)(codec.codes(grids), max_objects=60).numbers for text in texts]
    with elsewhere() as device:
        codes = arcvae.load("atomic-objects", device=str(device)).codes(grids)
        for text, expected_numbers in zip(texts, here, strict=True):
            numbers = Program.parse(text)(codes, max_objects=60).numbers
            np.testing.assert_array_equal(numbers, expected_numbers, err_msg=text)
