"""Losses corrected by class frequencies: SciPy, the identities between them, and numbers at 1216 : 1."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special
import torch
from numpy.typing import NDArray
from torch import Tensor

from arcvae.imbalance.element_losses import cross_entropy
from arcvae.imbalance.logit_adjustment import adjust_logits, log_prior
from arcvae.imbalance.long_tail_losses import balanced_softmax, ldam, logit_adjusted, vs

COUNTS = torch.tensor([9000, 700, 40, 1])
BIRDS = torch.tensor([1216, 1])
"""The most frequent class is 1216 times as frequent as the rarest."""
SHAPES = [(40, 4), (5, 4, 3, 2)]


def example(shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    return 3 * torch.randn(shape, dtype=torch.float64), torch.randint(shape[1], (shape[0], *shape[2:]))


def reference(logits: Tensor, target: Tensor, factor: NDArray, shift: NDArray, own: NDArray) -> NDArray:
    """``CE(factor_j z_j + shift_j - own_y 1_y, y)`` by SciPy, an element at a time."""
    costs = np.empty(target.shape)
    for place, y in np.ndenumerate(target.numpy()):
        z = factor * logits.numpy()[(place[0], slice(None), *place[1:])] + shift
        z[y] -= own[y]
        costs[place] = scipy.special.logsumexp(z) - z[y]
    return costs


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("tau", [0.5, 1.0, -1.0])
@pytest.mark.parametrize("g", [0.0, 0.3])
def test_vs_and_logit_adjusted_follow_the_formula(shape: tuple[int, ...], tau: float, g: float) -> None:
    logits, target = example(shape)
    n = COUNTS.numpy()
    expected = reference(logits, target, (n / n.max()) ** g, tau * np.log(n / n.sum()), np.zeros(4))
    found = vs(logits, target, class_counts=COUNTS, g=g, tau=tau)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-9, atol=1e-12)
    if not g:  # the identity: VS without scaling is logit adjustment
        torch.testing.assert_close(logit_adjusted(logits, target, class_counts=COUNTS, tau=tau), found)


@pytest.mark.parametrize("shape", SHAPES)
def test_balanced_softmax_is_logit_adjustment_at_tau_1_and_logit_adjustment_at_tau_0_is_cross_entropy(
    shape: tuple[int, ...],
) -> None:
    logits, target = example(shape)
    n = COUNTS.numpy()
    balanced = balanced_softmax(logits, target, class_counts=COUNTS)
    # -log(n_y e^z_y / sum_j n_j e^z_j), as the paper has it
    expected = reference(logits, target, np.ones(4), np.log(n), np.zeros(4))
    np.testing.assert_allclose(balanced.numpy(), expected, rtol=1e-9, atol=1e-12)
    adjusted = logit_adjusted(logits, target, class_counts=COUNTS, tau=1.0)
    torch.testing.assert_close(adjusted, balanced, rtol=1e-12, atol=1e-12)
    assert torch.equal(logit_adjusted(logits, target, class_counts=COUNTS, tau=0.0), cross_entropy(logits, target))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("m", "s"), [(0.5, 30.0), (0.2, 1.0)])
def test_ldam_follows_the_formula(shape: tuple[int, ...], m: float, s: float) -> None:
    cosines, target = example(shape)
    cosines = cosines.tanh()
    margin = m * (1 / COUNTS.numpy()) ** 0.25
    # CE(s (cos - D_y 1_y), y): of the cosines, while the function gets logits, s times them
    expected = reference(cosines, target, np.full(4, s), np.zeros(4), s * margin)
    found = ldam(s * cosines, target, class_counts=COUNTS, cosine_scale=s, m=m)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-9, atol=1e-12)
    without = ldam(cosines, target, class_counts=COUNTS, cosine_scale=1.0, m=0.0)
    assert torch.equal(without, cross_entropy(cosines, target))


def test_numbers_at_1216_to_1() -> None:
    zeros, each = torch.zeros(2, 2, dtype=torch.float64), torch.tensor([0, 1])
    frequent, rare = logit_adjusted(zeros, each, class_counts=BIRDS).tolist()
    assert rare - frequent == pytest.approx(7.10, abs=0.005)  # log 1216
    # Of two classes with logits (0, 0), a margin D costs log(1 + exp(s D)).
    frequent, rare = (ldam(zeros, each, class_counts=BIRDS, cosine_scale=2.0).expm1().log() / 2).tolist()
    assert rare == pytest.approx(0.5)
    assert rare / frequent == pytest.approx(5.9, abs=0.05)  # 1216^(1/4)
    # Of two classes with logits (0, 1), a factor D on the second costs log(1 + exp(-D)).
    logits = torch.tensor([[0.0, 1.0]], dtype=torch.float64)
    (cost,) = vs(logits, torch.tensor([1]), class_counts=BIRDS, g=0.3, tau=0.0)
    assert -cost.expm1().log().item() == pytest.approx(0.119, abs=0.0005)  # 1216^-0.3


@pytest.mark.parametrize("tau", [0.5, 1.0, 2.0])
def test_what_is_learned_are_the_frequencies_less_tau_of_them_which_adjustment_gives_back(tau: float) -> None:
    # A model without features: it is best where its logits are (1 - tau) log pi, and there the gradient vanishes.
    target = torch.repeat_interleave(torch.arange(4), COUNTS)
    learned = ((1 - tau) * (COUNTS / COUNTS.sum()).double().log()).requires_grad_()
    logit_adjusted(learned.expand(len(target), -1), target, class_counts=COUNTS, tau=tau).mean().backward()
    assert learned.grad is not None
    assert learned.grad.abs().max() < 1e-6
    back = adjust_logits(learned.detach()[None], log_prior(COUNTS), tau).softmax(1)[0]
    torch.testing.assert_close(back, COUNTS / COUNTS.sum(), check_dtype=False, rtol=1e-5, atol=1e-7)
    if tau == 1:  # every class as likely as any other
        assert learned.detach().unique().numel() == 1


def test_class_that_never_occurs_counts_as_once_or_as_the_rarest_one() -> None:
    logits, target = example((40, 4))
    absent, once = torch.tensor([9000, 700, 40, 0]), torch.tensor([9000, 700, 40, 1])
    for loss in (logit_adjusted, balanced_softmax):
        assert torch.equal(loss(logits, target, class_counts=absent), loss(logits, target, class_counts=once))
    # Not as one of a single element: that would take the margin from all others.
    rarest = torch.tensor([9000, 700, 40, 40])
    found, expected = (ldam(logits, target, class_counts=n, cosine_scale=3.0) for n in (absent, rarest))
    assert torch.equal(found, expected)
