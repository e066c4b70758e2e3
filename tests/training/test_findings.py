"""Findings in words: evidence, cause and remedy."""

from __future__ import annotations

import pytest

from arcvae.training.findings import Finding, mode_collapse


def test_finding_reads_as_one_line() -> None:
    shown = str(Finding("omission", "half is missing", "few steps", "train longer"))
    assert shown == "OMISSION: half is missing. Cause: few steps. Remedy: train longer."


@pytest.mark.parametrize(
    ("ratio", "cause", "remedy"),
    [
        (None, "no class weights", "loss=option_b"),
        (11.4, "class weights are on (ratio 11 : 1)", "raise the weight ratio"),
    ],
)
def test_cause_of_a_mode_collapse_depends_on_the_weights(ratio: float | None, cause: str, remedy: str) -> None:
    found = mode_collapse(0.995, 0.0123, 0.93, ratio)
    assert found.name == "mode collapse"
    assert all(figure in found.evidence for figure in ("99.5 %", "0.012", "0.930"))
    assert cause in found.cause
    assert remedy in found.remedy
