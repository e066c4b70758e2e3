"""Latents as tokens, which an autoregressive prior predicts, and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from arcvae.grid.models.base import GridModel
from arcvae.grid.models.packing import BOUND, level_of, middle_of

BINS: Final = 128
"""Bins of a continuous latent, a sixteenth of a standard deviation of N(0, 1) wide."""
LARGEST_LATENT: Final = 4.0
"""End of the outermost bins: larger latents count as this."""


@dataclass(frozen=True)
class LatentQuantizer:
    """How the latents of a model are quantised, and in which order a prior reads them.

    Args:
        groups: G, groups of latents that are read one after the other, such as the patches of a grid.
        channels: Latents in each group. Latent ``c * groups + g`` is the c-th of group g, as in a map of channels.
        levels: Size of the vocabulary, >= 2: latents between -bound and bound fall into so many equal bins.
        bound: Largest absolute value of a latent; larger ones count as this.
        discrete: Whether latents are always in the middle of a bin, as packed ones are.
    """

    groups: int
    channels: int
    levels: int
    bound: float
    discrete: bool

    @classmethod
    def of(cls, model: GridModel) -> LatentQuantizer:
        """The quantiser of a model's latents: its own levels if they are packed, else :data:`BINS` bins.

        Example:
            >>> from arcvae.grid.models.spatial import SpatialVAE
            >>> LatentQuantizer.of(SpatialVAE(latent_dim=10, digits=8))
            LatentQuantizer(groups=16, channels=5, levels=8, bound=2.0, discrete=True)
        """
        groups = model.latent_groups
        channels = model.num_latents // groups
        if model.levels is None:
            return cls(groups, channels, BINS, LARGEST_LATENT, discrete=False)
        return cls(groups, channels, model.levels, BOUND, discrete=True)

    def tokens(self, latents: Tensor) -> Tensor:
        """Latents ``(N, L)`` as tokens ``(N, groups, channels)``, int64 in [0, levels)."""
        levels = level_of(latents, self.levels, self.bound).long()
        return levels.view(len(latents), self.channels, self.groups).transpose(1, 2)

    def latents(self, tokens: Tensor, generator: torch.Generator) -> Tensor:
        """Latents ``(N, L)`` of tokens: the middle of the bin, or a uniform draw from it if latents are continuous."""
        level = tokens.transpose(1, 2).flatten(1).float()  # (N, L)
        if not self.discrete:
            level = level + torch.rand(level.shape, generator=generator) - 0.5
        return middle_of(level, self.levels, self.bound)
