"""Tuning and deciding against scikit-learn and plain loops, with padding and without."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score

from arcvae.imbalance.logit_adjustment import log_prior
from arcvae.imbalance.tau_tuner import TAUS
from arcvae.training.evaluation import Rule, assess, decide, tune_adjustment
from arcvae.training.report import baseline
from tests.training.tiny import PADDING, BackgroundTask, PaddedTask, TinyData, TinyModule, TinyTask, build, trainer

Flat = tuple[NDArray[Any], NDArray[Any]]


class PaddedBackgroundTask(PaddedTask, BackgroundTask):
    """Padding and a background."""


TASKS = [TinyTask(), BackgroundTask(), PaddedTask(), PaddedBackgroundTask()]


@pytest.fixture(scope="module", params=TASKS, ids=lambda task: type(task).__name__)
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[TinyModule, TinyData]:
    """A module with class weights, which logit adjustment has something to undo of, and its data."""
    torch.manual_seed(0)
    task: TinyTask = request.param
    module = build(task, class_weights=torch.tensor([0.3, 0.9, 3.0]))
    data = TinyData(padded=task.ignore_index is not None, batch_size=4)
    fit = trainer(tmp_path_factory.mktemp("run"), max_epochs=3)
    fit.fit(module, data)
    fit.test(module, data, verbose=False)
    return module, data


def elements(module: TinyModule, data: TinyData, split: str) -> Flat:
    """Logits ``(E, 3)`` and targets ``(E,)`` of all elements that are not padding, one sample at a time."""
    logits, kept = [], []
    for features, target in zip(data.features[split], data.targets(split), strict=True):
        with torch.no_grad():
            found = module.model(features[None])[0].T.double().numpy()
        for row, label in zip(found, target.tolist(), strict=True):
            if label != PADDING:
                logits.append(row)
                kept.append(label)
    return np.array(logits), np.array(kept)


def decisions(logits: NDArray[Any], counts: NDArray[Any], tau: float) -> NDArray[Any]:
    adjusted: NDArray[Any] = (logits + tau * np.log(counts / counts.sum())).argmax(1)
    return adjusted


def test_tau_is_the_best_of_all_by_a_plain_loop(trained: tuple[TinyModule, TinyData]) -> None:
    module, data = trained
    logits, target = elements(module, data, "val")
    labels: dict[str, Any] = {"average": "macro"}
    if module.task.background is not None:
        labels = {"average": "micro", "labels": [1, 2]}
    scores = {
        tau: f1_score(target, decisions(logits, data.class_counts, tau), zero_division=0, **labels) for tau in TAUS
    }
    best = max(scores.values())
    nearest = min((tau for tau in TAUS if scores[tau] > best - 1e-9), key=abs)
    found = tune_adjustment(module, data.val_dataloader(), data.class_counts)
    assert abs(found["tau"]) == abs(nearest)
    assert scores[found["tau"]] == pytest.approx(best)
    assert len(set(scores.values())) > 3  # the choice matters
    assert found == {
        "tau": found["tau"], "class_counts": data.class_counts.tolist(),
        "metric": module.task.adjustment_metric, "tuned_on": "val",
    }  # fmt: skip


def calibration_error(confidence: NDArray[Any], hit: NDArray[Any], bins: int = 15) -> float:
    total = 0.0
    for low in range(bins):
        inside = (confidence * bins >= low) & ((confidence * bins < low + 1) | (low == bins - 1))
        if inside.any():
            total += inside.mean() * abs(confidence[inside].mean() - hit[inside].mean())
    return total


@pytest.mark.parametrize("tau", [0.0, 0.5, -0.8])
def test_decisions_equal_scikit_learn_over_the_elements_that_count(
    trained: tuple[TinyModule, TinyData], tau: float
) -> None:
    module, data = trained
    logits, target = elements(module, data, "test")
    _, found = decide(module, data.test_dataloader(), [Rule(1.0), Rule(tau)], log_prior(data.class_counts))
    decided = decisions(logits, data.class_counts, tau)
    results = found.results(module)
    assert results["accuracy"] == pytest.approx(accuracy_score(target, decided))
    assert results["f1_macro"] == pytest.approx(f1_score(target, decided, average="macro", zero_division=0))
    assert found.confusion.tolist() == confusion_matrix(target, decided, labels=[0, 1, 2]).tolist()
    adjusted = logits + tau * np.log(data.class_counts / data.class_counts.sum())
    shares = np.exp(adjusted - adjusted.max(1, keepdims=True))
    confidence, hit = (shares / shares.sum(1, keepdims=True)).max(1), decided == target
    assert results["calibration_error"] == pytest.approx(calibration_error(confidence, hit), abs=1e-5)
    if module.task.background is None:
        assert "object_calibration_error" not in results
    else:
        drawn = decided != 0
        expected = calibration_error(confidence[drawn], hit[drawn])
        assert results["object_calibration_error"] == pytest.approx(expected, abs=1e-5)
        assert results["object_f1"] == pytest.approx(f1_score(target, decided, labels=[1, 2], average="micro"))


def test_plain_argmax_repeats_the_results_of_the_test(trained: tuple[TinyModule, TinyData]) -> None:
    module, data = trained
    (found,) = decide(module, data.test_dataloader(), [Rule()], log_prior(data.class_counts))
    for name, value in found.found.items():
        assert module.results["test"][name] == pytest.approx(value, nan_ok=True), name


def test_samples_of_padding_alone_are_no_samples(tmp_path: Path) -> None:
    data, module = TinyData(padded=True, batch_size=4), build(PaddedTask())
    trainer(tmp_path).test(module, data, verbose=False)
    right = []
    for features, target in zip(data.features["test"], data.targets("test"), strict=True):
        valid = target != PADDING
        if valid.any():
            right.append(bool((module.model(features[None])[0].argmax(0) == target)[valid].all()))
    assert 0 < len(right) < len(data.targets("test"))
    assert module.results["test"]["exact_match"] == pytest.approx(np.mean(right))


def test_trivial_predictor_is_scored_on_the_elements_that_count() -> None:
    data, module = TinyData(padded=True), build(PaddedTask())
    target = data.targets("test").flatten().numpy()
    kept = target[target != PADDING]
    trivial = baseline(module, data.targets("test"), data.class_counts)
    assert trivial["accuracy"] == pytest.approx((kept == 0).mean())
    assert trivial["balanced_accuracy"] == pytest.approx(1 / 3)


def test_padding_changes_no_gradient() -> None:
    # The same elements, once as a padded string and once as a short one.
    module, short = build(PaddedTask()), build()
    features, target = torch.randn(4, 3, 5), torch.randint(3, (4, 5))
    target[:, 3:] = PADDING
    module.step((features, target), "train").loss.backward()
    short.step((features[..., :3], target[:, :3]), "train").loss.backward()
    for one, two in zip(module.parameters(), short.parameters(), strict=True):
        assert one.grad is not None
        assert torch.allclose(one.grad, two.grad, atol=1e-6)  # type: ignore[arg-type]


def test_evaluation_leaves_the_mode_of_the_module_as_it_was() -> None:
    module, data = build(), TinyData()
    for training in (True, False):
        module.train(training)
        decide(module, data.val_dataloader(), [Rule()], log_prior([1, 1, 1]))
        assert module.training is training
    assert all(parameter.grad is None for parameter in module.parameters())


@pytest.mark.parametrize(("weights", "words"), [(None, "no class weights"), ([0.1, 1.1, 1.0], "ratio 11 : 1")])
def test_verdict_and_findings_know_the_loss(weights: list[float] | None, words: str) -> None:
    module = build(class_weights=None if weights is None else torch.tensor(weights))
    results: Any = {"predicted_majority_share": 1.0, "balanced_accuracy": 0.01, "accuracy": 0.9}
    verdict, (finding,) = assess(module, results)
    assert verdict["mode_collapse"] is True
    assert words in finding.cause
    assert assess(module, results | {"balanced_accuracy": math.nan})[1] == []


@pytest.mark.parametrize(
    ("loss", "progress", "words"),
    [
        ({"name": "balanced_softmax", "class_counts": [90, 9, 1]}, 1.0, "favoured by loss.name=balanced_softmax"),
        ({"class_weights": torch.tensor([0.1, 1.6, 1.0]), "fade": 0.5}, 1.0, "the class weights have faded"),
        ({"class_weights": torch.tensor([0.1, 1.6, 1.0]), "fade": 0.5}, 0.25, "of ratio 4 : 1"),  # 16 ** (1/2)
    ],
)
def test_findings_know_what_the_loss_is_when_it_is_judged(loss: dict[str, Any], progress: float, words: str) -> None:
    module = build(**loss)
    module.loss.progress = progress
    results: Any = {"predicted_majority_share": 1.0, "balanced_accuracy": 0.01, "accuracy": 0.9}
    _, (finding,) = assess(module, results)
    assert words in finding.cause
