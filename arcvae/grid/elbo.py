"""The KL side of the evidence lower bound: the divergence, free bits, and schedules for beta."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from arcvae.grid.settings import phases_problem


def gaussian_kl(mu: Tensor, logvar: Tensor) -> Tensor:
    """KL(N(mu, exp(logvar)) || N(0, 1)) of each latent dimension, in nats.

    Args:
        mu: Posterior means, ``(N, D)``.
        logvar: Posterior log-variances, ``(N, D)``; finite.

    Returns:
        ``(N, D)``, every entry >= 0. Sum over D for nats per grid.

    References:
        Kingma & Welling 2014, appendix B. https://arxiv.org/abs/1312.6114

    Example:
        >>> gaussian_kl(torch.tensor([[1.0]]), torch.tensor([[0.0]]))
        tensor([[0.5000]])
    """
    # expm1(v) - v, unlike exp(v) - 1 - v, cannot round to a negative number near v = 0.
    return 0.5 * (mu.square() + (torch.expm1(logvar) - logvar))


def free_bits(kl_per_dim: Tensor, floor: float) -> Tensor:
    """KL with a floor for each dimension: up to it, more nats cost nothing.

    Args:
        kl_per_dim: KL of each dimension averaged over the batch, ``(D,)``, nats.
        floor: Lambda, in nats per dimension, >= 0.

    Returns:
        Scalar, nats per grid, ``sum_d max(floor, kl_d)``.

    References:
        Kingma et al. 2016, equation 15. https://arxiv.org/abs/1606.04934

    Example:
        >>> free_bits(torch.tensor([0.1, 2.0]), floor=0.5)
        tensor(2.5000)
    """
    return kl_per_dim.clamp_min(floor).sum()


class BetaSchedule(Protocol):
    """Beta as a function of the epoch."""

    maximum: float
    """The largest beta."""
    free_nats: float
    """Floor of the KL of each dimension (mean over the batch), in nats, >= 0: information that costs nothing, however
    large beta becomes. It keeps a code from collapsing under a large beta."""

    @property
    def ramp_epochs(self) -> float:
        """Epochs until beta has reached its maximum for the first time; 0 for a constant. Patience counts from then."""
        ...

    def __call__(self, epoch: float) -> float:
        """Beta after ``epoch`` epochs, fractions included, >= 0."""
        ...


class Constant:
    """The same beta in all epochs.

    Example:
        >>> [Constant(0.1)(epoch) for epoch in (0, 10)]
        [0.1, 0.1]
    """

    def __init__(self, maximum: float, free_nats: float = 0.0) -> None:
        self.maximum, self.free_nats = maximum, free_nats
        self.ramp_epochs = 0.0

    def __call__(self, epoch: float) -> float:
        return self.maximum


class LinearWarmup:
    """Zero for ``hold`` epochs, then linear up to ``maximum`` within ``ramp`` epochs, then constant.

    Example:
        >>> [LinearWarmup(hold=1, ramp=2, maximum=0.5)(epoch) for epoch in (0, 1, 2, 3, 9)]
        [0.0, 0.0, 0.25, 0.5, 0.5]
    """

    def __init__(self, hold: float, ramp: float, maximum: float, free_nats: float = 0.0) -> None:
        self.hold, self.ramp, self.maximum, self.free_nats = hold, ramp, maximum, free_nats
        self.ramp_epochs = hold + ramp

    def __call__(self, epoch: float) -> float:
        if epoch < self.hold or (self.ramp and epoch == self.hold):
            return 0.0
        return self.maximum * min(1.0, (epoch - self.hold) / self.ramp) if self.ramp else self.maximum


class ThreePhase:
    """Linear from 0 to ``middle`` until epoch ``first``, linear to ``maximum`` until epoch ``second``, then constant.

    By default from 0 to 1 in epochs 1 to 10, from 1 to 2 in epochs 11 to 30, then 2.

    Raises:
        ValueError: ``first`` is not above 0 and below ``second``.

    Example:
        >>> [ThreePhase()(epoch) for epoch in (0, 5, 10, 20, 30, 50)]
        [0.0, 0.5, 1.0, 1.5, 2.0, 2.0]
    """

    def __init__(
        self,
        first: float = 10,
        second: float = 30,
        middle: float = 1.0,
        maximum: float = 2.0,
        free_nats: float = 0.0,
    ) -> None:
        if problem := phases_problem(first, second):
            raise ValueError(problem)
        self.first, self.second, self.middle, self.maximum = first, second, middle, maximum
        self.free_nats = free_nats
        self.ramp_epochs = second

    def __call__(self, epoch: float) -> float:
        if epoch <= self.first:
            return self.middle * epoch / self.first
        progress = min(1.0, (epoch - self.first) / (self.second - self.first))
        return self.middle + (self.maximum - self.middle) * progress


class Cyclical:
    """In each cycle beta rises linearly from 0 to ``maximum``, stays there, and starts again from 0.

    Args:
        period: Epochs per cycle, > 0.
        maximum: Beta at the top, >= 0.
        ramp_share: Share of a cycle in which beta rises, in (0, 1].

    References:
        Fu et al. 2019, equation 6. https://arxiv.org/abs/1903.10145

    Example:
        >>> [Cyclical(period=4, maximum=1.0, ramp_share=0.5)(epoch) for epoch in (0, 1, 2, 3, 4, 5)]
        [0.0, 0.5, 1.0, 1.0, 0.0, 0.5]
    """

    def __init__(self, period: float, maximum: float, ramp_share: float = 0.5, free_nats: float = 0.0) -> None:
        self.period, self.maximum, self.ramp_share, self.free_nats = period, maximum, ramp_share, free_nats
        self.ramp_epochs = period * ramp_share

    def __call__(self, epoch: float) -> float:
        if epoch == float("inf"):
            return self.maximum
        position = (epoch % self.period) / self.period
        return self.maximum * min(1.0, position / self.ramp_share)
