"""Encoders and decoders of grids. `BetaVAE` is the reference architecture; encoder and decoder stand alone.

`SpatialVAE`, in a module of its own, is the one that reconstructs most.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Final

import torch
from torch import Tensor, nn

from arcvae.grid.layers import color_logits, one_hot, scale_like_prior
from arcvae.grid.spatial import SpatialVAE


class ConvEncoder(nn.Module):
    """Grid to Gaussian posterior: a k3 s1 convolution, then k3 s2 ones that halve the grid, then dense.

    Args:
        latent_dim: D, >= 1.
        num_colors: C, >= 2.
        grid_size: H = W; divisible by 2 for each width after the first.
        widths: Channels of the convolutions, one at least.
        hidden: Units of the dense layer.

    Raises:
        ValueError: ``grid_size`` cannot be halved often enough.
    """

    def __init__(
        self,
        latent_dim: int = 10,
        num_colors: int = 10,
        grid_size: int = 16,
        widths: Sequence[int] = (32, 64, 128),
        hidden: int = 128,
    ) -> None:
        super().__init__()
        self.num_colors = num_colors
        bottom = bottom_size(grid_size, widths)
        layers: list[nn.Module] = [nn.Conv2d(num_colors, widths[0], 3, padding=1), nn.ReLU()]
        for before, after in pairwise(widths):
            layers += [nn.Conv2d(before, after, 3, stride=2, padding=1), nn.ReLU()]
        self.convolutions = nn.Sequential(*layers)
        self.dense = nn.Sequential(nn.Flatten(), nn.Linear(widths[-1] * bottom**2, hidden), nn.ReLU())
        self.mu = nn.Linear(hidden, latent_dim)
        self.logvar = nn.Linear(hidden, latent_dim)

    def forward(self, grids: Tensor) -> tuple[Tensor, Tensor]:
        """
        Args:
            grids: ``(N, H, W)``, any integer type, colours in ``[0, C)``.

        Returns:
            Mean and log-variance of the posterior, each ``(N, D)``.
        """
        planes = one_hot(grids, self.num_colors, self.mu.weight.dtype)  # (N, C, H, W)
        features = self.dense(self.convolutions(planes))  # (N, hidden)
        return self.mu(features), self.logvar(features)


class ConvDecoder(nn.Module):
    """Code to colour logits: dense twice, then transposed k4 s2 convolutions that double, then a k3 one.

    Takes the arguments of :class:`ConvEncoder` and mirrors it.
    """

    def __init__(
        self,
        latent_dim: int = 10,
        num_colors: int = 10,
        grid_size: int = 16,
        widths: Sequence[int] = (32, 64, 128),
        hidden: int = 128,
    ) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        bottom = bottom_size(grid_size, widths)
        self.dense = nn.Sequential(
            nn.Linear(latent_dim, hidden), nn.ReLU(), nn.Linear(hidden, widths[-1] * bottom**2), nn.ReLU()
        )
        self.unflatten = nn.Unflatten(1, (widths[-1], bottom, bottom))
        layers: list[nn.Module] = []
        for before, after in pairwise(widths[::-1]):
            layers += [nn.ConvTranspose2d(before, after, 4, stride=2, padding=1), nn.ReLU()]
        self.convolutions = nn.Sequential(*layers, nn.Conv2d(widths[0], num_colors, 3, padding=1))

    def forward(self, z: Tensor) -> Tensor:
        """
        Args:
            z: Codes, ``(N, D)``.

        Returns:
            Logits, ``(N, C, H, W)``.
        """
        return self.convolutions(self.unflatten(self.dense(z)))


def bottom_size(grid_size: int, widths: Sequence[int]) -> int:
    """Side of the smallest feature map; ValueError when the grid cannot be halved once per width after the first."""
    halvings = len(widths) - 1
    if halvings < 0 or grid_size <= 0 or grid_size % 2**halvings:
        raise ValueError(f"a grid of size {grid_size} cannot be halved {halvings} times, once per width in {widths}")
    return grid_size // 2**halvings


class BetaVAE(nn.Module):
    """Encoder and decoder of the reference beta-VAE; 792,542 parameters at D = 10.

    ``10x16x16 -> conv 32 -> conv 64 s2 -> conv 128 s2 -> 2048 -> 128 -> mu, logvar`` and back, ReLU throughout.

    Args:
        latent_dim: D, >= 1.
        num_colors: C, >= 2.
        grid_size: H = W.
        widths: Channels of the encoder's convolutions; the decoder mirrors them.
        hidden: Units of the dense layers.

    Example:
        >>> vae = BetaVAE(latent_dim=10)
        >>> sum(p.numel() for p in vae.parameters())
        792542
        >>> mu, logvar = vae.encoder(torch.zeros(2, 16, 16, dtype=torch.uint8))
        >>> vae.decoder(mu).shape
        torch.Size([2, 10, 16, 16])
    """

    def __init__(
        self,
        latent_dim: int = 10,
        num_colors: int = 10,
        grid_size: int = 16,
        widths: Sequence[int] = (32, 64, 128),
        hidden: int = 128,
    ) -> None:
        super().__init__()
        self.latent_dim, self.num_colors, self.grid_size = latent_dim, num_colors, grid_size
        self.encoder = ConvEncoder(latent_dim, num_colors, grid_size, widths, hidden)
        self.decoder = ConvDecoder(latent_dim, num_colors, grid_size, widths, hidden)

    def forward(self, grids: Tensor) -> Tensor:
        """Logits ``(N, C, H, W)`` decoded from the posterior means of grids ``(N, H, W)``."""
        mu, _ = self.encoder(grids)
        return self.decoder(mu)


class SeparableDecoder(nn.Module):
    """Code to colour logits, made to place small sharp things: each map is a row profile times a column profile.

    One wide layer reads the code. From it come ``maps`` pairs of profiles over rows and over columns, whose outer
    products put a thing at a row and a column at once, and a coarse map of the grid for whatever is not a product.
    Convolutions over both draw the shapes. They work on blocks of 2 x 2 cells, with the cells of a block as
    channels: as sharp as one feature per cell, and 1.6 times faster to train.

    Args:
        latent_dim: D, >= 1.
        num_colors: C, >= 2.
        grid_size: H = W; divisible by 4.
        maps: Outer products.
        coarse: Channels of the 4 times coarser map.
        width: Channels of the convolutions.
        hidden: Units of the wide layer.
        background_share: Share of background cells that the first predictions shall have, (0, 1): starting from
            what the marginal says instead of from all colours alike saves the steps that would learn it.

    Raises:
        ValueError: ``grid_size`` is not divisible by 4.

    References:
        The outer products are the separable form of the spatial broadcast decoder, Watters et al. 2019.
        https://arxiv.org/abs/1901.07017. The blocks are those of Shi et al. 2016, section 3.2.
        https://arxiv.org/abs/1609.05158
    """

    def __init__(
        self,
        latent_dim: int = 10,
        num_colors: int = 10,
        grid_size: int = 16,
        maps: int = 32,
        coarse: int = 32,
        width: int = 48,
        hidden: int = 384,
        background_share: float = 0.93,
    ) -> None:
        super().__init__()
        if grid_size % 4:
            raise ValueError(f"a grid of size {grid_size} cannot be divided by 4, as the coarse map needs")
        self.latent_dim, self.grid_size = latent_dim, grid_size
        self.trunk = nn.Sequential(nn.Linear(latent_dim, hidden), nn.ReLU(), nn.LayerNorm(hidden))
        self.profiles = nn.Sequential(nn.Linear(hidden, 2 * maps * grid_size), nn.Unflatten(1, (2, maps, grid_size)))
        side = grid_size // 4
        self.coarse = nn.Sequential(
            nn.Linear(hidden, coarse * side**2), nn.Unflatten(1, (coarse, side, side)), nn.Upsample(scale_factor=2)
        )
        self.convolutions = nn.Sequential(
            nn.Conv2d(4 * maps + coarse, width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.ReLU(),
            color_logits(width, num_colors, background_share),
            nn.PixelShuffle(2),
        )

    def forward(self, z: Tensor) -> Tensor:
        """
        Args:
            z: Codes, ``(N, D)``.

        Returns:
            Logits, ``(N, C, H, W)``.
        """
        h = self.trunk(z)  # (N, hidden)
        rows, columns = self.profiles(h).unbind(1)  # (N, maps, S) each
        products = rows[..., :, None] * columns[..., None, :]  # (N, maps, S, S)
        features = torch.cat([nn.functional.pixel_unshuffle(products, 2), self.coarse(h)], 1)
        return self.convolutions(features.contiguous(memory_format=torch.channels_last))


class SeparableVAE(nn.Module):
    """The model for small codes: a convolutional encoder and a :class:`SeparableDecoder`.

    Args:
        latent_dim: D, >= 1.
        num_colors: C, >= 2.
        grid_size: H = W; divisible by 4.
        widths: Channels of the encoder's convolutions; each after the first halves the grid.
        hidden: Units of the dense layers.
        maps: See :class:`SeparableDecoder`.
        coarse: See :class:`SeparableDecoder`.
        decoder_width: Channels of the decoder's convolutions.

    Example:
        >>> vae = SeparableVAE(latent_dim=10)
        >>> vae(torch.zeros(2, 16, 16, dtype=torch.uint8)).shape
        torch.Size([2, 10, 16, 16])
    """

    def __init__(
        self,
        latent_dim: int = 10,
        num_colors: int = 10,
        grid_size: int = 16,
        widths: Sequence[int] = (32, 64, 128),
        hidden: int = 384,
        maps: int = 32,
        coarse: int = 32,
        decoder_width: int = 48,
    ) -> None:
        super().__init__()
        self.latent_dim, self.num_colors, self.grid_size = latent_dim, num_colors, grid_size
        self.encoder = ConvEncoder(latent_dim, num_colors, grid_size, widths, hidden)
        self.encoder.dense.append(nn.LayerNorm(hidden))
        scale_like_prior(self.encoder.mu)
        nn.init.zeros_(self.encoder.logvar.weight)
        self.decoder = SeparableDecoder(latent_dim, num_colors, grid_size, maps, coarse, decoder_width, hidden)

    def forward(self, grids: Tensor) -> Tensor:
        """Logits ``(N, C, H, W)`` decoded from the posterior means of grids ``(N, H, W)``."""
        mu, _ = self.encoder(grids)
        return self.decoder(mu)


MODELS: Final[Mapping[str, type[nn.Module]]] = {
    f"{model.__module__}.{model.__qualname__}": model for model in (BetaVAE, SeparableVAE, SpatialVAE)
}
"""The models that a file may name: each takes config values and has ``encoder``, ``decoder`` and their sizes."""
