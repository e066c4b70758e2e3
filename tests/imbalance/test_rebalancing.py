"""The last layer mended: identities, an independent computation, and a toy where rare classes are lost."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score
from torch import Tensor

from arcvae.imbalance.rebalancing import CHECK_EVERY, Head, balanced, rebalance, tau_normalised
from arcvae.imbalance.settings import REBALANCINGS

HEAD = Head(torch.tensor([[3.0, 4.0, 0.0], [0.6, 0.0, 0.8], [0.0, 0.0, 0.1]]), torch.tensor([1.0, -2.0, 0.5]))


def macro_f1(decisions: Tensor, labels: Tensor) -> float:
    return float(f1_score(labels, decisions, average="macro", zero_division=0))


def blobs(counts: tuple[int, ...], seed: int) -> tuple[Tensor, Tensor]:
    """Clouds around the corners of a simplex that overlap, so that the rare ones are outvoted."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    features = 1.5 * torch.eye(len(counts))[labels] + torch.randn(len(labels), len(counts), generator=generator)
    return features, labels


def trained(features: Tensor, labels: Tensor) -> Head:
    """A linear layer of least cross-entropy, as plain training gives it."""
    layer = torch.nn.Linear(features.shape[1], int(labels.max()) + 1)
    optimizer = torch.optim.LBFGS(layer.parameters(), max_iter=200)

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(layer(features), labels)
        loss.backward()
        return loss

    optimizer.step(closure)  # type: ignore[arg-type]
    return Head(layer.weight.detach(), layer.bias.detach())


@pytest.mark.parametrize("tau", [0.0, 0.5, 1.0, 2.0])
def test_tau_normalised_logits_are_those_divided_by_a_power_of_the_length(tau: float) -> None:
    x = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    lengths = np.linalg.norm(HEAD.weight.numpy(), axis=1)  # 5, 1, 0.1
    expected = (x.numpy() @ HEAD.weight.numpy().T + HEAD.bias.numpy()) / lengths**tau
    np.testing.assert_allclose(tau_normalised(HEAD, tau)(x).numpy(), expected, rtol=1e-5)


def test_a_class_vector_of_zeros_stays_finite() -> None:
    found = tau_normalised(Head(torch.zeros(1, 2), torch.zeros(1)), 1.0)
    assert torch.isfinite(found.weight).all()


def test_classes_are_drawn_alike_and_samples_within_them_too() -> None:
    labels = torch.tensor([4, 0, 4, 4, 0, 7, 4, 4])
    draws = balanced(labels, torch.Generator().manual_seed(0))
    found = torch.cat([next(draws) for _ in range(40)])
    shares = torch.bincount(labels[found], minlength=8) / len(found)
    assert shares[[0, 4, 7]].tolist() == pytest.approx([1 / 3] * 3, abs=0.015)
    times = torch.bincount(found, minlength=8)
    assert times[[0, 2, 3, 6, 7]].float().std() < 0.06 * times[0]


def test_longer_vectors_of_frequent_classes_are_made_equal() -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(3).repeat(200)
    features = torch.eye(3)[labels] + torch.rand(600, 3, generator=generator)
    head = Head(torch.diag(torch.tensor([4.0, 1.0, 0.5])), torch.zeros(3))
    found = rebalance("tau_norm", head, (features, labels), (features, labels), macro_f1)
    assert found.setting == pytest.approx(1, abs=0.1)
    assert found.before < 0.5 < 0.95 < found.score


@pytest.mark.slow
@pytest.mark.parametrize("method", ["lws", "crt"])
def test_rare_classes_are_found_again(method: str) -> None:
    counts = [(3000, 300, 30), (200, 200, 200), (200, 200, 200)]
    train, val, test = (blobs(split, seed) for seed, split in enumerate(counts))
    head = trained(*train)
    found = rebalance(method, head, train, val, macro_f1)
    assert found.before == macro_f1(head(val[0]).argmax(1), val[1])
    assert found.score == macro_f1(found.head(val[0]).argmax(1), val[1]) > found.before
    assert macro_f1(found.head(test[0]).argmax(1), test[1]) > macro_f1(head(test[0]).argmax(1), test[1]) + 0.02
    again = rebalance(method, head, train, val, macro_f1)
    assert torch.equal(again.head.weight, found.head.weight)
    assert found.setting % CHECK_EVERY == 0 < found.setting


@pytest.mark.slow
@pytest.mark.parametrize("method", REBALANCINGS)
def test_layer_stays_where_nothing_is_better(method: str) -> None:
    train = blobs((50, 50, 50), 0)
    found = rebalance(method, HEAD, train, train, lambda decisions, labels: 0.5)
    assert found.head is HEAD
    assert (found.setting, found.score) == (0, 0.5)


def test_unknown_methods_are_refused() -> None:
    with pytest.raises(ValueError, match="choose one of tau_norm, lws, crt"):
        rebalance("smote", HEAD, *[blobs((3, 3, 3), 0)] * 2, macro_f1)
