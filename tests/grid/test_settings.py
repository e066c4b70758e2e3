"""The settings of the grid task: promised ranges, and what does not go together."""

from __future__ import annotations

import pytest

from arcvae.grid.elbo import ThreePhase
from arcvae.grid.settings import PRIOR_HEADS, SETTINGS, phases_problem, prior_width_problem


@pytest.mark.parametrize(
    ("key", "low", "high"), [("model.latent_dim", 1, 4096), ("beta.maximum", 0, 100), ("data.num_grids", 10, 10**8)]
)
def test_promised_ranges(key: str, low: int, high: int) -> None:
    rule = SETTINGS.rules[key]
    assert [bool(rule.problem(value)) for value in (low - 1, low, high, high + 1)] == [True, False, False, True]


@pytest.mark.parametrize(("first", "second"), [(10, 30), (0.5, 1), (5, 5), (30, 10), (1e-9, 1e6)])
def test_schedule_refuses_phases_as_the_check_does(first: float, second: float) -> None:
    problem = phases_problem(first, second)
    assert (problem is None) == (first < second)
    assert SETTINGS.problems({"beta": {"first": first, "second": second}}) == ([problem] if problem else [])
    if problem is None:
        ThreePhase(first, second)
    else:
        with pytest.raises(ValueError, match=r"beta\.first") as caught:
            ThreePhase(first, second)
        assert str(caught.value) == problem


def test_phase_that_ends_before_it_begins_is_reported_once() -> None:
    assert SETTINGS.problems({"beta": {"first": 0, "second": 10}}) == [
        "beta.first=0 must be a number above 0 and at most 1e+06"
    ]
    assert phases_problem(0, 10) is not None  # nobody checks the arguments of a caller by a rule


@pytest.mark.parametrize("width", [4, 6, 128, 130])
def test_width_of_a_prior_is_shared_by_its_heads(width: int) -> None:
    problem = prior_width_problem(width)
    assert (problem is None) == (width % PRIOR_HEADS == 0)
    assert SETTINGS.problems({"prior": {"width": width}}) == ([problem] if problem else [])


def test_alpha_has_a_value_for_each_colour() -> None:
    model = {"num_colors": 10}
    assert SETTINGS.problems({"model": model, "loss": {"alpha": [1.0] * 10}}) == []
    assert len(SETTINGS.problems({"model": model, "loss": {"alpha": [1.0] * 9}})) == 1


def test_a_single_value_is_told_in_words() -> None:
    assert SETTINGS.problems({"model": {"num_colors": 9}}) == ["model.num_colors=9 must be 10: a grid has ten colours"]
