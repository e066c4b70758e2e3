"""Several latents in one number: each is a digit of it.

The networks that were tried with few latents did not learn to use more than about 3.5 nats of each, although nothing
forbids it: more would need steeper functions of the code. So a network learns with several latents for each number of
the code, all of them between -2 and 2, and the code keeps the nearest of L levels of each: training adds noise as large
as that rounding. The levels of the K latents of a number are K digits in base L, and the number is the normal quantile
of the fraction that they make,

    z = Phi^-1(0.d1 d2 ... dK)    in base L

Numbers of N(0, 1) are digits that are all equally frequent and independent, and the other way round. Where L^K is at
most 2^24, nothing is lost but the rounding to levels: float32 tells all codes apart.

Two codes that are close have close first digits; what the further ones say is not smooth in z. Compute with the
latents instead, and pack the result. The information is not free: the KL of z is log L^K nats whatever the grid.
"""

from __future__ import annotations

import math
from typing import Final

import torch
from torch import Tensor, nn

BOUND: Final = 2.0
"""Packed latents lie in (-BOUND, BOUND): about where those of N(0, 1) lie anyway."""
LARGEST: Final = 2**24
"""Codes of one number that float32 tells apart."""


def bounded(latents: Tensor) -> Tensor:
    """``BOUND tanh(y / BOUND)``: latents of any size as ones that can be packed; small ones stay what they are."""
    return BOUND * (latents / BOUND).tanh()


def rounding_logvar(levels: int) -> float:
    """Log-variance of the rounding to one of ``levels`` levels: a uniform error as wide as a level.

    Example:
        >>> round(rounding_logvar(8), 3)  # log(0.5^2 / 12)
        -3.871
    """
    return 2 * math.log(2 * BOUND / levels) - math.log(12)


def level_of(latents: Tensor, levels: int, bound: float = BOUND) -> Tensor:
    """The level, 0 to ``levels`` - 1, in which each latent is, as a whole number of its type.

    Those outside of (-bound, bound) count as its ends.
    """
    return ((latents + bound) * (levels / (2 * bound))).floor().clamp(0, levels - 1)


def middle_of(level: Tensor, levels: int, bound: float = BOUND) -> Tensor:
    """The latent in the middle of each level: the inverse of :func:`level_of` but for what it rounds."""
    return (level + 0.5) * (2 * bound / levels) - bound


def pack(latents: Tensor, levels: int) -> Tensor:
    """One number for each group of latents.

    Args:
        latents: ``(N, K, D)``; K digits, the first one first. Those outside of (-BOUND, BOUND) count as its ends.
        levels: L, values of a digit, >= 2.

    Returns:
        ``(N, D)``, of the type and on the device of the latents; float32 at least holds 2^24 codes.
    """
    # On the CPU: an Apple GPU has no float64.
    digits = level_of(latents.cpu().double(), levels)  # (N, K, D)
    places = torch.tensor([float(levels) ** -k for k in range(1, digits.shape[1] + 1)], dtype=torch.float64)
    fraction = (digits * places[:, None]).sum(1) + places[-1] / 2  # the middle of the last digit
    return torch.special.ndtri(fraction).to(latents.dtype).to(latents.device)


def unpack(z: Tensor, digits: int, levels: int) -> Tensor:
    """The latents that :func:`pack` put into a code, each at the middle of its level.

    Args:
        z: ``(N, D)``.
        digits: K, >= 1.
        levels: L, as in :func:`pack`.

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
    places = torch.tensor([float(levels) ** k for k in reversed(range(digits))], dtype=torch.float64)
    found = (index[:, None] / places[:, None]).floor() % levels  # (N, K, D)
    return middle_of(found, levels).to(z.dtype).to(z.device)


def packed_logvar(z: Tensor, digits: int, levels: int) -> Tensor:
    """Log-variance of a code ``(N, D)``: that of a uniform distribution over the numbers that mean the same digits.

    The KL of such a code is ``log L^K + (log 12 - 1 - log 2 pi) / 2`` nats in each number.
    """
    return z.square() - 2 * digits * math.log(levels) - math.log(12) + math.log(2 * math.pi)


def require_room(digits: int, levels: int) -> None:
    """ValueError unless float32 tells all codes of K digits of L levels apart."""
    if levels < 2:
        raise ValueError(f"a digit needs 2 levels at least, got levels={levels}")
    if levels**digits > LARGEST:
        raise ValueError(
            f"digits={digits} with levels={levels} make {levels}^{digits} codes of each number, more than the 2^24 "
            "that float32 tells apart; lower one of them"
        )


class PackedEncoder(nn.Module):
    """An encoder of ``K D`` latents as one of D numbers.

    Args:
        latents: Network from grids to mean and log-variance, each ``(N, K D)``.
        digits: K.
        levels: L, see :func:`pack`.

    Raises:
        ValueError: See :func:`require_room`.
    """

    def __init__(self, latents: nn.Module, digits: int, levels: int) -> None:
        super().__init__()
        require_room(digits, levels)
        self.latents, self.digits, self.levels = latents, digits, levels

    def forward(self, grids: Tensor) -> tuple[Tensor, Tensor]:
        """
        Args:
            grids: ``(N, H, W)``.

        Returns:
            Mean and log-variance of the code, each ``(N, D)``.
        """
        mu, _ = self.latents(grids)
        mu = mu.to(torch.promote_types(mu.dtype, torch.float32))  # half precision holds no code
        z = pack(mu.unflatten(1, (self.digits, -1)), self.levels)
        return z, packed_logvar(z, self.digits, self.levels)


class PackedDecoder(nn.Module):
    """A decoder of ``K D`` latents as one of D numbers; takes the arguments of :class:`PackedEncoder`."""

    def __init__(self, latents: nn.Module, digits: int, levels: int) -> None:
        super().__init__()
        require_room(digits, levels)
        self.latents, self.digits, self.levels = latents, digits, levels

    def forward(self, z: Tensor) -> Tensor:
        """Logits ``(N, C, H, W)`` of codes ``(N, D)``."""
        return self.latents(unpack(z, self.digits, self.levels).flatten(1))


PACKED: Final = (PackedEncoder, PackedDecoder)


def digits_of(network: nn.Module) -> int:
    """Latents in each number of the codes of an encoder or decoder, K; 1 unless it is packed."""
    return network.digits if isinstance(network, PACKED) else 1


def latents_of_codes(network: nn.Module, z: Tensor) -> Tensor:
    """Codes ``(N, D)`` of an encoder or decoder as the latents ``(N, K D)`` that they hold."""
    return unpack(z, network.digits, network.levels).flatten(1) if isinstance(network, PACKED) else z


def codes_of_latents(network: nn.Module, latents: Tensor) -> Tensor:
    """The inverse of :func:`latents_of_codes`."""
    if not isinstance(network, PACKED):
        return latents
    return pack(latents.unflatten(1, (network.digits, -1)), network.levels)


def latent_steps(network: nn.Module) -> tuple[float, float]:
    """How far apart two neighbouring values of a latent are, and the largest value that it can have.

    Latents that are not packed are continuous: a quarter of a standard deviation of the prior, and no limit.
    """
    if not isinstance(network, PACKED):
        return 0.25, math.inf
    step = 2 * BOUND / network.levels
    return step, BOUND - step / 2


def networks_of_latents(*networks: nn.Module) -> tuple[nn.Module, ...]:
    """What training optimises: the networks inside of packed ones, which know no rounding; others as they are."""
    return tuple(n.latents if isinstance(n, PACKED) else n for n in networks)
