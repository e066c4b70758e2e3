"""Metrics of a confusion matrix against scikit-learn and against numbers worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
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


def random_labels(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = np.random.default_rng(seed)
    shares = [0.82] + [0.02] * 9
    target = generator.choice(10, (40, 6, 6), p=shares)
    prediction = np.where(generator.random(target.shape) < 0.6, target, generator.choice(10, target.shape, p=shares))
    return torch.from_numpy(prediction), torch.from_numpy(target)


def test_metrics_equal_scikit_learn() -> None:
    prediction, target = random_labels()
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


@settings(deadline=None)
@given(
    seed=st.integers(0, 2**16),
    shape=st.lists(st.integers(1, 4), min_size=1, max_size=3),
    pad=st.lists(st.integers(0, 3), min_size=6, max_size=6),
    code=st.sampled_from([(torch.uint8, 255), (torch.int64, -100), (torch.int64, 255)]),
)
def test_padded_arrays_have_the_matrix_of_the_arrays(
    seed: int, shape: list[int], pad: list[int], code: tuple[torch.dtype, int]
) -> None:
    generator = torch.Generator().manual_seed(seed)
    dtype, ignore_index = code
    prediction, target = (torch.randint(5, shape, generator=generator).to(dtype) for _ in range(2))
    borders = pad[: 2 * len(shape)]
    padded = F.pad(target, borders, value=ignore_index)
    guess = F.pad(prediction, borders, value=4)
    assert torch.equal(confusion_matrix(guess, padded, 5, ignore_index), confusion_matrix(prediction, target, 5))


def test_ignore_index_that_the_type_cannot_hold_ignores_nothing() -> None:
    # torch compares uint8 with -100 modulo 256: class 156 would go missing.
    label = torch.tensor([156], dtype=torch.uint8)
    assert confusion_matrix(label, label, 200, ignore_index=-100)[156, 156] == 1


def test_class_may_be_the_one_that_is_ignored() -> None:
    prediction, target = random_labels()
    expected = confusion_matrix(prediction, target, 10)
    expected[0] = 0
    assert torch.equal(confusion_matrix(prediction, target, 10, ignore_index=0), expected)


def test_padding_without_an_ignore_index_is_refused() -> None:
    with pytest.raises(ValueError, match=r"lies outside \[0, 3\); padding needs an ignore_index"):
        confusion_matrix(torch.tensor([0, 0]), torch.tensor([1, 255]), 3)
