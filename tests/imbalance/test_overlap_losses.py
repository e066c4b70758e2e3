"""Dice, Tversky and Lovász: NumPy by the definition, and scikit-learn where probabilities are 0 and 1."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special
import torch
from numpy.typing import NDArray
from sklearn.metrics import f1_score, jaccard_score
from torch import Tensor

from arcvae.imbalance.losses import make_loss

SHAPES = [(4, 3, 5), (3, 4, 2, 5)]


def example(shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    return 2 * torch.randn(shape, dtype=torch.float64), torch.randint(shape[1], (shape[0], *shape[2:]))


def by_class(logits: Tensor, target: Tensor) -> tuple[NDArray, NDArray]:
    """Probabilities and one-hot targets, each ``(C, all elements)``."""
    p = scipy.special.softmax(logits.numpy(), axis=1)
    return np.moveaxis(p, 1, 0).reshape(p.shape[1], -1), np.eye(p.shape[1])[:, target.numpy().reshape(-1)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("a", "b"), [(0.3, 0.7), (1.0, 1.0), (0.0, 2.0)])
def test_tversky_counts_hits_false_alarms_and_misses(shape: tuple[int, ...], a: float, b: float) -> None:
    logits, target = example(shape)
    p, t = by_class(logits, target)
    hits, false, missed = (p * t).sum(1), (p * (1 - t)).sum(1), ((1 - p) * t).sum(1)
    expected = (1 - hits / (hits + a * false + b * missed))[t.any(1)].mean()
    assert make_loss("tversky", a=a, b=b)(logits, target).item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_dice_is_tversky_at_one_half_and_twice_the_intersection_over_both(shape: tuple[int, ...]) -> None:
    logits, target = example(shape)
    p, t = by_class(logits, target)
    expected = (1 - 2 * (p * t).sum(1) / (p.sum(1) + t.sum(1)))[t.any(1)].mean()
    found = make_loss("dice")(logits, target).item()
    assert found == pytest.approx(expected, rel=1e-12)
    assert found == make_loss("tversky", a=0.5, b=0.5)(logits, target).item()


def lovasz_extension(errors: NDArray, truth: NDArray) -> float:
    """The extension by its definition: ``sum_i e_i (F(the i largest) - F(the i - 1 largest))``, F one minus the IoU.

    F takes the set of elements that are wrong, and counts intersection and union of what is then predicted.
    """
    order, wrong, before, total = np.argsort(-errors), np.zeros(len(truth), bool), 0.0, 0.0
    for element in order:
        wrong[element] = True
        predicted = truth.astype(bool) ^ wrong
        lost = 1 - (predicted & truth.astype(bool)).sum() / (predicted | truth.astype(bool)).sum()
        total += errors[element] * (lost - before)
        before = lost
    return total


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("weights", [None, [0.2, 1.0, 5.0, 0.5]])
def test_lovasz_is_the_extension_of_the_jaccard_loss(shape: tuple[int, ...], weights: list[float] | None) -> None:
    logits, target = example(shape)
    p, t = by_class(logits, target)
    chosen = None if weights is None else weights[: shape[1]]
    every = zip(p, t, chosen or [1.0] * len(p), strict=True)
    expected = np.mean([w * lovasz_extension(np.abs(row - truth), truth) for row, truth, w in every if truth.any()])
    found = make_loss("lovasz", class_weights=chosen)(logits, target).item()
    assert found == pytest.approx(expected, rel=1e-6)  # class weights are kept in float32


@pytest.mark.parametrize(("name", "score"), [("dice", f1_score), ("lovasz", jaccard_score)])
@pytest.mark.parametrize("scale", [1.0, 256.0])
def test_of_certain_predictions_they_are_one_minus_f1_and_one_minus_iou(name: str, score, scale: float) -> None:  # type: ignore[no-untyped-def]
    _, target = example((3, 4, 6, 6))
    decided = torch.where(torch.rand(target.shape) < 0.3, torch.randint(4, target.shape), target)
    logits = 1e4 * torch.nn.functional.one_hot(decided, 4).movedim(-1, 1).double()
    expected = score(target.flatten(), decided.flatten(), average="macro", zero_division=0)
    assert make_loss(name, scale=scale)(logits, target).item() == pytest.approx(scale * (1 - expected), rel=1e-9)


@pytest.mark.parametrize("name", ["dice", "tversky", "lovasz"])
def test_mean_is_over_the_classes_of_the_batch_with_their_weights(name: str) -> None:
    logits, target = example((3, 4, 5))
    target = target % 2  # classes 2 and 3 do not occur
    few, many = (make_loss(name, class_weights=w)(logits, target).item() for w in ([1.0, 3, 1, 1], [1.0, 3, 9, 9]))
    assert few == many
    single = [make_loss(name, class_weights=w)(logits, target).item() for w in ([1.0, 0, 0, 0], [0.0, 1, 0, 0])]
    assert few == pytest.approx(single[0] + 3 * single[1], rel=1e-6)
    assert single[0] > 0 < single[1]


@pytest.mark.parametrize("name", ["dice", "tversky", "lovasz"])
def test_single_label_of_a_sample_is_no_region(name: str) -> None:
    with pytest.raises(ValueError, match="dice, tversky and lovasz compare regions, and a sample with one label has"):
        make_loss(name)(torch.zeros(3, 2), torch.tensor([0, 1, 1]))
