"""Which variant is recommended, how steady a curve is, and what is wrong with a model, by hand."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from arcvae.errors import DataError
from arcvae.grid.elbo import Constant
from arcvae.grid.models.beta_vae import BetaVAE
from arcvae.grid.module import GridModule
from arcvae.imbalance.losses import make_loss
from arcvae.training.comparison import (
    Summary,
    effects,
    goal_lines,
    read_record,
    recommend,
    stabilities,
    stability,
    within_noise,
)
from arcvae.training.comparison_report import markdown
from arcvae.training.diagnosis import diagnose

RANK = ["object_f1", "exact_match"]


def record(f1: float, exact: float = 0.0, *, collapsed: bool = False, **changes: Any) -> dict[str, Any]:
    figures = {"object_f1": f1, "exact_match": exact, "pixel_accuracy": 0.93}
    return {
        "run_id": f"run-{f1}", "seed": 1, "val": figures, "test": figures, "at_tuned_decision": figures,
        "verdict": {"mode_collapse": collapsed, "object_recall": f1}, "baseline": {"pixel_accuracy": 0.93},
        "train_seconds": 100.0, "epochs": 5, "parameters": 7, "diagnosis": [], "config_hash": "", **changes,
    }  # fmt: skip


def test_highest_f1_is_recommended() -> None:
    chosen, reason = recommend({"A": [record(0.3)], "B": [record(0.4)]}, RANK)
    assert chosen == "B"
    assert "object_f1 on validation 0.400 against A 0.300" in reason
    assert "one seed each" in reason


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
    def run(*losses: float) -> dict[str, Any]:
        return {"history": [{"val/loss": loss, "val/beta": 0.1, "val/kl_per_dim/0": 1.0} for loss in losses]}

    found = stabilities([run(3, 2, 1), run(1, 2, 3)], ["val/loss", "val/beta", "val/kl_per_dim/*", "train/loss"])
    assert list(found) == ["val/loss"]
    assert found["val/loss"]["worse_share"] == 1


def test_figure_that_some_epochs_lack_is_left_out_of_them() -> None:
    values = [None, 0.1, 0.3]
    runs = [{"history": [{"val/f1_tail": value} for value in values]}]
    assert stabilities(runs, ["val/f1_tail"])["val/f1_tail"]["worse_share"] == 0
    assert stabilities([{"history": [{"val/f1_tail": None}]}], ["val/f1_tail"]) == {}


def test_report_names_a_collapse_although_its_accuracy_is_high() -> None:
    study = {"columns": ["pixel_accuracy", *RANK], "rank": RANK, "curves": {}}
    report = markdown({"A": [record(0.0, collapsed=True)], "B": [record(0.4)]}, study)
    row = next(line for line in report.splitlines() if line.startswith("| A "))
    assert "MODE COLLAPSE" in row
    assert "0.930" in row
    assert "| trivial predictor | 0.930 |" in report
    assert "**Recommendation: B.**" in report


def test_goals_are_checked_one_by_one() -> None:
    goals = {"reference": "base", "better": ["pixel_accuracy"], "above": {"object_f1": [0.15, 0.2]}}
    better = record(0.18)
    better["test"] = better["test"] | {"pixel_accuracy": 0.95}
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


def test_folder_without_metrics_or_with_others_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no metrics\.json; give the folder of a finished training run"):
        read_record(tmp_path)
    (tmp_path / "metrics.json").write_text("{")
    with pytest.raises(DataError, match="cannot read"):
        read_record(tmp_path)
    (tmp_path / "metrics.json").write_text(json.dumps({"test": {}}))
    with pytest.raises(DataError, match="is not the record of a training run"):
        read_record(tmp_path)


def findings(recall: float, precision: float, active: int = 10, weights: list[float] | None = None, **loss: Any) -> str:
    model = BetaVAE(widths=[4, 4, 4], hidden=8)
    tensor = None if weights is None else torch.tensor(weights)
    module = GridModule(model, make_loss("focal", class_weights=tensor, **loss), None, beta=Constant(0.5))
    share = 0.995 if recall < 0.05 else 0.9
    results: dict[str, Any] = {
        "object_recall": recall, "object_precision": precision, "predicted_background_share": share,
        "pixel_accuracy": 0.93, "active_dims": active, "kl": 3.0 * active,
    }  # fmt: skip
    return "\n".join(map(str, diagnose(module, results, module.verdict(results), strength=0.1)))


def test_healthy_model_has_no_finding() -> None:
    assert findings(0.7, 0.6) == ""


@pytest.mark.parametrize(
    ("recall", "precision", "words"),
    [
        (0.01, 0.9, ["MODE COLLAPSE", "99.5 %", "no class weights", "loss=option_b"]),
        (0.8, 0.2, ["OVER-PAINTING", "recall 0.800", "precision 0.200"]),
        (0.3, 0.7, ["OMISSION", "left out", "model.latent_dim"]),
        (0.1, 0.1, ["LITTLE LEARNED", "overfit_batch"]),
    ],
)
def test_each_fault_is_named_with_evidence_cause_and_remedy(recall: float, precision: float, words: list[str]) -> None:
    found = findings(recall, precision)
    assert all(word in found for word in words)
    assert "Cause: " in found
    assert "Remedy: " in found
    assert len(found.splitlines()) == 1


def test_cause_is_drawn_from_the_loss() -> None:
    assert "ratio 11 : 1" in findings(0.8, 0.2, weights=[0.1] + [1.1] * 9)
    assert "class weights are on (ratio 11 : 1)" in findings(0.01, 0.9, weights=[0.1] + [1.1] * 9)
    collapsed = findings(0.7, 0.6, active=4)
    assert "POSTERIOR COLLAPSE: 4 of 10" in collapsed
    assert "effective beta of 0.5 " in collapsed
    averaged = findings(0.7, 0.6, active=4, reduction="mean")
    assert "effective beta of 128 " in averaged
    assert "use loss.reduction=sum" in averaged
