"""The page of several runs: variants in the order of their figures, with intervals over seeds."""

from __future__ import annotations

import pytest
from scipy import stats

from arcvae.training.page.comparison import comparison_page, interval
from arcvae.training.record import RunRecord
from arcvae.training.task import Task
from tests.training.page.offline import require_offline
from tests.training.page.records import HOSTILE, record
from tests.training.page.test_run import rows


def scoring(accuracy: float, **changes: object) -> RunRecord:
    base = record()
    return record(val=base.val | {"accuracy": accuracy}, test=base.val | {"accuracy": accuracy}, **changes)


VARIANTS = {
    "worse": [scoring(0.5), scoring(0.6)],
    "better": [scoring(0.8), scoring(0.9, run_id="other")],
    "alone": [scoring(0.55)],
}


def test_best_variant_comes_first_with_mean_spread_and_interval() -> None:
    page = comparison_page("3 variants", VARIANTS, Task())
    require_offline(page)
    found = rows(page, "table")
    assert [row[0] for row in found[1:]] == ["better", "worse", "alone", "majority-class predictor"]
    # .85 +- 12.706 (Student's t for one degree of freedom) x .0707 / sqrt(2)
    assert found[1][1:4] == ["no collapse", "2", "0.850 ± 0.0710.215 to 1.485"]
    assert found[3][1:4] == ["no collapse", "1", "0.550"]
    assert found[4][3] == "0.6"
    assert "Recommendation: better" in page
    assert [row[0] for row in rows(page, "runs")[1:3]] == ["2026-01-02_run", "other"]


def test_figure_that_falls_is_ordered_the_other_way_round() -> None:
    page = comparison_page("3 variants", VARIANTS, Task(), lower_is_better=["accuracy"])
    assert [row[0] for row in rows(page, "table")[1:4]] == ["worse", "alone", "better"]


@pytest.mark.parametrize("values", [[0.1, 0.4], [0.5, 0.6, 0.55, 0.7]])
def test_interval_is_that_of_scipy(values: list[float]) -> None:
    expected = stats.t.interval(0.95, len(values) - 1, loc=sum(values) / len(values), scale=stats.sem(values))
    assert interval(values) == pytest.approx(expected)
    assert interval(values[:1]) is None


def test_unfinished_jobs_and_other_corpora_are_told_and_names_are_text() -> None:
    other = record(corpus={"sha256": "other"})
    page = comparison_page(
        HOSTILE,
        {HOSTILE: [record()], "b": [other]},
        Task(),
        unfinished=[(HOSTILE, "failed", HOSTILE), ("c", "running", "")],
    )
    require_offline(page)
    assert "<script" not in page
    assert "not all made on the same corpus" in page
    assert rows(page, "unfinished")[2] == ["c", "running", "—"]
