"""Losses made of the cross-entropy, against SciPy, and the identities that tie them to it."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special
import torch
from torch import Tensor

from arcvae.imbalance.element_losses import cross_entropy, generalized_ce, label_smoothing, poly1
from arcvae.imbalance.losses import make_loss

SHAPES = [(6, 5), (3, 10, 4, 4)]


def example(shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    return 3 * torch.randn(shape, dtype=torch.float64), torch.randint(shape[1], (shape[0], *shape[2:]))


def log_p(logits: Tensor, target: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Log-probabilities of the target class, and mean over all classes, by SciPy."""
    every = scipy.special.log_softmax(logits.numpy(), axis=1)
    return np.take_along_axis(every, target.numpy()[:, None], 1)[:, 0], every.mean(1)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("epsilon", [-1.0, 0.5, 2.0])
def test_poly1_follows_the_formula(shape: tuple[int, ...], epsilon: float) -> None:
    logits, target = example(shape)
    own, _ = log_p(logits, target)
    expected = -own + epsilon * (1 - np.exp(own))
    np.testing.assert_allclose(poly1(logits, target, epsilon=epsilon).numpy(), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("q", [0.1, 0.7, 1.0])
def test_generalized_ce_follows_the_formula(shape: tuple[int, ...], q: float) -> None:
    logits, target = example(shape)
    own, _ = log_p(logits, target)
    expected = (1 - np.exp(own) ** q) / q
    np.testing.assert_allclose(generalized_ce(logits, target, q=q).numpy(), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("epsilon", [0.1, 1.0])
def test_label_smoothing_follows_the_formula(shape: tuple[int, ...], epsilon: float) -> None:
    logits, target = example(shape)
    own, mean = log_p(logits, target)
    ours = label_smoothing(logits, target, epsilon=epsilon).numpy()
    np.testing.assert_allclose(ours, -(1 - epsilon) * own - epsilon * mean, rtol=1e-9)


@pytest.mark.parametrize("shape", SHAPES)
def test_each_is_cross_entropy_at_the_end_of_its_range(shape: tuple[int, ...]) -> None:
    logits, target = example(shape)
    plain = cross_entropy(logits, target)
    assert torch.equal(poly1(logits, target, epsilon=0.0), plain)
    assert torch.equal(generalized_ce(logits, target, q=0.0), plain)
    torch.testing.assert_close(label_smoothing(logits, target, epsilon=0.0), plain, rtol=1e-12, atol=1e-12)
    # The limit is reached steadily: (1 - p^q) / q by itself would lose all digits to cancellation.
    for q in (1e-6, 1e-12, 1e-300):
        torch.testing.assert_close(generalized_ce(logits, target, q=q), plain, rtol=2e-5, atol=0)
    torch.testing.assert_close(generalized_ce(logits, target, q=1.0), 1 - (-plain).exp(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "values"),
    [("poly1", {"epsilon": -1.5}), ("generalized_ce", {"q": 1.1}), ("label_smoothing", {"epsilon": 2})],
)
def test_values_outside_the_range_are_refused(name: str, values: dict) -> None:
    with pytest.raises(ValueError, match=f"loss '{name}': .* must be a number"):
        make_loss(name, **values)
