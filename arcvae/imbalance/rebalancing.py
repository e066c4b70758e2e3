"""Mending the last layer of a trained classifier for rare classes: features stay, what is made of them changes.

Networks learn good features from data as it comes, but a last layer that favours frequent classes. Of a linear layer
``z_j = w_j x + b_j``, three ways to mend it are known (Kang et al. 2020, https://arxiv.org/abs/1910.09217, section 4):

* tau-normalisation: ``z_j / |w_j|^tau``, for the vectors of frequent classes are longer;
* learnable weight scaling (LWS): ``f_j z_j``, the factors learned with balanced classes;
* classifier re-training (cRT): a new layer, learned with balanced classes.

Whatever is chosen (tau, the number of steps) is chosen on the validation split. Unlike Kang et al., the bias stays and
is scaled with its vector, so that tau 0, and factors of 1, change nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

from arcvae.imbalance.settings import REBALANCINGS

TAUS: Final = tuple(round(0.1 * step, 1) for step in range(21))
"""The exponents that tau-normalisation tries."""
STEPS: Final = 2000
"""Steps of Adam that LWS and cRT take at most."""
CHECK_EVERY: Final = 100
"""Steps between two looks at the validation split."""
BATCH: Final = 512
LEARNING_RATE: Final = 1e-2


@dataclass(frozen=True)
class Head:
    """A linear layer.

    Args:
        weight: ``(C, F)``.
        bias: ``(C,)``.
    """

    weight: Tensor
    bias: Tensor

    def __call__(self, features: Tensor) -> Tensor:
        """Features ``(N, F)`` to logits ``(N, C)``."""
        return F.linear(features, self.weight, self.bias)

    def scaled(self, factors: Tensor) -> Head:
        """The layer whose logits are these, each class times its factor ``(C,)``."""
        return Head(self.weight * factors[:, None], self.bias * factors)


@dataclass(frozen=True)
class Rebalanced:
    """A mended layer, and how it was chosen."""

    head: Head
    setting: float
    """Tau, or the number of steps."""
    before: float
    """Score on the validation split of the layer as it was."""
    score: float
    """The same of the mended one; never lower, for the layer as it was is among the candidates."""


def tau_normalised(head: Head, tau: float) -> Head:
    """``z_j / |w_j|^tau``: tau 0 changes nothing, 1 makes all vectors one long.

    Example:
        >>> tau_normalised(Head(torch.tensor([[3.0, 4.0], [0.0, 2.0]]), torch.tensor([5.0, 1.0])), 1.0)
        Head(weight=tensor([[0.6000, 0.8000],
                [0.0000, 1.0000]]), bias=tensor([1.0000, 0.5000]))
    """
    return head.scaled(head.weight.norm(dim=1).clamp_min(torch.finfo(head.weight.dtype).tiny).pow(-tau))


def rebalance(
    method: str,
    head: Head,
    train: tuple[Tensor, Tensor],
    val: tuple[Tensor, Tensor],
    score: Callable[[Tensor, Tensor], float],
    seed: int = 0,
) -> Rebalanced:
    """Mend a layer by one of :data:`~arcvae.imbalance.settings.REBALANCINGS`.

    Args:
        method: ``"tau_norm"``, ``"lws"`` or ``"crt"``.
        head: As it was trained.
        train: Features ``(N, F)`` and labels ``(N,)`` int64 of the train split.
        val: The same of the validation split.
        score: From decisions and labels ``(N,)`` to the figure that should be high.
        seed: Of the samples that are drawn, and of a new layer.

    Raises:
        ValueError: Unknown method.
    """
    candidates = {"tau_norm": _by_tau, "lws": _by_factors, "crt": _by_training}
    if method not in candidates:
        raise ValueError(f"unknown method {method!r}; choose one of {', '.join(REBALANCINGS)}")
    features, labels = val

    def scored(candidate: Head) -> float:
        return score(candidate(features).argmax(1), labels)

    before = scored(head)
    best = Rebalanced(head, 0.0, before, before)
    for setting, candidate in candidates[method](head, train, torch.Generator().manual_seed(seed)):
        if (found := scored(candidate)) > best.score:
            best = Rebalanced(candidate, setting, before, found)
    return best


def balanced(labels: Tensor, generator: torch.Generator) -> Iterator[Tensor]:
    """Places of samples in batches without end: each class that occurs is drawn as often as any other.

    Args:
        labels: ``(N,)`` int64.
        generator: Where chance comes from.
    """
    order = labels.argsort(stable=True)
    _, counts = labels[order].unique_consecutive(return_counts=True)
    first = counts.cumsum(0) - counts
    while True:
        which = torch.randint(len(counts), (BATCH,), generator=generator)
        within = (torch.rand(BATCH, generator=generator, dtype=torch.float64) * counts[which]).long()
        yield order[first[which] + within]


def _by_tau(head: Head, train: tuple[Tensor, Tensor], generator: torch.Generator) -> Iterator[tuple[float, Head]]:  # noqa: ARG001
    for tau in TAUS:
        yield tau, tau_normalised(head, tau)


def _by_factors(head: Head, train: tuple[Tensor, Tensor], generator: torch.Generator) -> Iterator[tuple[float, Head]]:
    factors = torch.ones_like(head.bias, requires_grad=True)
    logits = head(train[0])
    for steps in _trained([factors], lambda rows: factors * logits[rows], train[1], generator):
        yield steps, head.scaled(factors.detach().clone())


def _by_training(head: Head, train: tuple[Tensor, Tensor], generator: torch.Generator) -> Iterator[tuple[float, Head]]:
    bound = head.weight.shape[1] ** -0.5  # as torch begins a linear layer
    weight = ((2 * torch.rand(head.weight.shape, generator=generator) - 1) * bound).requires_grad_()
    bias = torch.zeros_like(head.bias, requires_grad=True)
    for steps in _trained([weight, bias], lambda rows: F.linear(train[0][rows], weight, bias), train[1], generator):
        yield steps, Head(weight.detach().clone(), bias.detach().clone())


def _trained(
    parameters: list[Tensor], logits: Callable[[Tensor], Tensor], labels: Tensor, generator: torch.Generator
) -> Iterator[int]:
    """Train with balanced classes; yields the number of steps every now and then."""
    optimizer = torch.optim.Adam(parameters, LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    for step, rows in zip(range(1, STEPS + 1), balanced(labels, generator), strict=False):
        optimizer.zero_grad()
        with torch.enable_grad():
            F.cross_entropy(logits(rows), labels[rows]).backward()
        optimizer.step()
        schedule.step()
        if not step % CHECK_EVERY:
            yield step
