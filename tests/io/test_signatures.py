"""Rules that follow from annotations."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any, Optional, Union

import pytest

from arcvae.io.signatures import Plain, rule_of_parameter


def rule(annotation: Any = inspect.Parameter.empty, default: Any = inspect.Parameter.empty) -> Plain | None:
    kind = inspect.Parameter.KEYWORD_ONLY
    return rule_of_parameter(inspect.Parameter("q", kind, annotation=annotation, default=default))


VALUES: tuple[Any, ...] = (None, True, 3, 0.5, "abc", [1], {"a": 1}, float("nan"), float("inf"))


@pytest.mark.parametrize(
    ("annotation", "default", "accepted"),
    [
        (float, 0.7, [3, 0.5, float("inf")]),
        ("float", 0.7, [3, 0.5, float("inf")]),
        (int, 1, [3]),
        (bool, False, [True]),
        (str, "a", ["abc"]),
        (Optional[int], 1, [None, 3]),  # noqa: UP045  (as older libraries write it)
        (Union[int, bool], 1, [True, 3]),  # noqa: UP007
        (float | None, 1.0, [None, 3, 0.5, float("inf")]),
        ("float | None", 1.0, [None, 3, 0.5, float("inf")]),
        (float, None, [None, 3, 0.5, float("inf")]),
        ("str | int", 1, [3, "abc"]),
        (inspect.Parameter.empty, 0.7, [3, 0.5, float("inf")]),
        (inspect.Parameter.empty, 1, [3, 0.5, float("inf")]),
        (inspect.Parameter.empty, True, [True]),
    ],
)
def test_value_of_another_type_is_refused(annotation: Any, default: Any, accepted: list[Any]) -> None:
    found = rule(annotation, default)
    assert found is not None
    allowed = [v for v in VALUES if (v is None and found.optional) or found.problem(v) is None]
    assert allowed == accepted  # True == 1 here, but 1 is not among the values


@pytest.mark.parametrize(
    ("annotation", "default"),
    [
        (Sequence[float], ()), ("Sequence[float]", ()), (float | Sequence[float], 1.0), ("float | Sequence[float]", 1),
        ("Literal['a']", "a"), (Any, 1.0), (inspect.Parameter.empty, "word"), (inspect.Parameter.empty, None),
        (inspect.Parameter.empty, inspect.Parameter.empty), (inspect.Parameter.empty, [1]), (None, None),
    ],
)  # fmt: skip
def test_nothing_is_known_of_other_annotations(annotation: Any, default: Any) -> None:
    # `trainer.devices` takes a number where its default is a word: a default beside an annotation says nothing.
    assert rule(annotation, default) is None
