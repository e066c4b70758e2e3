"""Metrics over an epoch: equal to one pass over all of it, whatever the batches and the padding."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from arcvae.imbalance.confusion import classification_metrics, confusion_matrix
from arcvae.imbalance.metrics import ClassificationMetrics


def random_labels(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = np.random.default_rng(seed)
    shares = [0.82] + [0.02] * 9
    target = generator.choice(10, (40, 6, 6), p=shares)
    prediction = np.where(generator.random(target.shape) < 0.6, target, generator.choice(10, target.shape, p=shares))
    return torch.from_numpy(prediction), torch.from_numpy(target)


def test_epoch_equals_one_pass_and_not_the_mean_of_batches() -> None:
    prediction, target = random_labels()
    whole, parts = ClassificationMetrics(10, 0), ClassificationMetrics(10, 0)
    whole.update(prediction, target)
    means = []
    for p, t in zip(prediction.split([33, 7]), target.split([33, 7]), strict=True):
        parts.update(p, t)
        means.append(classification_metrics(confusion_matrix(p, t, 10), 0)["object_f1"].item())
    expected = whole.compute()
    for name, value in parts.compute().items():
        torch.testing.assert_close(value, expected[name], equal_nan=True, rtol=0, atol=0)
    assert expected["object_f1"].item() != pytest.approx(np.mean(means), abs=1e-6)


def test_exact_match_counts_whole_samples() -> None:
    target = torch.zeros(4, 2, 2, dtype=torch.long)
    prediction = target.clone()
    prediction[1, 0, 0] = 3
    metrics = ClassificationMetrics(4, 0)
    metrics.update(prediction, target)
    assert metrics.compute()["exact_match"].item() == 0.75


def test_one_label_per_sample_makes_exact_match_the_accuracy() -> None:
    metrics = ClassificationMetrics(3)
    metrics.update(torch.tensor([0, 1, 2, 2]), torch.tensor([0, 1, 1, 2]))
    results = metrics.compute()
    assert results["exact_match"].item() == results["accuracy"].item() == 0.75
    assert "object_f1" not in results


def test_reset_forgets() -> None:
    metrics = ClassificationMetrics(2, 0)
    metrics.update(torch.tensor([1]), torch.tensor([0]))
    metrics.reset()
    metrics.update(torch.tensor([1]), torch.tensor([1]))
    assert metrics.compute()["accuracy"].item() == 1


@settings(deadline=None)
@given(
    seed=st.integers(0, 2**16),
    size=st.tuples(st.integers(1, 6), st.integers(1, 3), st.integers(1, 3)),
    pad=st.lists(st.integers(0, 2), min_size=6, max_size=6),
    code=st.sampled_from([(torch.uint8, 255), (torch.int64, -100)]),
)
def test_padding_of_elements_and_whole_samples_changes_nothing(
    seed: int, size: tuple[int, ...], pad: list[int], code: tuple[torch.dtype, int]
) -> None:
    generator = torch.Generator().manual_seed(seed)
    dtype, ignore_index = code
    prediction, target = (torch.randint(2, size, generator=generator).to(dtype) for _ in range(2))
    plain, padded = ClassificationMetrics(3, 0), ClassificationMetrics(3, 0, ignore_index=ignore_index)
    plain.update(prediction, target)
    # The last two numbers pad the batch: samples without an element that counts.
    padded.update(F.pad(prediction, pad, value=2), F.pad(target, pad, value=ignore_index))
    expected = plain.compute()
    for name, value in padded.compute().items():
        torch.testing.assert_close(value, expected[name], equal_nan=True, rtol=0, atol=0)


def test_padding_worked_by_hand() -> None:
    # Sample 0 is right where it counts, sample 1 is wrong once, sample 2 is padding: exact match 1 of 2.
    target = torch.tensor([[0, 1, 9], [1, 1, 0], [9, 9, 9]])
    prediction = torch.tensor([[0, 1, 1], [1, 1, 1], [0, 0, 0]])
    metrics = ClassificationMetrics(2, ignore_index=9)
    metrics.update(prediction, target)
    results = metrics.compute()
    assert results["exact_match"].item() == 0.5
    assert results["accuracy"].item() == pytest.approx(4 / 5)


def test_padding_among_one_label_per_sample_is_no_sample() -> None:
    metrics = ClassificationMetrics(2, ignore_index=-100)
    metrics.update(torch.tensor([0, 1, 1]), torch.tensor([0, -100, 0]))
    results = metrics.compute()
    assert results["exact_match"].item() == results["accuracy"].item() == 0.5
