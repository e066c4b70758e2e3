"""What adds up over the batches of an epoch, and how it is kept when the epoch is interrupted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric


class RunningMean(Metric):
    """Mean of a vector ``(K,)`` over samples, batches and devices; each batch counts by its size."""

    full_state_update = False
    total: Tensor
    samples: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.add_state("total", torch.zeros(size), dist_reduce_fx="sum")
        self.add_state("samples", torch.tensor(0), dist_reduce_fx="sum")

    def update(self, mean: Tensor, samples: int) -> None:
        """Add the mean of a batch, ``(K,)``, and its number of samples."""
        self.total += mean.detach().to(self.total) * samples
        self.samples += samples

    def compute(self) -> Tensor:
        """``(K,)`` float32 (an Apple GPU has no float64)."""
        return self.total / self.samples


def metric_state(metric: Any) -> dict[str, Tensor]:
    """What a metric has accumulated, by name; empty before its first update and after a reset."""
    if not metric.update_called:
        return {}
    return {name: getattr(metric, name).detach().cpu().clone() for name in metric._defaults}


def set_metric_state(metric: Any, state: Mapping[str, Tensor]) -> None:
    """Let a metric go on from what :func:`metric_state` said.

    Raises:
        ValueError: The state is that of another metric.
    """
    if not state:
        return
    for name, value in state.items():
        own = getattr(metric, name) if name in metric._defaults else None
        if own is None or own.shape != value.shape or own.dtype != value.dtype:
            raise ValueError(f"the metrics of the epoch do not fit: {name}")
        setattr(metric, name, value.to(own.device))
    metric._update_count = 1
