"""Samplers: the shares in which classes are drawn, that any run draws the same again, and what is favoured twice."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
import torch
from torch import Tensor

from arcvae.imbalance.losses import make_loss
from arcvae.imbalance.sampling import ClassSampler, corrected_twice, rarest_classes

BIRDS = torch.tensor([0] * 1216 + [1])


def drawn(sampler: ClassSampler, epochs: range) -> Tensor:
    """The indices of these epochs, a row for each."""
    return torch.stack([sampler(epoch, torch.Generator().manual_seed(epoch)) for epoch in epochs])


def test_power_1_is_plain_shuffling_in_distribution() -> None:
    # Every sample as often as any other, whatever its class: a chi-squared test over 60 samples of unequal classes.
    classes = torch.tensor([3] * 45 + [0] * 10 + [7] * 4 + [1])
    counts = np.bincount(drawn(ClassSampler(classes, "instance", 1), range(500)).flatten(), minlength=60)
    assert counts.sum() == 60 * 500
    assert scipy.stats.chisquare(counts).pvalue > 0.001
    biased = np.bincount(drawn(ClassSampler(classes, "square_root", 1), range(500)).flatten(), minlength=60)
    assert scipy.stats.chisquare(biased).pvalue < 1e-9  # the test would see another power


@pytest.mark.parametrize(("sampler", "ratio"), [("instance", 1216), ("square_root", 34.9), ("balanced", 1)])
def test_ratio_at_1216_to_1(sampler: str, ratio: float) -> None:
    made = ClassSampler(BIRDS, sampler, 1)
    frequent, rare = made.shares(0.5).tolist()
    assert frequent / rare == pytest.approx(ratio, abs=0.05)
    indices = drawn(made, range(200))
    times = int((indices == 1216).sum())
    expected = indices.numel() * rare
    assert abs(times - expected) < 5 * expected**0.5  # five standard deviations
    # Within a class every sample is drawn alike.
    assert scipy.stats.chisquare(np.bincount(indices[indices < 1216], minlength=1216)).pvalue > 0.001


def test_progressive_goes_from_all_samples_alike_to_all_classes_alike() -> None:
    made = ClassSampler(BIRDS, "progressive", 4)
    assert made.shares(0.0).tolist() == pytest.approx([1216 / 1217, 1 / 1217])
    assert made.shares(1.0).tolist() == pytest.approx([0.5, 0.5])
    assert (lambda a, b: a / b)(*made.shares(0.5).tolist()) == pytest.approx(34.9, abs=0.05)
    # Within an epoch as well: a power that moved only between epochs would draw both halves alike.
    last = torch.stack([made(3, torch.Generator().manual_seed(seed)) for seed in range(100)]) == 1216
    early, late = last[:, :300].double().mean().item(), last[:, -300:].double().mean().item()
    n = 1216.0
    for found, progress in ((early, (3 + 150 / 1217) / 4), (late, (4 - 150 / 1217) / 4)):
        assert found == pytest.approx(1 / (1 + n ** (1 - progress)), abs=0.02)


def test_epochs_beyond_the_run_are_drawn_as_its_end() -> None:
    assert ClassSampler(BIRDS, "progressive", 1)(7, torch.Generator().manual_seed(0)).unique().numel() > 1
    end = torch.stack([ClassSampler(BIRDS, "progressive", 1)(1, torch.Generator().manual_seed(s)) for s in range(20)])
    assert (end == 1216).double().mean().item() == pytest.approx(0.5, abs=0.03)


def test_draws_depend_on_the_generator_alone_and_all_classes_are_found() -> None:
    classes = torch.tensor([9, 2, 2, 9, 4, 9])
    made = ClassSampler(classes, "balanced", 1)
    first, again, other = (made(0, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    every = classes[drawn(made, range(2000))]
    for kind in (2, 4, 9):
        assert (every == kind).double().mean().item() == pytest.approx(1 / 3, abs=0.02)


def test_class_of_a_sample_is_the_rarest_that_occurs_in_it() -> None:
    grids = torch.tensor([[[0, 0], [0, 0]], [[0, 1], [2, 0]], [[3, 3], [3, 0]], [[2, 3], [0, 0]]], dtype=torch.uint8)
    counts = torch.bincount(grids.flatten().long(), minlength=10)  # 9, 1, 2, 4: colour 1 is the rarest
    assert rarest_classes(grids, counts).tolist() == [0, 1, 3, 2]
    assert rarest_classes(torch.tensor([2, 0, 1]), torch.tensor([5, 1, 1])).tolist() == [2, 0, 1]  # a label each
    padded = torch.tensor([[255, 255], [1, 255]])
    assert rarest_classes(padded, torch.tensor([4, 9])).tolist() == [1, 1]


@pytest.mark.parametrize(
    ("sampler", "loss", "named"),
    [
        ("balanced", {"name": "focal", "class_weights": [1.0, 2.0]}, "loss.class_weights"),
        ("progressive", {"name": "focal", "class_weights": [1.0, 2.0], "defer": 0.8}, "loss.class_weights"),
        ("square_root", {"name": "vs"}, "loss.name=vs"),
        ("square_root", {"name": "focal"}, None),
        ("instance", {"name": "focal", "class_weights": [1.0, 2.0]}, None),
        ("instance", {"name": "balanced_softmax"}, None),
        ("instance", {"name": "vs", "class_weights": [1.0, 2.0]}, "loss.class_weights"),
        ("instance", {"name": "ldam", "class_weights": [1.0, 2.0]}, None),  # margins, for which weights are deferred
        ("balanced", {"name": "ldam"}, "loss.name=ldam"),
    ],
)
def test_correcting_twice_is_said(sampler: str, loss: dict, named: str | None) -> None:
    line = corrected_twice(sampler, make_loss(**loss, class_counts=[2, 1], cosine_scale=30.0))
    first = f"loss.name={loss['name']}" if sampler == "instance" else f"data.sampler={sampler}"
    expected = f"{first} and {named} both correct for the class frequencies, so that it is done twice"
    assert line == (expected if named else None)


def test_unknown_sampler_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown sampler 'sqrt'; choose one of instance, square_root, balanced, prog"):
        ClassSampler(BIRDS, "sqrt", 1)
