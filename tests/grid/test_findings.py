"""Findings on painted objects: when there is one, and that its remedy fits the run."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcvae.grid.findings import HARDLY_LEARNED, LOPSIDED, painting, posterior_collapse


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
    assert [finding.name for finding in painting(recall, precision, None, None)] == ([name] if name else [])


@given(recall=st.floats(0, 1), precision=st.floats(0, 1))
def test_there_is_one_finding_where_something_is_wrong_and_none_elsewhere(recall: float, precision: float) -> None:
    found = painting(recall, precision, 5.0, 0.1)
    low, high = sorted((recall, precision))
    wrong = high < HARDLY_LEARNED or (high >= LOPSIDED * low and low < 0.5)
    assert len(found) == wrong
    if found and found[0].name != "little learned":
        assert (found[0].name == "over-painting") == (recall > precision)


def test_remedy_speaks_of_weights_only_if_there_are_some_and_of_tau_only_if_it_is_not_zero() -> None:
    (weighted,) = painting(0.9, 0.2, 30.4, 0.5)
    assert "ratio 30 : 1" in weighted.cause
    assert "loss.class_weights=none" in weighted.remedy
    assert "tau 0.5" in weighted.remedy
    (plain,) = painting(0.9, 0.2, None, 0.0)
    assert "weight" not in plain.cause + plain.remedy
    assert "tau" not in plain.remedy
    (omitting,) = painting(0.2, 0.9, None, None)
    assert "loss=option_b" in omitting.remedy


def test_collapse_of_the_code_is_blamed_on_beta_only_if_there_is_one() -> None:
    free = posterior_collapse("0 of 4 dimensions", 0.0, 0.0, mean_reduction=False)
    assert "beta" not in free.cause + free.remedy
    strong = posterior_collapse("0 of 4 dimensions", 25.6, 12, mean_reduction=True)
    assert "25.6 against nats per grid, reached after 12 epochs" in strong.cause
    assert strong.remedy.startswith("use loss.reduction=sum, lower beta.maximum")
    assert "loss.reduction" not in posterior_collapse("", 1.0, 1.0, mean_reduction=False).remedy
