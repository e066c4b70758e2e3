"""The rules of single values, and the settings of a room made of them."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest

from arcvae.io.settings import (
    Choice,
    Fixed,
    Flag,
    ListOf,
    Number,
    OneOf,
    Rule,
    Settings,
    Text,
    is_count,
    is_number,
    leaves,
    nearest,
    problem_line,
    shown,
    value_at,
)


@pytest.mark.parametrize(
    ("rule", "allowed", "forbidden"),
    [
        (Number(0, 1), [0, 0.0, 1, 0.5], [-1e-9, 1 + 1e-9, "0.5", True, None, math.nan, math.inf, -math.inf, [0.5]]),
        (Number(0, 1, above=True), [1e-300, 1], [0, 0.0, -1]),
        (Number(2, 2**24, integer=True), [2, 2**24], [1, 2**24 + 1, 2.0, 2.5, True, "2"]),
        (Fixed(10, "why"), [10], [9, 11, 10.0, "10", True, None]),
        (Fixed(1, "why"), [1], [True, 1.0]),
        (Choice(("a", "b")), ["a", "b"], ["c", "", None, 1, ["a"]]),
        (Flag(), [True, False], [0, 1, "true", None]),
        (Text(), ["a", " "], ["", "a\0b", 1, None, ["a"]]),
        (Text(empty=True), ["", "a"], ["\0", None]),
        (OneOf((Flag(), Number(5, 6))), [True, 5], [4, "x"]),
        (ListOf(Number(0, 1)), [[], [0, 1]], [[0, 2], 0, "01", None, (0,)]),
        (ListOf(Text(), shortest=2), [["a", "b"]], [["a"], []]),
    ],
)
def test_each_rule_tells_what_is_allowed(rule: Rule, allowed: list[Any], forbidden: list[Any]) -> None:
    assert [value for value in allowed if rule.problem(value) is not None] == []
    assert [value for value in forbidden if rule.problem(value) is None] == []


@pytest.mark.parametrize(
    ("rule", "value", "words"),
    [
        (Number(0, 1, above=True), 0, "must be a number above 0 and at most 1"),
        (Number(0, 2**32 - 1, integer=True), -1, "must be a whole number at least 0 and at most 4,294,967,295"),
        (Fixed(10, "a grid has ten colours"), 9, "must be 10: a grid has ten colours"),
        (Choice(("sum", "mean")), "men", "must be one of sum, mean (did you mean mean?)"),
        (Choice(("new",), former={"old": "new"}), "old", "is now called new"),
        (Flag(), 1, "must be true or false"),
        (Text(), "", "must be text"),
        (Text(), "a\0", "must not contain a NUL character"),
        (OneOf((Flag(), Choice(("all",)))), "some", "must be true or false or must be one of all"),
        (ListOf(Flag()), [True, 2], "has an item that must be true or false"),
        (ListOf(Flag(), shortest=2), [True], "must be a list of at least 2"),
    ],
)
def test_each_rule_says_what_is_wrong_in_words(rule: Rule, value: Any, words: str) -> None:
    assert rule.problem(value) == words


def test_former_word_is_no_option() -> None:
    # A typing error of a former word leads to words of today.
    rule = Choice(("argmax", "adjusted"), former={"corrected": "adjusted"})
    assert rule.problem("correctd") == "must be one of argmax, adjusted"


def test_null_is_allowed_where_a_rule_is_optional() -> None:
    assert problem_line(("a", "b"), None, Number(1, 2, optional=True)) is None
    assert problem_line(("a", "b"), None, Number(1, 2)) == "a.b=null must be a number at least 1 and at most 2"


def test_values_are_shown_in_one_short_line() -> None:
    assert shown("a\nb") == "a b"
    assert len(shown("x" * 1000)) == 80


ROOM = Settings(
    rules={
        "model.depth": Number(1, 9, integer=True),
        "callbacks.*.seed": Number(0, 5, integer=True),
        "callbacks.special.seed": Number(0, 7, integer=True),
        "study.*": ListOf(Text()),
    },
    checks=(lambda config: ["too deep for its width"] if value_at(config, "model.depth") == 9 else [],),
    builds=("shapes.models.", "shapes.data.Data"),
)


@pytest.mark.parametrize(
    ("key", "highest"),
    [
        ("model.depth", 9),
        ("callbacks.a.seed", 5),
        ("callbacks.special.seed", 7),  # a key goes before a pattern
        ("depth", None),
        ("model.depth.x", None),
        ("callbacks.seed", None),
        ("callbacks.a.b.seed", None),
        ("model.*", None),
    ],
)
def test_asterisk_stands_for_one_part_of_a_key(key: str, highest: int | None) -> None:
    rule = ROOM.rule(key.split("."))
    assert (rule.high if isinstance(rule, Number) else None) == highest


def test_only_names_and_prefixes_that_are_stated_may_be_built() -> None:
    allowed = ["shapes.models.Deep", "shapes.models.deep.Deep", "shapes.data.Data"]
    others = [
        "shapes.models",
        "shapes.modelsx.Deep",
        "shapes.data.Data2",
        "shapes.data.Data.x",
        "shapes.data",
        "os.system",
    ]
    assert [name for name in allowed + others if ROOM.allows(name)] == allowed


def test_settings_report_every_problem_of_values_that_they_know() -> None:
    config = {"model": {"_target_": "x", "depth": 0, "unknown": 5}, "callbacks": {"a": {"seed": 6}}, "study": {"b": 1}}
    assert ROOM.problems(config) == [
        "model.depth=0 must be a whole number at least 1 and at most 9",
        "callbacks.a.seed=6 must be a whole number at least 0 and at most 5",
        "study.b=1 must be a list",
    ]
    assert ROOM.problems({"model": {"depth": 9}}) == ["too deep for its width"]
    assert ROOM.problems({}) == []


def test_leaves_are_values_with_their_path_without_hydras_own_keys() -> None:
    config = {"a": {"_target_": "x", "b": {"c": 1}, "empty": {}}, "_d": 2, "e": None, "f": [{"g": 1}]}
    assert dict(leaves(config)) == {("a", "b", "c"): 1, ("a", "empty"): {}, ("e",): None, ("f",): [{"g": 1}]}


@pytest.mark.parametrize(
    ("key", "value"), [("a.b", 1), ("a", {"b": 1}), ("a.c", None), ("x.y.z", None), ("n.b", None), ("a.b.c", None)]
)
def test_value_at_a_dotted_key_is_none_where_there_is_none(key: str, value: Any) -> None:
    config: Mapping[str, Any] = {"a": {"b": 1}, "n": None}
    assert value_at(config, key) == value


def test_flags_and_infinities_are_no_numbers() -> None:
    values = [1, 1.5, True, math.nan, math.inf, "1", None]
    assert [value for value in values if is_number(value)] == [1, 1.5]
    assert [value for value in values if is_count(value)] == [1]


def test_hint_names_the_most_similar_word_or_none() -> None:
    assert nearest("gama", ["gamma", "alpha"]) == " (did you mean gamma?)"
    assert nearest("zzz", ["gamma", "alpha"]) == ""
    assert nearest("alpah", ["alpha"], cutoff=0.9) == ""


def test_rules_are_there_without_torch_numpy_or_pydantic() -> None:
    # They are read before anything else by every command.
    code = (
        "import sys\n"
        "import arcvae.app.settings, arcvae.audio.settings, arcvae.grid.settings\n"
        "print(sorted({'torch', 'numpy', 'pydantic', 'hydra'} & set(sys.modules)))\n"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
