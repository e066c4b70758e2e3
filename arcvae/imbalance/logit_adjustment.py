"""Deciding for a class when training has biased the scores: the prior-corrected decision.

Class weights teach a model ``w_c p_c`` in place of the probability ``p_c``: with weights ``w_c = prior_c ** -s`` its
logits are too high by ``-s log prior_c``, so rare classes are painted too often. Adding ``s log prior_c`` takes that
back: s = 1 for ``inverse``, 1/2 for ``sqrt_inverse``, 0 without weights. Focal loss biases them in a way that has no
such formula, so the strength is found on the validation split.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from arcvae.imbalance.confusion import confusion_matrix

STRENGTHS = (
    -1.0, -0.8, -0.6, -0.5, *(round(0.02 * step, 2) for step in range(-20, 31)), 0.7, 0.8, 0.9, 1.0, 1.25, 1.5, 2.0,
)  # fmt: skip
"""Strengths that are tried, closest where focal loss needs them; 0 is the plain argmax."""


def log_prior(counts: ArrayLike | Tensor) -> Tensor:
    """Log share of each class in the train split, ``(C,)`` float32, in nats; a class that never occurs counts once.

    Example:
        >>> log_prior([3, 1]).exp()
        tensor([0.7500, 0.2500])
    """
    n = torch.as_tensor(counts, dtype=torch.float64).clamp_min(1)
    return (n / n.sum()).log().float()


def corrected(logits: Tensor, prior: Tensor, strength: float) -> Tensor:
    """``logits + strength * log prior``.

    Args:
        logits: ``(N, C, *)``.
        prior: Log priors, ``(C,)``, nats.
        strength: 0 changes nothing; above 0 favours frequent classes, below 0 rare ones.

    Returns:
        ``(N, C, *)``.

    References:
        Menon et al. 2021, "Long-tail learning via logit adjustment". https://arxiv.org/abs/2007.07314

    Example:
        >>> corrected(torch.tensor([[0.0, 1.0]]), log_prior([9, 1]), 0.5).argmax(1)  # log 9 / 2 = 1.10 > 1
        tensor([0])
    """
    if not strength:
        return logits
    return logits + strength * prior.to(logits).view(1, -1, *[1] * (logits.ndim - 2))


class StrengthTuner:
    """Finds the strength whose decisions score best, batch by batch, from a confusion matrix for each strength.

    Args:
        prior: Log priors, ``(C,)``.
        strengths: What is tried.
    """

    def __init__(self, prior: Tensor, strengths: Sequence[float] = STRENGTHS) -> None:
        self.prior, self.strengths = prior, tuple(strengths)
        self.confusion = torch.zeros(len(self.strengths), len(prior), len(prior), dtype=torch.long)

    def update(self, logits: Tensor, target: Tensor) -> None:
        """Add a batch: logits ``(N, C, *)``, target ``(N, *)`` of any integer type."""
        for index, strength in enumerate(self.strengths):
            decided = corrected(logits, self.prior, strength).argmax(1)
            self.confusion[index] += confusion_matrix(decided, target, len(self.prior)).cpu()

    def best(self, score: Callable[[Tensor], float]) -> float:
        """The strength with the highest score of its confusion matrix ``(C, C)``; among equals the one nearest 0."""
        scores = [(score(matrix), -abs(s), s) for matrix, s in zip(self.confusion, self.strengths, strict=True)]
        finite = [entry for entry in scores if entry[0] == entry[0]]
        return max(finite)[2] if finite else 0.0
