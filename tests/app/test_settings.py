"""The settings of the commands."""

from __future__ import annotations

from arcvae.app.settings import SETTINGS


def test_former_decision_leads_to_that_of_today() -> None:
    assert SETTINGS.problems({"decision": "corrected"}) == ["decision=corrected is now called adjusted"]
    assert SETTINGS.problems({"decision": "adjusted"}) == SETTINGS.problems({"decision": "argmax"}) == []


def test_goals_of_a_study_are_numbers_or_lists_of_them() -> None:
    above = {"f1_macro": [0.15, 0.2], "accuracy": 0.5}
    assert SETTINGS.problems({"study": {"goals": {"above": above}}}) == []
    assert len(SETTINGS.problems({"study": {"goals": {"above": {"a": "high", "b": []}}}})) == 2


def test_a_comparison_needs_a_seed() -> None:
    assert SETTINGS.problems({"seeds": [0, 2**32 - 1]}) == []
    assert len(SETTINGS.problems({"seeds": []})) == len(SETTINGS.problems({"seeds": [-1]})) == 1
