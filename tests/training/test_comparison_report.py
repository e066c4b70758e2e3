"""The report of a comparison, read back as tables."""

from __future__ import annotations

from typing import Any

import pytest

from arcvae.training.comparison_report import NOT_THE_SAME, fitted, markdown, terminal
from tests.training.test_comparison import RANK, record

STUDY: dict[str, Any] = {"columns": ["pixel_accuracy", *RANK], "rank": RANK, "curves": ["val/object_f1"]}


def table(report: str, number: int) -> dict[str, list[str]]:
    """Rows of the ``number``-th table by their first cell, the head under "" and without the rule below it."""
    blocks = [block for block in report.split("\n\n") if block.startswith("|")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in blocks[number].splitlines()]
    assert len({len(row) for row in rows}) == 1
    return {row[0]: row[1:] for row in rows if row[0] != "---"}


def test_figures_stand_below_their_names() -> None:
    costs: dict[str, Any] = {"train_seconds": 100.0, "epochs": 5, "parameters": 7, "peak_memory_mib": 512.4}
    report = markdown({"A": [record(0.25, 0.125, adjusted={"object_f1": 0.5}, **costs)], "B": [record(0.4)]}, STUDY)
    rows = table(report, 0)
    assert rows[""][:5] == [*STUDY["columns"], "object_f1, logit adjusted", "verdict"]
    assert rows["A"] == ["0.930", "0.250", "0.125", "0.500", "no collapse", "100", "20", "512", "7"]
    assert rows["B"][-4:] == ["—", "—", "—", "—"]
    assert rows["trivial predictor"][:3] == ["0.930", "—", "—"]
    assert "Figures of the test split at the plain argmax; one seed each." in report


def test_collapse_is_named_although_its_accuracy_is_high() -> None:
    report = markdown({"A": [record(0.0, collapsed=True)], "B": [record(0.4)]}, STUDY)
    row = table(report, 0)["A"]
    assert row[0] == "0.930"
    assert "MODE COLLAPSE" in row
    assert "**Recommendation: B.**" in report
    assert "**Recommendation: none.**" in markdown({"A": [record(0.0, collapsed=True)]}, STUDY)


def test_runs_without_a_test_split_are_compared_on_validation() -> None:
    runs = [record(0.2, test=None), record(0.4, test=None)]
    report = markdown({"A": runs}, STUDY)
    assert "Figures of the val split at the plain argmax: mean ± standard deviation over seeds." in report
    assert table(report, 0)["A"][1] == "0.300 ± 0.141"


def test_findings_goals_stability_and_runs_have_their_parts() -> None:
    finding = {"name": "omission", "evidence": "half is missing", "cause": "few steps", "remedy": "train longer"}
    history = [{"val/object_f1": value} for value in (0.2, 0.6, 0.7, 0.0)]
    runs = [
        record(0.2, findings=[finding], history=history),
        record(0.3, findings=[finding], history=history, seed=2, epochs=4),
    ]
    report = markdown({"A": runs, "B": [record(0.1)]}, STUDY | {"goals": {"above": {"object_f1": 0.15}}})
    said = "- A: **omission**: half is missing. Cause: few steps. Remedy: train longer."
    assert report.count(said) == 1  # once for both runs
    assert "- B: nothing" in report
    assert "- A: **GO** (no collapse: yes; object_f1 0.250 ± 0.071 above 0.15: yes)" in report
    assert "- B: **NO-GO**" in report
    # Trailing means of up to three epochs: 0.2, 0.4, 0.5, 0.4333.
    assert table(report, 1)["A"] == ["val/object_f1", "33 %", "0.0667"]
    assert "- A, seed 2: `run-0.3`, 4 epochs" in report
    assert "## Go or no-go" not in markdown({"A": runs}, STUDY)


@pytest.mark.parametrize("names", [["a / x", "a / y", "b / x", "b / y"], ["a", "b", "c", "d"]])
def test_effects_of_two_choices_are_told_for_names_of_two_parts(names: list[str]) -> None:
    report = markdown({name: [record(0.1 * index)] for index, name in enumerate(names)}, STUDY)
    assert ("the first choice moves it by 0.200" in report) == ("/" in names[0])


def test_times_of_runs_that_were_there_before_are_left_out() -> None:
    costs: dict[str, Any] = {"epochs": 5, "parameters": 7, "peak_memory_mib": 512.4}
    runs = [record(0.2, train_seconds=100.0, **costs), record(0.3, train_seconds=900.0, seed=2, **costs)]
    mixed = markdown(
        {"A": runs, "B": [record(0.4, train_seconds=900.0, **costs)]}, STUDY, reused=["run-0.3", "run-0.4"]
    )
    assert table(mixed, 0)["A"][-4:] == ["100", "20", "512", "7"]
    assert table(mixed, 0)["B"][-4:] == ["—", "—", "—", "7"]
    assert "of the runs that were trained now" in mixed
    whole = markdown({"A": runs}, STUDY)
    assert table(whole, 0)["A"][-4] == "500"
    assert "trained now" not in whole


def test_runs_on_different_corpora_are_said_not_to_compare_in_report_and_terminal() -> None:
    same = {"A": [record(0.2, corpus={"sha256": "a"})], "B": [record(0.3, corpus={"sha256": "a"})]}
    other = same | {"B": [record(0.3, corpus={"sha256": "b"})]}
    for shown in (markdown, lambda variants, study: terminal(variants, study, 100)):
        assert NOT_THE_SAME in shown(other, STUDY)
        assert NOT_THE_SAME not in shown(same, STUDY)


@pytest.mark.parametrize("width", [60, 100])
def test_terminal_shows_variants_best_first_and_fits(width: int) -> None:
    names = [f"loss.gamma={index} model.widths=[8,8,8]" for index in range(3)]
    runs = {name: [record(0.1 + 0.2 * index)] for index, name in enumerate(names)}
    lines = terminal(runs, STUDY, width).splitlines()
    assert [line.rpartition("loss.gamma=")[2][:1] for line in lines[2:5]] == ["2", "1", "0"]
    assert lines[5].endswith("trivial predictor")
    assert lines[1].split()[0] == RANK[0]
    assert "|" not in "".join(lines)
    assert all(len(line) <= width for line in lines if "loss.gamma" not in line)
    assert any(line.startswith("Recommendation: loss.gamma=2") for line in lines)


def test_terminal_shows_the_lowest_first_where_lower_is_better() -> None:
    runs = {name: [record(0.3, val={"loss": loss}, test={"loss": loss})] for name, loss in (("A", 90.0), ("B", 10.0))}
    lines = terminal(runs, {**STUDY, "rank": ["loss"], "columns": []}, 100).splitlines()
    assert [line.split()[-1] for line in lines[2:4]] == ["B", "A"]
    assert any(line.startswith("Recommendation: B.") for line in lines)


def test_columns_that_do_not_fit_are_left_out_before_the_last() -> None:
    rows = [["", *(f"figure_{index}" for index in range(9)), "verdict"], ["A", *["0.123"] * 9, "no collapse"]]
    heads = [fitted(rows, width)[0].split() for width in (200, 60)]
    assert len(heads[0]) == 10
    # Ten columns for each figure, thirteen for the verdict, one for the name: 54 with four figures, 64 with five.
    assert heads[1] == ["figure_0", "figure_1", "figure_2", "figure_3", "verdict"]
