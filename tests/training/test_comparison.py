"""Which variant is recommended, by a stated rule, and how steady a curve is; worked by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest

from arcvae.training.comparison import (
    Summary,
    effects,
    goal_lines,
    noise,
    recommend,
    stabilities,
    stability,
    summary,
    within_noise,
)
from arcvae.training.record import RunRecord

RANK = ["object_f1", "exact_match"]


def record(f1: float, exact: float = 0.0, *, collapsed: bool = False, **changes: Any) -> RunRecord:
    figures = {"object_f1": f1, "exact_match": exact, "pixel_accuracy": 0.93}
    given: dict[str, Any] = {
        "run_id": f"run-{f1}", "config_hash": "", "seed": 1, "val": figures, "test": figures, "adjusted": figures,
        "verdict": {"mode_collapse": collapsed, "object_recall": f1}, "baseline": {"pixel_accuracy": 0.93},
    }  # fmt: skip
    return RunRecord(**given | changes)


def test_highest_f1_is_recommended() -> None:
    chosen, reason = recommend({"A": [record(0.3)], "B": [record(0.4)]}, RANK)
    assert chosen == "B"
    assert "object_f1 on validation 0.400 against A 0.300" in reason
    assert "one seed each" in reason


def test_lowest_is_recommended_where_lower_is_better() -> None:
    runs = {name: [record(0.3, val={"loss": loss}, test={"loss": loss})] for name, loss in (("A", 90.0), ("B", 10.0))}
    chosen, reason = recommend(runs, ["loss"])
    assert chosen == "B"
    assert "the one with the lowest mean loss on validation" in reason
    assert recommend(runs, ["loss"], lower_is_better=())[0] == "A"


def test_collapsed_variant_is_never_recommended_however_high_its_figures() -> None:
    chosen, reason = recommend({"A": [record(0.9, collapsed=True)], "B": [record(0.1)]}, RANK)
    assert chosen == "B"
    assert "collapsed: A" in reason
    assert recommend({"A": [record(0.9), record(0.9, collapsed=True)]}, RANK)[0] is None


def test_runs_of_another_task_are_not_ranked() -> None:
    chosen, reason = recommend({"A": [record(0.3)]}, ["f1_macro"])
    assert chosen is None
    assert "No run has f1_macro on validation" in reason


def test_within_noise_the_second_metric_decides() -> None:
    noisy = {"A": [record(0.40, 0.02), record(0.44, 0.02)], "B": [record(0.41, 0.01), record(0.45, 0.01)]}
    assert recommend(noisy, RANK)[0] == "A"
    sure = {"A": [record(0.40, 0.02), record(0.401, 0.02)], "B": [record(0.44, 0.01), record(0.441, 0.01)]}
    assert recommend(sure, RANK)[0] == "B"


def test_noise_is_twice_the_standard_error_of_the_difference() -> None:
    # Spreads of 0.1 over 4 seeds each: standard error of the difference 0.1 * sqrt(2 / 4) = 0.0707.
    shape = (-0.1, -0.05, 0.05, 0.1)
    scale = 0.1 / Summary(shape).spread
    one = Summary(tuple(scale * x for x in shape))
    assert within_noise(one, Summary(tuple(0.140 + scale * x for x in shape)))
    assert not within_noise(one, Summary(tuple(0.143 + scale * x for x in shape)))


def test_summary_says_nothing_of_a_spread_that_it_cannot_know() -> None:
    assert str(Summary((0.5,))) == "0.500"
    assert str(Summary((0.4, 0.6))) == "0.500 ± 0.141"
    assert str(Summary((0.0003,))) == "0.0003"
    assert str(Summary(())) == "—"
    assert math.isnan(Summary((1.0,)).spread)


@pytest.mark.parametrize(
    ("values", "lower", "window", "worse", "drop"),
    [
        ([0.1, 0.2, 0.3], False, 3, 0.0, 0.0),
        ([0.3, 0.2, 0.1], False, 1, 1.0, 0.2),
        ([0.3, 0.2, 0.1], True, 1, 0.0, 0.0),
        ([1.0, 0.0, 2.0], False, 2, 0.5, 0.5),  # trailing means 1, 0.5, 1
        ([0.5], False, 3, 0.0, 0.0),
        ([], False, 3, 0.0, 0.0),
    ],
)
def test_stability_worked_by_hand(values: list[float], lower: bool, window: int, worse: float, drop: float) -> None:
    assert stability(values, lower_is_better=lower, window=window) == {"worse_share": worse, "largest_drop": drop}


def test_stability_of_a_loss_counts_rises_and_the_worst_run_is_shown() -> None:
    def run(*losses: float) -> RunRecord:
        rows = [{"val/loss": loss, "val/beta": 0.1, "val/kl_per_dim/0": 1.0} for loss in losses]
        return record(0.1, history=rows)

    found = stabilities([run(3, 2, 1), run(1, 2, 3)], ["val/loss", "val/beta", "val/kl_per_dim/*", "train/loss"])
    assert list(found) == ["val/loss", "val/beta"]
    assert list(stabilities([run(1, 2)], ["val/loss", "val/beta"], schedules=["beta"])) == ["val/loss"]
    assert found["val/loss"]["worse_share"] == 1
    # Which further metrics fall is said by the task that has them.
    assert stabilities([run(1, 2, 3)], ["val/loss"], ())["val/loss"]["worse_share"] == 0


def test_figure_that_some_epochs_lack_is_left_out_of_them() -> None:
    values = [None, 0.1, 0.3]
    runs = [record(0.1, history=[{"val/f1_tail": value} for value in values])]
    assert stabilities(runs, ["val/f1_tail"])["val/f1_tail"]["worse_share"] == 0
    assert stabilities([record(0.1, history=[{"val/f1_tail": None}])], ["val/f1_tail"]) == {}


def test_goals_are_checked_one_by_one() -> None:
    goals = {"reference": "base", "better": ["pixel_accuracy"], "above": {"object_f1": [0.15, 0.2]}}
    better = record(0.18, test={"object_f1": 0.18, "pixel_accuracy": 0.95})
    lines = goal_lines({"base": [record(0.3)], "same": [record(0.3)], "new": [better], "dead": [record(0.1)]}, goals)
    assert [line.split("**")[1] for line in lines] == ["GO", "NO-GO", "GO", "NO-GO"]
    assert "object_f1 above 0.2: no" in lines[2]
    assert "pixel_accuracy above that of base (0.930): no" in lines[1]


def test_effects_of_two_choices_worked_by_hand() -> None:
    runs = {"small / ce": 0.1, "small / focal": 0.3, "large / ce": 0.2, "large / focal": 0.4}
    sentence = effects({name: [record(f1)] for name, f1 in runs.items()}, "object_f1")
    assert sentence
    assert "the first choice moves it by 0.100 (from small, 0.200, to large, 0.300)" in sentence
    assert "the second choice moves it by 0.200 (from ce, 0.150, to focal, 0.350)" in sentence
    assert "the second matters more" in sentence
    assert effects({"A": [record(0.1)], "B": [record(0.2)]}, "object_f1") is None


def test_summary_of_a_metric_leaves_out_runs_that_lack_it() -> None:
    runs = [record(0.2), record(0.4), record(0.9, test=None), record(0.9, test={"object_f1": None})]
    assert summary(runs, "test", "object_f1").values == (0.2, 0.4)
    assert summary(runs, "test", "nothing").values == ()


def test_noise_of_one_seed_is_that_of_so_many_samples_and_never_less_than_the_constant() -> None:
    # Of 45 clips, a share of .2 has a standard error of sqrt(.2 x .8 / 45) = .0596; two of them differ by .0843.
    few, many = Summary((0.2,), samples=45), Summary((0.2,), samples=10**6)
    assert noise(few, few) == pytest.approx(2 * 0.0843, abs=1e-4)
    assert noise(many, many) == noise(Summary((0.2,)), few) == 0.005
    assert within_noise(few, Summary((0.35,), samples=45))
    assert not within_noise(many, Summary((0.21,), samples=10**6))


def test_number_of_samples_is_that_of_the_split_and_named_in_the_reason() -> None:
    runs = {name: [record(f1, samples={"val": 45, "test": 90})] for name, f1 in (("A", 0.2), ("B", 0.25))}
    assert summary(runs["A"], "val", RANK[0]).samples == 45
    assert "one seed each with 45 samples: differences up to 0.18" in recommend(runs, RANK)[1]
