"""Packed codes: several latents in each number of a code, one digit of it each.

Networks with few latents were found to use no more than about 3.5 nats of each; more would need steeper functions of
the code. A packed model learns with K latents for each number of the code instead, all of them between -2 and 2. The
code keeps only the nearest of B levels of each, and training adds noise of the size of that rounding error. The levels
of the K latents of a number are its K digits in base B, and the number is the normal quantile of the fraction that
they spell,

    z = Phi^-1(0.d1 d2 ... dK)    in base B

so that z is N(0, 1) if and only if the digits are independent and uniform. As long as B^K is at most 2^24, float32
tells all codes apart and only the rounding to levels is lost.

Codes that are close agree in their first digits only: a decoder is not smooth in z. Compute with the latents and pack
the result. The capacity is not free either: the KL of z is about log B^K nats, whatever the grid.
"""

from __future__ import annotations

import math
from typing import Final

import torch
from torch import Tensor, nn

from arcvae.grid.settings import precision_problem

BOUND: Final = 2.0
"""Packed latents lie in (-BOUND, BOUND), which holds 95 % of N(0, 1)."""


def bounded(latents: Tensor) -> Tensor:
    """``BOUND tanh(y / BOUND)``: any real numbers as latents that can be packed; nearly the identity near 0."""
    return BOUND * (latents / BOUND).tanh()


def rounding_logvar(levels: int) -> float:
    """Log-variance of the error of rounding to ``levels`` levels, which is uniform over the width of a level.

    Example:
        >>> round(rounding_logvar(8), 3)  # log(0.5^2 / 12)
        -3.871
    """
    return 2 * math.log(2 * BOUND / levels) - math.log(12)


def level_of(latents: Tensor, levels: int, bound: float = BOUND) -> Tensor:
    """The level of each latent, 0 to ``levels`` - 1, as a whole number in the dtype of the latents.

    Latents outside (-bound, bound) get the first or the last level.
    """
    return ((latents + bound) * (levels / (2 * bound))).floor().clamp(0, levels - 1)


def middle_of(level: Tensor, levels: int, bound: float = BOUND) -> Tensor:
    """The latent in the middle of each level: the inverse of :func:`level_of`, up to its rounding."""
    return (level + 0.5) * (2 * bound / levels) - bound


def pack(latents: Tensor, levels: int) -> Tensor:
    """Pack K latents into each of D numbers.

    Args:
        latents: ``(N, K, D)``, most significant digit first. Latents outside (-BOUND, BOUND) get the first or the last
            level.
        levels: B, values of a digit, >= 2.

    Returns:
        ``(N, D)``, in the dtype and on the device of the latents, which must be float32 at least to hold 2^24 codes.
    """
    # On the CPU: an Apple GPU has no float64.
    digits = level_of(latents.cpu().double(), levels)  # (N, K, D)
    values = torch.tensor([float(levels) ** -k for k in range(1, digits.shape[1] + 1)], dtype=torch.float64)
    fraction = (digits * values[:, None]).sum(1) + values[-1] / 2  # the middle of the last digit
    z: Tensor = torch.special.ndtri(fraction)
    return z.to(latents.dtype).to(latents.device)


def unpack(z: Tensor, digits: int, levels: int) -> Tensor:
    """Latents of packed codes, each at the middle of its level.

    Args:
        z: ``(N, D)``.
        digits: K, >= 1.
        levels: B, as in :func:`pack`.

    Returns:
        ``(N, K, D)``.

    Example:
        >>> latents = torch.tensor([[[0.52], [-1.30]]])
        >>> z = pack(latents, levels=8)  # digits 5 and 1 of 8: (5 + 1.5 / 8) / 8 of the way up
        >>> z
        tensor([[0.3811]])
        >>> unpack(z, digits=2, levels=8)
        tensor([[[ 0.7500],
                 [-1.2500]]])
    """
    total = levels**digits
    index = (torch.special.ndtr(z.cpu().double()) * total).floor().clamp(0, total - 1)  # (N, D)
    values = torch.tensor([float(levels) ** k for k in reversed(range(digits))], dtype=torch.float64)
    level = (index[:, None] / values[:, None]).floor() % levels  # (N, K, D)
    return middle_of(level, levels).to(z.dtype).to(z.device)


def packed_logvar(z: Tensor, digits: int, levels: int) -> Tensor:
    """Log-variance of packed codes ``(N, D)``: that of the values of z that have the same digits, taken as uniform.

    The KL of such a code is ``log B^K + (log 12 - 1 - log 2 pi) / 2`` nats in each number.
    """
    return z.square() - 2 * digits * math.log(levels) - math.log(12) + math.log(2 * math.pi)


def check_precision(digits: int, levels: int) -> None:
    """ValueError unless float32 tells all codes of K digits in base B apart."""
    if problem := precision_problem(digits, levels):
        raise ValueError(problem)


class PackedEncoder(nn.Module):
    """Wraps an encoder of ``K D`` latents as one of D numbers.

    Args:
        latents: Network from grids to mean and log-variance, each ``(N, K D)``.
        digits: K.
        levels: B, see :func:`pack`.

    Raises:
        ValueError: See :func:`check_precision`.
    """

    def __init__(self, latents: nn.Module, digits: int, levels: int) -> None:
        super().__init__()
        check_precision(digits, levels)
        self.latents, self.digits, self.levels = latents, digits, levels

    def forward(self, grids: Tensor) -> tuple[Tensor, Tensor]:
        """
        Args:
            grids: ``(N, H, W)``.

        Returns:
            Mean and log-variance of the code, each ``(N, D)``.
        """
        mu: Tensor
        mu, _ = self.latents(grids)
        mu = mu.to(torch.promote_types(mu.dtype, torch.float32))  # half precision cannot hold a code
        z = pack(mu.reshape(len(mu), self.digits, mu.shape[1] // self.digits), self.levels)
        return z, packed_logvar(z, self.digits, self.levels)


class PackedDecoder(nn.Module):
    """Wraps a decoder of ``K D`` latents as one of D numbers; takes the arguments of :class:`PackedEncoder`."""

    def __init__(self, latents: nn.Module, digits: int, levels: int) -> None:
        super().__init__()
        check_precision(digits, levels)
        self.latents, self.digits, self.levels = latents, digits, levels

    def forward(self, z: Tensor) -> Tensor:
        """Logits ``(N, C, H, W)`` of codes ``(N, D)``."""
        logits: Tensor = self.latents(unpack(z, self.digits, self.levels).flatten(1))
        return logits
