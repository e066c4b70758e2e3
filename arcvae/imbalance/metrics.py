"""Metrics that a model cannot please by predicting the most frequent class everywhere.

All of them come from one confusion matrix, accumulated over a whole epoch: never a mean of batch means.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from arcvae.imbalance.confusion import classification_metrics, confusion_matrix


class ClassificationMetrics(Metric):
    """Accumulates a confusion matrix and the count of samples without any error, over batches and devices.

    Args:
        num_classes: C, >= 2.
        background: See :func:`classification_metrics`.

    ``update`` takes predictions and targets ``(N, *)``, any integer type; ``compute`` returns what
    :func:`classification_metrics` does, and ``exact_match``: the share of samples with every element right.
    """

    full_state_update = False
    higher_is_better = True
    confusion: Tensor
    exact: Tensor
    samples: Tensor

    def __init__(self, num_classes: int, background: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_classes = num_classes
        self.background = background
        self.add_state("confusion", torch.zeros(num_classes, num_classes, dtype=torch.long), dist_reduce_fx="sum")
        self.add_state("exact", torch.tensor(0), dist_reduce_fx="sum")
        self.add_state("samples", torch.tensor(0), dist_reduce_fx="sum")

    def update(self, prediction: Tensor, target: Tensor) -> None:
        """Add a batch; see the class."""
        self.confusion += confusion_matrix(prediction, target, self.num_classes)
        self.exact += (
            (prediction == target).flatten(1).all(1).sum() if target.ndim > 1 else (prediction == target).sum()
        )
        self.samples += len(target)

    def compute(self) -> dict[str, Tensor]:
        """All metrics over what was added since the last reset."""
        metrics = classification_metrics(self.confusion.cpu(), self.background)
        metrics["exact_match"] = self.exact.cpu().double() / self.samples.cpu()
        return metrics
