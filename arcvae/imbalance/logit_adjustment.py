"""Logit adjustment: scores corrected by the class frequencies, after training.

Class weights teach a model ``w_c p_c`` in place of the probability ``p_c``. With weights ``w_c = pi_c ** -s``, where
``pi_c`` is the share of class c in the train split, its logits are too high by ``-s log pi_c``, and it predicts rare
classes too often. Adding ``tau log pi_c`` with tau = s undoes that: tau is 1 for ``inverse`` weights, 1/2 for
``sqrt_inverse``, 0 without weights. Focal loss biases the logits in a way that has no such formula, so tau is chosen on
the validation split (:class:`TauTuner`).

The sign of tau: adjusted logits are ``z + tau log pi`` here, so tau > 0 favours frequent classes and undoes weights.
Menon et al. 2021 write ``z - tau log pi`` for a model that was trained *without* weights and shall favour rare classes:
their tau is the negative of this one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from numpy.typing import ArrayLike
from torch import Tensor
from torchmetrics import Metric

from arcvae.imbalance.confusion import confusion_matrix

TAUS = (
    -1.0, -0.8, -0.6, -0.5, *(round(0.02 * step, 2) for step in range(-20, 31)), 0.7, 0.8, 0.9, 1.0, 1.25, 1.5, 2.0,
)  # fmt: skip
"""The values that :class:`TauTuner` tries, closest together where focal loss needs them; 0 is the plain argmax."""


def log_prior(counts: ArrayLike | Tensor) -> Tensor:
    """Log share of each class in the train split, in nats.

    Args:
        counts: Elements of each class, ``(C,)``, >= 0; a class that never occurs counts as if it occurred once.

    Returns:
        ``(C,)`` float32, finite, <= 0.

    Example:
        >>> log_prior([3, 1]).exp()
        tensor([0.7500, 0.2500])
    """
    n = torch.as_tensor(counts)
    # An Apple GPU has no float64.
    n = n.to(torch.float32 if n.device.type == "mps" else torch.float64).clamp_min(1)
    return (n / n.sum()).log().float()


def adjust_logits(logits: Tensor, log_prior: Tensor, tau: float) -> Tensor:
    """``logits + tau * log_prior``.

    Args:
        logits: ``(N, C, *)``.
        log_prior: ``(C,)``, nats; see :func:`log_prior`.
        tau: 0 changes nothing; above 0 favours frequent classes, below 0 rare ones. The negative of the tau of
            Menon et al., see the module.

    Returns:
        ``(N, C, *)``.

    References:
        Menon et al. 2021, "Long-tail learning via logit adjustment", section 4.1. https://arxiv.org/abs/2007.07314

    Example:
        >>> adjust_logits(torch.tensor([[0.0, 1.0]]), log_prior([9, 1]), 0.5).argmax(1)  # log 9 / 2 = 1.10 > 1
        tensor([0])
    """
    if not tau:
        return logits
    return logits + tau * log_prior.to(logits).view(1, -1, *[1] * (logits.ndim - 2))


class TauTuner(Metric):
    """The tau whose predictions score best, from a confusion matrix for each tau, over batches and processes.

    Args:
        log_prior: ``(C,)``, nats; see :func:`log_prior`.
        score: From a confusion matrix ``(C, C)`` on the CPU, row = target, to the figure that should be high; NaN for a
            matrix that has none.
        taus: The values to try.
        ignore_index: Target value of elements that do not count, such as padding, or None.
        **kwargs: See :class:`torchmetrics.Metric`.

    Example:
        >>> tuner = TauTuner(log_prior([9, 1]), score=lambda confusion: float(confusion.diagonal().sum()))
        >>> tuner.update(torch.tensor([[0.0, 1.0], [0.0, 3.0]]), torch.tensor([0, 1]))
        >>> tuner.compute()  # the least of TAUS with tau log 9 > 1
        0.46
    """

    full_state_update = False
    confusion: Tensor

    def __init__(
        self,
        log_prior: Tensor,
        score: Callable[[Tensor], float],
        taus: Sequence[float] = TAUS,
        *,
        ignore_index: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.log_prior, self.score, self.taus, self.ignore_index = log_prior, score, tuple(taus), ignore_index
        classes = len(log_prior)
        confusion = torch.zeros(len(self.taus), classes, classes, dtype=torch.long)
        self.add_state("confusion", confusion, dist_reduce_fx="sum")

    def update(self, logits: Tensor, target: Tensor) -> None:
        """Add a batch.

        Args:
            logits: ``(N, C, *)``.
            target: ``(N, *)``, any integer type, in ``[0, C)`` but for elements to ignore.
        """
        for index, tau in enumerate(self.taus):
            prediction = adjust_logits(logits, self.log_prior, tau).argmax(1)
            found = confusion_matrix(prediction, target, len(self.log_prior), self.ignore_index)
            self.confusion[index] += found.to(self.confusion.device)

    def compute(self) -> float:
        """The tau with the highest score; among equals the one nearest 0, and 0 if none has a score."""
        scores = [
            (self.score(confusion), -abs(tau), tau)
            for confusion, tau in zip(self.confusion.cpu(), self.taus, strict=True)
        ]
        defined = [entry for entry in scores if entry[0] == entry[0]]
        return max(defined)[2] if defined else 0.0
