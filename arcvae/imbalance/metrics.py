"""Metrics that a model cannot please by predicting the most frequent class everywhere.

All of them come from one confusion matrix, accumulated over a whole epoch: never a mean of batch means.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from arcvae.imbalance.confusion import classification_metrics, confusion_matrix
from arcvae.imbalance.masking import valid_elements, valid_samples


class ClassificationMetrics(Metric):
    """A confusion matrix and the number of samples without any error, over batches and processes.

    Args:
        num_classes: C, >= 2.
        background: See :func:`~arcvae.imbalance.confusion.classification_metrics`.
        ignore_index: Target value of elements that do not count, such as padding, or None.
        **kwargs: See :class:`torchmetrics.Metric`.

    Example:
        >>> metrics = ClassificationMetrics(2, ignore_index=255)
        >>> metrics.update(torch.tensor([[0, 1], [1, 1]]), torch.tensor([[0, 255], [1, 0]]))
        >>> results = metrics.compute()
        >>> round(results["accuracy"].item(), 4), results["exact_match"].item()
        (0.6667, 0.5)
    """

    full_state_update = False
    higher_is_better = True
    confusion: Tensor
    exact: Tensor
    samples: Tensor

    def __init__(
        self, num_classes: int, background: int | None = None, *, ignore_index: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.num_classes, self.background, self.ignore_index = num_classes, background, ignore_index
        self.add_state("confusion", torch.zeros(num_classes, num_classes, dtype=torch.long), dist_reduce_fx="sum")
        self.add_state("exact", torch.tensor(0), dist_reduce_fx="sum")
        self.add_state("samples", torch.tensor(0), dist_reduce_fx="sum")

    def update(self, prediction: Tensor, target: Tensor) -> None:
        """Add a batch.

        Args:
            prediction: ``(N, *)``, any integer type, in ``[0, C)``.
            target: The same shape and range, but for elements to ignore.
        """
        self.confusion += confusion_matrix(prediction, target, self.num_classes, self.ignore_index)
        right = prediction == target
        if self.ignore_index is not None:
            valid = valid_elements(target, self.ignore_index)
            right = (right | ~valid)[valid_samples(valid)]
        self.exact += right.flatten(1).all(1).sum() if right.ndim > 1 else right.sum()
        self.samples += len(right)

    def compute(self) -> dict[str, Tensor]:
        """All metrics over what was added since the last reset.

        Returns:
            What :func:`~arcvae.imbalance.confusion.classification_metrics` does, and ``exact_match``: the share of
            samples with every element right, NaN without samples.
        """
        metrics = classification_metrics(self.confusion.cpu(), self.background)
        metrics["exact_match"] = self.exact.cpu().double() / self.samples.cpu()
        return metrics
