"""What every model of grids offers to training, refinement, priors and the codec."""

from __future__ import annotations

import math
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from arcvae.grid.elbo import gaussian_kl
from arcvae.grid.models.packing import BOUND, pack, unpack


class Encoding(NamedTuple):
    """Codes of N grids.

    Attributes:
        mu: Means, ``(N, D)``.
        logvar: Log-variances, ``(N, D)``.
        left_out: Objects of each grid that the code has no room for, ``(N,)`` int64 on the CPU.
        part_of: Of codes of objects: the slot with the first part of the object that each slot holds a part of,
            ``(N, K)`` int64 on the CPU; an object in one part, or an empty slot, is its own.
    """

    mu: Tensor
    logvar: Tensor
    left_out: Tensor
    part_of: Tensor | None = None


class GridModel(nn.Module):
    """Base class of encoder and decoder: a variational autoencoder of grids.

    A subclass passes its sizes to ``super().__init__`` and sets :attr:`encoder` and :attr:`decoder`. That is all for a
    code of D smooth numbers with the prior N(0, I). Where another kind of code differs, it overrides methods: for its
    posterior and prior :meth:`sample_posterior`, :meth:`kl`, :meth:`log_weight` and :meth:`sample_prior`; for the
    numbers that its code is computed from :meth:`latents`, :meth:`pack` and :meth:`latent_networks`; for the moves of
    refinement :meth:`latent_steps`; for the order in which a prior reads latents :attr:`latent_groups`; for the sizes
    of grids :attr:`any_size` and :meth:`draw`.

    Any subclass in a module of ``arcvae.grid.models`` can be named in a config and in a file; see
    :func:`arcvae.grid.models.model_class`.

    Args:
        latent_dim: D, numbers of a code, >= 1.
        num_colors: C, >= 2.
        grid_size: H = W of the grids that it is trained on.
        digits: Latents that are packed into each number of a code; 1: a latent is a number of the code. With more,
            encoder and decoder are a :class:`~arcvae.grid.models.packing.PackedEncoder` and a
            :class:`~arcvae.grid.models.packing.PackedDecoder`.
        levels: Values that each packed latent can have; unused for one digit.

    Example:
        >>> class Mean(nn.Module):
        ...     def forward(self, grids):
        ...         mu = grids.float().mean((1, 2))[:, None]
        ...         return mu, torch.zeros_like(mu)
        >>> class OneColor(GridModel):
        ...     def __init__(self):
        ...         super().__init__(latent_dim=1, num_colors=3, grid_size=2)
        ...         self.encoder = Mean()
        ...         self.decoder = nn.Sequential(nn.Linear(1, 12), nn.Unflatten(1, (3, 2, 2)))
        >>> OneColor()(torch.zeros(5, 2, 2, dtype=torch.uint8)).shape
        torch.Size([5, 3, 2, 2])
    """

    any_size: ClassVar[bool] = False
    """Whether its weights serve grids of any size, so that it can be evaluated on a corpus of another one."""
    slots: int | None = None
    """K, objects of a code that is a set of objects, ``(N, K, D / K)``; None for other codes."""
    encoder: nn.Module
    """Grids ``(N, H, W)`` of any integer type to mean and log-variance of the code, each ``(N, D)``. A cell whose value
    is not in ``[0, C)`` is one that is ignored: it has no colour, not even the background's."""
    decoder: nn.Module
    """Codes ``(N, D)`` to logits ``(N, C, H, W)``, differentiable in the code."""

    def __init__(
        self, latent_dim: int, num_colors: int, grid_size: int, *, digits: int = 1, levels: int | None = None
    ) -> None:
        super().__init__()
        self.latent_dim, self.num_colors, self.grid_size = latent_dim, num_colors, grid_size
        self.digits = digits
        """Latents in each number of a code."""
        self.levels = levels if digits > 1 else None
        """Values of a latent, evenly spaced; None where latents are continuous."""

    def forward(self, grids: Tensor) -> Tensor:
        """Logits ``(N, C, H, W)`` decoded from the posterior means of grids ``(N, H, W)``."""
        mu, _ = self.encoder(grids)
        logits: Tensor = self.decoder(mu)
        return logits

    def encode(self, grids: Tensor) -> Encoding:
        """What :attr:`encoder` gives, and what became of the objects of each grid.

        A code that is not made of objects has a part in all of them: it leaves out none.
        """
        mu, logvar = self.encoder(grids)
        return Encoding(mu, logvar, torch.zeros(len(grids), dtype=torch.long))

    def draw(self, z: Tensor, height: int, width: int) -> Tensor:
        """Logits ``(N, C, H, W)`` of codes ``(N, D)`` on grids of a size that :meth:`accepts` allows."""
        logits: Tensor = self.decoder(z)
        return logits

    def paint(self, z: Tensor, height: int, width: int) -> Tensor:
        """As :meth:`draw`, but objects cover each other in the order of their slots, of which there may be any number.

        Codes without slots are drawn as ever.
        """
        return self.draw(z, height, width)

    def accepts(self, height: int, width: int) -> bool:
        """Whether it encodes and draws grids of this size."""
        return self.any_size or height == width == self.grid_size

    @property
    def kl_names(self) -> tuple[str, ...]:
        """Names of the entries in which the KL is told; number d of a code belongs to entry ``d % len(kl_names)``."""
        return tuple(f"z{number}" for number in range(self.latent_dim))

    @property
    def inferred_entries(self) -> range:
        """Entries of the KL that a network infers, by which a collapse is told: here all of them."""
        return range(len(self.kl_names))

    def traversal(self, code: NDArray[np.float32], number: int, steps: NDArray[np.float64]) -> NDArray[np.float64]:
        """Values of one number of a code that show what it means.

        Args:
            code: ``(D,)``, the code that is varied.
            number: Which number, in [0, D).
            steps: ``(T,)``, in standard deviations of the prior, symmetric about 0.

        Returns:
            ``(T,)``.
        """
        return steps

    def slot_numbers(self, z: Tensor) -> Tensor:
        """Codes ``(N, D)`` as slots ``(N, K, D / K)``; of a code without slots, the whole is one."""
        slots = self.slots or 1
        return z.view(len(z), slots, self.latent_dim // slots)

    def object_masks(self, objects: Tensor) -> tuple[Tensor, Tensor]:
        """The cells of single objects as the decoder draws them, whatever else is in their grids.

        Args:
            objects: Slots of codes that hold an object each, ``(M, D / K)``.

        Returns:
            Masks ``(M, F, F)``, bool, and where their upper left corners lie in the grid, ``(M, 2)`` int64, perhaps
            outside of it.

        Raises:
            TypeError: Codes that are not made of objects.
        """
        raise TypeError(f"a {type(self).__name__} has no codes of objects")

    def between(self, first: Tensor, second: Tensor, shares: Tensor) -> Tensor:
        """Codes on the way from one to another: here the straight line between their latents.

        Args:
            first: ``(D,)``.
            second: ``(D,)``.
            shares: ``(T,)``, in [0, 1]: 0 is the first, 1 the second.

        Returns:
            ``(T, D)``.
        """
        start, end = self.latents(torch.stack([first, second]))
        return self.pack(start + shares[:, None] * (end - start))

    @property
    def num_latents(self) -> int:
        """L = D times :attr:`digits`, latents of a code: what refinement moves and priors describe."""
        return self.digits * self.latent_dim

    @property
    def latent_groups(self) -> int:
        """G, groups of latents that an autoregressive prior reads one after the other; a divisor of L.

        Latent ``c * G + g`` is the c-th of group g. Here each latent is a group of its own.
        """
        return self.num_latents

    def latent_networks(self) -> tuple[nn.Module, nn.Module]:
        """Encoder and decoder of latents ``(N, L)``, which training optimises: without the rounding of packed codes."""
        if self.levels is None:
            return self.encoder, self.decoder
        return self.encoder.get_submodule("latents"), self.decoder.get_submodule("latents")

    def latents(self, z: Tensor) -> Tensor:
        """Latents ``(N, L)`` of codes ``(N, D)``: numbers in which the decoder is smooth."""
        return z if self.levels is None else unpack(z, self.digits, self.levels).flatten(1)

    def pack(self, latents: Tensor) -> Tensor:
        """Codes ``(N, D)`` of latents ``(N, L)``: the inverse of :meth:`latents`, which rounds what is packed."""
        if self.levels is None:
            return latents
        return pack(latents.reshape(len(latents), self.digits, self.latent_dim), self.levels)

    def latent_steps(self) -> tuple[Tensor, Tensor]:
        """How far a move of refinement takes each latent, and the largest absolute value that it may have.

        Continuous latents move by a quarter of a standard deviation of the prior and have no limit, those of packed
        codes by one level.

        Returns:
            Step and limit, each ``(L,)`` float64; a step of 0 for what is not to be moved.
        """
        step, limit = 0.25, math.inf
        if self.levels is not None:
            step = 2 * BOUND / self.levels
            limit = BOUND - step / 2
        shape = (self.num_latents,)
        return torch.full(shape, step, dtype=torch.float64), torch.full(shape, limit, dtype=torch.float64)

    def sample_posterior(self, mu: Tensor, logvar: Tensor, noise: Tensor) -> Tensor:
        """Codes or latents drawn from q(z | x).

        Args:
            mu: Means, ``(N, D)`` or ``(N, L)``.
            logvar: Log-variances, of the same shape.
            noise: Draws of N(0, I), of the same shape.
        """
        return mu + noise * (0.5 * logvar).exp()

    def training_noise(self, mu: Tensor) -> Tensor:
        """The noise of :meth:`sample_posterior` in a training step, of the shape of ``mu``."""
        return torch.randn_like(mu)

    def kl(self, mu: Tensor, logvar: Tensor) -> Tensor:
        """KL(q(z | x) || p(z)) of each number in nats: of the shape of ``mu``, ``(N, D)`` or ``(N, L)``."""
        return gaussian_kl(mu, logvar)

    def log_weight(self, z: Tensor, logvar: Tensor, noise: Tensor) -> Tensor:
        """``log p(z) - log q(z | x)`` of codes from :meth:`sample_posterior`, in nats, ``(N,)``.

        Args:
            z: Codes, ``(N, D)``.
            logvar: Log-variances of the posterior that they are from.
            noise: What they were drawn with.
        """
        # The constants of both normal densities cancel.
        return 0.5 * (noise.square() + logvar - z.square()).sum(1)

    def sample_prior(self, count: int, generator: torch.Generator) -> Tensor:
        """``(count, D)`` float32 codes of the prior p(z), here N(0, I), on the CPU as the generator is."""
        return torch.randn(count, self.latent_dim, generator=generator)
