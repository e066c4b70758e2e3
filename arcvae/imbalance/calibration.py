"""Whether a model's confidence can be believed: the expected calibration error and the reliability curve."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor
from torchmetrics import Metric


class Reliability(NamedTuple):
    """What :class:`Calibration` finds.

    The lists have one value for each bin that has any decisions, from low to high confidence.
    """

    error: float
    """Expected calibration error: mean gap between confidence and accuracy, each bin by its share, in [0, 1].

    NaN without any decision."""
    confidence: list[float]
    """Mean confidence."""
    accuracy: list[float]
    """Share of the decisions that were right."""
    share: list[float]
    """Share of all decisions."""

    def curve(self) -> tuple[list[float], list[float], list[float]]:
        """Confidence, accuracy and share of each bin: the points of a reliability diagram."""
        return self.confidence, self.accuracy, self.share


class Calibration(Metric):
    """Confidence of decisions against their accuracy, in bins of equal width, over batches and processes.

    Args:
        bins: Number of bins over confidences in [0, 1], >= 1.
        **kwargs: See :class:`torchmetrics.Metric`.

    References:
        Guo et al. 2017, section 2. https://arxiv.org/abs/1706.04599

    Example:
        >>> calibration = Calibration(bins=10)  # a confidence of 0.75 each time, right half of the time
        >>> calibration.update(torch.full((4,), 0.75), torch.tensor([True, False, True, False]))
        >>> round(calibration.compute().error, 4)
        0.25
    """

    full_state_update = False
    counts: Tensor
    confidence: Tensor
    hits: Tensor

    def __init__(self, bins: int = 15, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.bins = bins
        for name in ("counts", "confidence", "hits"):
            self.add_state(name, torch.zeros(bins, dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, confidence: Tensor, hit: Tensor, valid: Tensor | None = None) -> None:
        """Add decisions.

        Args:
            confidence: Probability that the model gave to its decision, any shape, in [0, 1].
            hit: Whether the decision was right, the same shape, bool.
            valid: Which of them count, the same shape, bool; all if None.
        """
        if valid is not None:
            confidence, hit = confidence[valid], hit[valid]
        # Added up on the CPU: there the order of the sum is fixed, and Apple GPUs have no float64.
        confidence, hit = confidence.flatten().cpu().double(), hit.flatten().cpu().double()
        index = (confidence * self.bins).long().clamp(0, self.bins - 1)
        device = self.counts.device
        self.counts += torch.bincount(index, minlength=self.bins).to(device)
        self.confidence += torch.bincount(index, confidence, minlength=self.bins).to(device)
        self.hits += torch.bincount(index, hit, minlength=self.bins).to(device)

    def compute(self) -> Reliability:
        """Error and reliability curve of all decisions since the last reset."""
        counts, confidence, hits = self.counts.cpu(), self.confidence.cpu(), self.hits.cpu()
        used = counts > 0
        return Reliability(
            error=float((confidence - hits).abs().sum() / counts.sum()),
            confidence=(confidence[used] / counts[used]).tolist(),
            accuracy=(hits[used] / counts[used]).tolist(),
            share=(counts[used] / counts[used].sum()).tolist(),
        )

    def _apply(self, fn: Callable[[Tensor], Tensor], exclude_state: Any = "") -> Self:
        """Move the states, but not to an Apple GPU: it has no float64, and no second process to add up with."""
        if fn(torch.zeros(0)).device.type == "mps":
            return self
        super()._apply(fn, exclude_state)
        return self
