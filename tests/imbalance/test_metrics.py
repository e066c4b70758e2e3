"""Metrics against scikit-learn and against numbers worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    f1_score,
    jaccard_score,
    precision_score,
    recall_score,
)
from sklearn.metrics import confusion_matrix as sklearn_confusion

from arcvae.imbalance.confusion import classification_metrics, confusion_matrix
from arcvae.imbalance.metrics import ClassificationMetrics


def random_grids(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = np.random.default_rng(seed)
    shares = [0.82] + [0.02] * 9
    target = generator.choice(10, (40, 6, 6), p=shares)
    prediction = np.where(generator.random(target.shape) < 0.6, target, generator.choice(10, target.shape, p=shares))
    return torch.from_numpy(prediction), torch.from_numpy(target)


def test_metrics_equal_scikit_learn() -> None:
    prediction, target = random_grids()
    p, t = prediction.ravel().numpy(), target.ravel().numpy()
    matrix = confusion_matrix(prediction, target, 10)
    assert matrix.numpy().tolist() == sklearn_confusion(t, p).tolist()
    ours = classification_metrics(matrix, background=0)
    colors = list(range(1, 10))
    oracle = {
        "accuracy": accuracy_score(t, p),
        "balanced_accuracy": balanced_accuracy_score(t, p),
        "mean_iou": jaccard_score(t, p, average="macro"),
        "f1_macro": f1_score(t, p, average="macro"),
        "f1_weighted": f1_score(t, p, average="weighted"),
        "object_recall": recall_score(t, p, labels=colors, average="micro"),
        "object_precision": precision_score(t, p, labels=colors, average="micro"),
        "object_f1": f1_score(t, p, labels=colors, average="micro"),
        "predicted_background_share": (p == 0).mean(),
    }
    assert {name: ours[name].item() for name in oracle} == pytest.approx(oracle, abs=1e-12)
    np.testing.assert_allclose(ours["per_class_recall"], recall_score(t, p, average=None), atol=1e-12)
    np.testing.assert_allclose(ours["per_class_f1"], f1_score(t, p, average=None), atol=1e-12)


def test_metrics_worked_by_hand() -> None:
    # Targets: 8 x class 0, 1 x class 1, 1 x class 2; everything is called 0. Along the wrong axis the "balanced
    # accuracy" of this guess would be the precision of class 0, .80; it is one class in three.
    metrics = classification_metrics(torch.tensor([[8, 0, 0], [1, 0, 0], [1, 0, 0]]), background=0)
    assert metrics["accuracy"].item() == pytest.approx(0.8)
    assert metrics["balanced_accuracy"].item() == pytest.approx(1 / 3)
    assert metrics["mean_iou"].item() == pytest.approx(0.8 / 3)
    assert metrics["object_recall"].item() == 0
    assert metrics["object_f1"].item() == 0
    assert metrics["object_precision"].isnan()
    assert metrics["predicted_majority_share"].item() == 1


def test_hit_needs_the_right_color() -> None:
    # Two coloured cells; one is found, one is painted in the wrong colour, one background cell is painted.
    target, prediction = torch.tensor([[1, 2, 0, 0]]), torch.tensor([[1, 3, 3, 0]])
    metrics = classification_metrics(confusion_matrix(prediction, target, 4), background=0)
    assert metrics["object_recall"].item() == pytest.approx(1 / 2)
    assert metrics["object_precision"].item() == pytest.approx(1 / 3)
    assert metrics["object_f1"].item() == pytest.approx(2 / 5)


def test_absent_class_is_nan_and_left_out_of_means() -> None:
    # Class 2 has no targets, though it is predicted once.
    metrics = classification_metrics(torch.tensor([[3, 0, 1], [0, 2, 0], [0, 0, 0]]))
    assert metrics["per_class_recall"].isnan().tolist() == [False, False, True]
    assert metrics["per_class_iou"].isnan().tolist() == [False, False, True]
    assert metrics["balanced_accuracy"].item() == pytest.approx((3 / 4 + 1) / 2)
    assert metrics["mean_iou"].item() == pytest.approx((3 / 4 + 1) / 2)


def test_epoch_equals_one_pass_and_not_the_mean_of_batches() -> None:
    prediction, target = random_grids()
    whole, parts = ClassificationMetrics(10, 0), ClassificationMetrics(10, 0)
    whole.update(prediction, target)
    means = []
    for p, t in zip(prediction.split([33, 7]), target.split([33, 7]), strict=True):
        parts.update(p, t)
        means.append(classification_metrics(confusion_matrix(p, t, 10), 0)["object_f1"].item())
    expected = whole.compute()
    for name, value in parts.compute().items():
        torch.testing.assert_close(value, expected[name], equal_nan=True, rtol=0, atol=0)
    assert expected["object_f1"].item() != pytest.approx(np.mean(means), abs=1e-6)


def test_exact_match_counts_whole_samples() -> None:
    target = torch.zeros(4, 2, 2, dtype=torch.long)
    prediction = target.clone()
    prediction[1, 0, 0] = 3
    metrics = ClassificationMetrics(4, 0)
    metrics.update(prediction, target)
    assert metrics.compute()["exact_match"].item() == 0.75


def test_one_label_per_sample_makes_exact_match_the_accuracy() -> None:
    metrics = ClassificationMetrics(3)
    metrics.update(torch.tensor([0, 1, 2, 2]), torch.tensor([0, 1, 1, 2]))
    results = metrics.compute()
    assert results["exact_match"].item() == results["accuracy"].item() == 0.75
    assert "object_f1" not in results


def test_reset_forgets() -> None:
    metrics = ClassificationMetrics(2, 0)
    metrics.update(torch.tensor([1]), torch.tensor([0]))
    metrics.reset()
    metrics.update(torch.tensor([1]), torch.tensor([1]))
    assert metrics.compute()["accuracy"].item() == 1
