"""Findings on painted objects: when there is one, and that its cause and remedy fit the run."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcvae.grid.findings import (
    COLLAPSED,
    COLLAPSED_UNWEIGHTED,
    FEW_EXACT,
    HARDLY_LEARNED,
    LOPSIDED,
    few_exact,
    painting,
    posterior_collapse,
    worse_than_cells,
)
from arcvae.training.course import Course
from arcvae.training.findings import Finding

LONG = Course(steps=5000, epochs=10, max_epochs=10)
SHORT = Course(steps=25, epochs=1, max_epochs=1)


@pytest.mark.parametrize(
    ("recall", "precision", "name"),
    [
        (0.1, 0.1, "little learned"),
        (0.199, 0.05, "little learned"),
        (0.9, 0.3, "over-painting"),
        (0.3, 0.9, "omission"),
        (0.8, 0.8, None),
        (0.9, 0.55, None),  # lopsided, but the lower one is fair
        (0.45, 0.4, None),  # both middling, and alike
    ],
)
def test_finding_fits_recall_and_precision(recall: float, precision: float, name: str | None) -> None:
    assert [finding.name for finding in painting(recall, precision, LONG)] == ([name] if name else [])


@given(recall=st.floats(0, 1), precision=st.floats(0, 1), short=st.booleans())
def test_there_is_one_finding_where_something_is_wrong_and_none_elsewhere(
    recall: float, precision: float, short: bool
) -> None:
    found = painting(recall, precision, Course(steps=25 if short else 5000, weight_ratio=5.0, tau=0.1))
    low, high = sorted((recall, precision))
    wrong = high < HARDLY_LEARNED or (high >= LOPSIDED * low and low < 0.5)
    assert len(found) == wrong
    if found and found[0].name != "little learned":
        assert (found[0].name == "over-painting") == (recall > precision)
    assert all(finding.cause.startswith("too short") == short for finding in found)


def test_remedy_speaks_of_weights_only_if_there_are_some_and_of_tau_only_if_it_is_not_zero() -> None:
    (weighted,) = painting(0.9, 0.2, Course(weight_ratio=30.4, tau=0.5))
    assert "ratio 30 : 1" in weighted.cause
    assert "loss.class_weights=none" in weighted.remedy
    assert "tau 0.5" in weighted.remedy
    (counted,) = painting(0.9, 0.2, Course(loss="vs", by_counts=True))
    assert counted.cause == "loss.name=vs makes a missed cell cost more than a painted one"
    (faded,) = painting(0.9, 0.2, Course(weight_ratio=1.0, faded=True))
    (plain,) = painting(0.9, 0.2, Course(tau=0.0))
    assert "weight" not in plain.cause + plain.remedy
    assert "tau" not in plain.remedy
    (omitting,) = painting(0.2, 0.9, Course())
    assert "loss=option_b" in omitting.remedy
    assert faded.cause == plain.cause
    (omitting,) = painting(0.2, 0.9, Course(weight_ratio=1.0, faded=True))
    assert "or keep the class weights (loss.fade=0)" in omitting.remedy
    (omitting,) = painting(0.2, 0.9, Course(loss="vs", by_counts=True))
    assert "weight" not in omitting.remedy


def collapse(course: Course, beta: float, **changes: Any) -> Finding:
    """The finding on a code of which nothing is left, with a beta that has reached its top after three epochs."""
    facts: dict[str, Any] = {"largest_beta": beta, "ramp_epochs": 3.0, "mean_reduction": False} | changes
    return posterior_collapse("0 of 4 dimensions", course, beta=beta, **facts)


def test_collapse_of_the_code_is_blamed_on_beta_only_if_there_is_one() -> None:
    free = collapse(LONG, 0.0)
    assert "beta" not in free.cause + free.remedy
    strong = collapse(LONG, 25.6, mean_reduction=True, ramp_epochs=12)
    assert "25.6 against nats per grid, reached after 12 epochs" in strong.cause
    assert strong.remedy.startswith("use loss.reduction=sum, give each")
    assert "loss.reduction" not in collapse(LONG, 1.0).remedy


def test_a_beta_that_the_run_never_reached_is_not_said_to_be_reached() -> None:
    assert "a beta of 0.4 against nats per grid, on its way to 2" in collapse(LONG, 0.4, largest_beta=2.0).cause


@pytest.mark.parametrize(("ratio", "limit"), [(None, COLLAPSED_UNWEIGHTED), (30.0, COLLAPSED)])
def test_a_short_run_is_blamed_unless_its_beta_would_have_ruined_a_long_one(ratio: float | None, limit: float) -> None:
    short = Course(steps=25, epochs=1, max_epochs=1, weight_ratio=ratio)
    mild = collapse(short, 0.99 * limit)
    assert mild.cause.startswith("too short")
    assert mild.remedy.endswith("let beta rise later (beta=warmup beta.hold=3 beta.ramp=6)")
    assert collapse(short, limit).cause.startswith(f"a beta of {limit:g} against nats per grid")
    assert collapse(SHORT, 0.0).remedy == SHORT.longer()


def test_short_run_without_exact_grids_is_told_that_it_was_short() -> None:
    (found,) = few_exact(0.0006, SHORT)
    assert (found.evidence, found.cause) == ("0.1 % of the grids are exact", "too short: 25 steps in 1 epoch are few")
    assert few_exact(0.0006, LONG) == []  # what a long run reaches is what its model can do
    assert few_exact(FEW_EXACT, SHORT) == []


def test_code_that_costs_more_than_no_code_is_a_finding_beyond_its_standard_error() -> None:
    def named(bits: float, error: float, course: Course = LONG) -> list[Finding]:
        return worse_than_cells(
            {"bits_per_cell": bits, "bits_per_cell_standard_error": error, "bits_per_cell_of_independent_cells": 0.58},
            course,
        )

    (found,) = named(0.97, 0.01)
    assert "0.970 bits per cell are more than the 0.580 of independent cells" in found.evidence
    assert named(0.59, 0.01) == named(0.4, 0.01) == []
    assert "prior=aggregate of" in found.remedy
    (short,) = named(0.97, 0.01, SHORT)
    assert (short.cause, short.remedy) == ("too short: 25 steps in 1 epoch are few", SHORT.longer())
