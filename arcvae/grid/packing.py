"""Several Gaussian latents in one number: each holds the one before it in the digits that would be rounded away.

The networks that were tried with few latents did not learn to use more than about 3.5 nats of each, although nothing
forbids it: more would need steeper functions of the code. So a network learns with several latents for each number of
the code, ``a`` and ``b`` say, and the code keeps both:

    z = step (round(a / step) + Phi(b) - 1/2)

``round`` is the first digit of z, Phi (the normal distribution function) puts all of b between two of them. If a
and b are N(0, 1), then so is z, and the other way round, but for a correlation of a and b of about ``-step / 3``:
samples of the prior of z are samples of the prior of a and b. Eight digits of step 0.5 fill the 24 bits of
float32: far from the middle the last one is lost.

Two codes that are close have close first digits; what the further ones say is not smooth in z. Compute with the
latents instead, and pack the result. The information is not free: the KL of z counts all of it.
"""

from __future__ import annotations

import math
from typing import Final

import torch
from torch import Tensor, nn

MARGIN = 1e-4
"""How far a digit stays away from its neighbours, as a share of the room between them: float32 holds no less."""


def pack(latents: Tensor, step: float) -> Tensor:
    """One number for each group of latents.

    Args:
        latents: ``(N, K, D)``; K digits, the first one first.
        step: Distance of two values of a digit, > 0, in standard deviations of the prior.

    Returns:
        ``(N, D)``, of the type of the latents. For K = 1 the latents themselves.
    """
    *leading, z = latents.double().unbind(1)
    for digit in reversed(leading):
        below = torch.special.ndtr(z).clamp(MARGIN, 1 - MARGIN)
        z = step * ((digit / step).round() + below - 0.5)
    return z.to(latents.dtype)


def unpack(z: Tensor, digits: int, step: float) -> Tensor:
    """The latents that :func:`pack` put into a code, all but the last rounded to a multiple of ``step``.

    Args:
        z: ``(N, D)``.
        digits: K, >= 1.
        step: As in :func:`pack`.

    Returns:
        ``(N, K, D)``.

    Example:
        >>> latents = torch.tensor([[[0.52], [1.30]]])
        >>> z = pack(latents, step=0.1)
        >>> z
        tensor([[0.5403]])
        >>> unpack(z, digits=2, step=0.1)
        tensor([[[0.5000],
                 [1.3000]]])
    """
    rest, latents = z.double(), []
    for _ in range(digits - 1):
        level = (rest / step).round()
        latents.append(level * step)
        rest = torch.special.ndtri((rest / step - level + 0.5).clamp(MARGIN, 1 - MARGIN))
    return torch.stack([*latents, rest], 1).to(z.dtype)


def packed_logvar(latents: Tensor, logvar: Tensor, step: float) -> Tensor:
    """Log-variance of a code, ``(N, D)``, from that of its last digit.

    The leading digits of a code are rounded, without noise; a small change of the last latent moves z by ``dz/db``,
    which is ``step phi(b)`` for two digits.

    Args:
        latents: Means, ``(N, K, D)``.
        logvar: Log-variance of the last latent, ``(N, D)``.
        step: As in :func:`pack`.
    """
    result = logvar
    for digit in range(1, latents.shape[1]):
        # What `pack` made of everything below this digit; its density says how closely it is packed.
        z = pack(latents[:, digit:], step)
        result = result + 2 * (math.log(step) - 0.5 * math.log(2 * math.pi)) - z.square()
    return result


class PackedEncoder(nn.Module):
    """An encoder of ``K D`` latents as one of D numbers.

    Args:
        latents: Network from grids to mean and log-variance, each ``(N, K D)``.
        digits: K.
        step: See :func:`pack`.
    """

    def __init__(self, latents: nn.Module, digits: int, step: float) -> None:
        super().__init__()
        self.latents, self.digits, self.step = latents, digits, step

    def forward(self, grids: Tensor) -> tuple[Tensor, Tensor]:
        """
        Args:
            grids: ``(N, H, W)``.

        Returns:
            Mean and log-variance of the code, each ``(N, D)``.
        """
        mu, logvar = (part.unflatten(1, (self.digits, -1)) for part in self.latents(grids))  # (N, K, D)
        return pack(mu, self.step), packed_logvar(mu, logvar[:, -1], self.step)


class PackedDecoder(nn.Module):
    """A decoder of ``K D`` latents as one of D numbers; takes the arguments of :class:`PackedEncoder`."""

    def __init__(self, latents: nn.Module, digits: int, step: float) -> None:
        super().__init__()
        self.latents, self.digits, self.step = latents, digits, step

    def forward(self, z: Tensor) -> Tensor:
        """Logits ``(N, C, H, W)`` of codes ``(N, D)``."""
        return self.latents(unpack(z, self.digits, self.step).flatten(1))


PACKED: Final = (PackedEncoder, PackedDecoder)


def digits_of(network: nn.Module) -> int:
    """Latents in each number of the codes of an encoder or decoder, K; 1 unless it is packed."""
    return network.digits if isinstance(network, PACKED) else 1


def latents_of_codes(network: nn.Module, z: Tensor) -> Tensor:
    """Codes ``(N, D)`` of an encoder or decoder as the latents ``(N, K D)`` that they hold."""
    return unpack(z, network.digits, network.step).flatten(1) if isinstance(network, PACKED) else z


def codes_of_latents(network: nn.Module, latents: Tensor) -> Tensor:
    """The inverse of :func:`latents_of_codes`."""
    if not isinstance(network, PACKED):
        return latents
    return pack(latents.unflatten(1, (network.digits, -1)), network.step)


def networks_of_latents(*networks: nn.Module) -> tuple[nn.Module, ...]:
    """What training optimises: the networks inside of packed ones, which know no rounding; others as they are."""
    return tuple(n.latents if isinstance(n, PACKED) else n for n in networks)
