"""Whether a model is right as often as it is sure: the expected calibration error."""

from __future__ import annotations

import torch
from torch import Tensor


class Calibration:
    """Confidence of decisions against their hit rate, in bins of equal width, accumulated over batches.

    Args:
        bins: Number of bins over confidences in [0, 1], >= 1.

    References:
        Guo et al. 2017, section 2. https://arxiv.org/abs/1706.04599

    Example:
        >>> calibration = Calibration(bins=10)  # sure of 0.75 each time, right half of the time
        >>> calibration.update(torch.full((4,), 0.75), torch.tensor([True, False, True, False]))
        >>> round(calibration.error, 4)
        0.25
    """

    def __init__(self, bins: int = 15) -> None:
        self.counts = torch.zeros(bins, dtype=torch.float64)
        self.confidence = torch.zeros(bins, dtype=torch.float64)
        self.hits = torch.zeros(bins, dtype=torch.float64)

    def update(self, confidence: Tensor, hit: Tensor) -> None:
        """Add decisions: their confidence in [0, 1] and whether they were right, both of one shape."""
        confidence, hit = confidence.flatten().cpu().double(), hit.flatten().cpu().double()
        bins = len(self.counts)
        index = (confidence * bins).long().clamp(0, bins - 1)
        self.counts += torch.bincount(index, minlength=bins)
        self.confidence += torch.bincount(index, confidence, minlength=bins)
        self.hits += torch.bincount(index, hit, minlength=bins)

    @property
    def error(self) -> float:
        """Expected calibration error: mean gap between confidence and hit rate, weighted by bin, in [0, 1].

        NaN before any decision was added.
        """
        return float((self.confidence - self.hits).abs().sum() / self.counts.sum())

    def curve(self) -> tuple[list[float], list[float], list[float]]:
        """Mean confidence, hit rate and share of the decisions, for each bin that has any."""
        used = self.counts > 0
        counts = self.counts[used]
        return (
            (self.confidence[used] / counts).tolist(),
            (self.hits[used] / counts).tolist(),
            (counts / counts.sum()).tolist(),
        )
