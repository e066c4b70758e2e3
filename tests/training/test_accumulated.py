"""Means over an epoch, and the state of a metric half-way through it."""

from __future__ import annotations

import pytest
import torch

from arcvae.training.accumulated import RunningMean, metric_state, set_metric_state

BATCHES = [(torch.tensor([1.0, 2.0]), 3), (torch.tensor([5.0, 0.0]), 1), (torch.tensor([0.0, 4.0]), 2)]


def test_each_batch_counts_by_its_size() -> None:
    mean = RunningMean(2)
    for vector, samples in BATCHES:
        mean.update(vector, samples)
    assert mean.compute().tolist() == pytest.approx([8 / 6, 14 / 6])  # (3 + 5 + 0) / 6, (6 + 0 + 8) / 6


def test_metric_goes_on_from_its_state_and_refuses_that_of_another() -> None:
    whole, first, second = RunningMean(2), RunningMean(2), RunningMean(2)
    for vector, samples in BATCHES:
        whole.update(vector, samples)
    assert metric_state(first) == {}
    first.update(*BATCHES[0])
    set_metric_state(second, metric_state(first))
    for vector, samples in BATCHES[1:]:
        second.update(vector, samples)
    assert torch.equal(second.compute(), whole.compute())
    with pytest.raises(ValueError, match="do not fit: total"):
        set_metric_state(RunningMean(3), metric_state(first))
