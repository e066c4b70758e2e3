"""The choice of tau for logit adjustment, on the validation split."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from arcvae.imbalance.confusion import confusion_matrix
from arcvae.imbalance.logit_adjustment import adjust_logits

TAUS = (
    -1.0, -0.8, -0.6, -0.5, *(round(0.02 * step, 2) for step in range(-20, 31)), 0.7, 0.8, 0.9, 1.0, 1.25, 1.5, 2.0,
)  # fmt: skip
"""The values that :class:`TauTuner` tries, closest together where focal loss needs them; 0 is the plain argmax."""


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
        >>> from arcvae.imbalance.logit_adjustment import log_prior
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
