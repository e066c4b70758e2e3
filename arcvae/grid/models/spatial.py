"""A model whose latents each belong to a patch of the grid."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from arcvae.grid.models.base import GridModel
from arcvae.grid.models.layers import color_logits, one_hot, scale_like_prior
from arcvae.grid.models.packing import PackedDecoder, PackedEncoder, bounded, rounding_logvar
from arcvae.grid.settings import PATCH, patches_problem


class ChannelNorm(nn.LayerNorm):
    """Layer normalisation over the channels of each cell, ``(N, C, H, W)``."""

    def forward(self, input: Tensor) -> Tensor:
        """``(N, C, H, W)``, normalised over C."""
        normalised: Tensor = super().forward(input.permute(0, 2, 3, 1))
        return normalised.permute(0, 3, 1, 2)


class ResidualBlock(nn.Module):
    """``x + conv(norm(relu(conv(norm(relu(x))))))`` with k3 convolutions that keep width and size.

    Args:
        width: Channels, >= 1.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.ReLU(),
            ChannelNorm(width),
            nn.Conv2d(width, width, 3, padding=1),
            nn.ReLU(),
            ChannelNorm(width),
            nn.Conv2d(width, width, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """``(N, width, H, W)`` to the same shape."""
        change: Tensor = self.layers(x)
        return x + change


def latent_map_shape(latents: int, grid_size: int) -> tuple[int, int, int]:
    """Channels, rows and columns of the map that L latents of a grid form, channel by channel.

    Raises:
        ValueError: The grid cannot be divided into patches, or L is not a multiple of their number.

    Example:
        >>> latent_map_shape(80, 16)
        (5, 4, 4)
    """
    if problem := patches_problem(latents, grid_size):
        raise ValueError(problem)
    side = grid_size // PATCH
    return latents // side**2, side, side


class SpatialEncoder(nn.Module):
    """Grid to Gaussian posterior, by patches of 4 x 4 cells: each latent describes a patch and sees its neighbourhood.

    Blocks of 2 x 2 cells, then of 2 x 2 such blocks, become channels, so that downsampling loses nothing.

    Args:
        latents: L, a multiple of the number of patches; see :func:`latent_map_shape`.
        num_colors: C, >= 2.
        grid_size: H = W; divisible by 4.
        width: Channels of the convolution over blocks.
        patch_width: Channels of the convolutions over patches.
        blocks: Residual blocks over patches, >= 0.
        levels: Levels of each latent if they are to be packed: means are then bounded and the noise has the size of
            the rounding error. None: both are learned.

    Raises:
        ValueError: As :func:`latent_map_shape`.
    """

    def __init__(
        self,
        latents: int = 80,
        num_colors: int = 10,
        grid_size: int = 16,
        width: int = 64,
        patch_width: int = 128,
        blocks: int = 1,
        levels: int | None = None,
    ) -> None:
        super().__init__()
        self.num_colors, self.levels = num_colors, levels
        channels, _, _ = latent_map_shape(latents, grid_size)
        self.convolutions = nn.Sequential(
            nn.PixelUnshuffle(2),
            nn.Conv2d(4 * num_colors, width, 3, padding=1),
            nn.ReLU(),
            nn.PixelUnshuffle(2),
            nn.Conv2d(4 * width, patch_width, 3, padding=1),
            *(ResidualBlock(patch_width) for _ in range(blocks)),
            nn.ReLU(),
            ChannelNorm(patch_width),
        )
        self.mu = nn.Conv2d(patch_width, channels, 1)
        scale_like_prior(self.mu)
        if levels is None:
            self.logvar = nn.Conv2d(patch_width, channels, 1)
            nn.init.zeros_(self.logvar.weight)

    def forward(self, grids: Tensor) -> tuple[Tensor, Tensor]:
        """
        Args:
            grids: ``(N, H, W)``, any integer type, colours in ``[0, C)``.

        Returns:
            Mean and log-variance of the posterior, each ``(N, L)``.
        """
        planes = one_hot(grids, self.num_colors, self.mu.weight.dtype)  # (N, C, H, W)
        features = self.convolutions(planes.contiguous(memory_format=torch.channels_last))  # (N, patch_width, H/4, W/4)
        mu = self.mu(features).flatten(1)
        if self.levels is None:
            return mu, self.logvar(features).flatten(1)
        return bounded(mu), torch.full_like(mu, rounding_logvar(self.levels))


class SpatialDecoder(nn.Module):
    """Latents to colour logits, by patches; takes the sizes of :class:`SpatialEncoder` and mirrors it.

    Args:
        background_share: See :class:`SeparableDecoder`.
    """

    def __init__(
        self,
        latents: int = 80,
        num_colors: int = 10,
        grid_size: int = 16,
        width: int = 64,
        patch_width: int = 128,
        blocks: int = 1,
        background_share: float = 0.93,
    ) -> None:
        super().__init__()
        channels, rows, columns = latent_map_shape(latents, grid_size)
        self.unflatten = nn.Unflatten(1, (channels, rows, columns))
        self.convolutions = nn.Sequential(
            nn.Conv2d(channels, patch_width, 3, padding=1),
            *(ResidualBlock(patch_width) for _ in range(blocks)),
            nn.ReLU(),
            ChannelNorm(patch_width),
            nn.Conv2d(patch_width, 4 * width, 1),
            nn.PixelShuffle(2),
            ChannelNorm(width),
            nn.Conv2d(width, width, 3, padding=1),
            nn.ReLU(),
            color_logits(width, num_colors, background_share),
            nn.PixelShuffle(2),
        )

    def forward(self, z: Tensor) -> Tensor:
        """
        Args:
            z: Latents, ``(N, L)``.

        Returns:
            Logits, ``(N, C, H, W)``.
        """
        latent_map: Tensor = self.unflatten(z)  # (N, L / 16, H/4, W/4)
        logits: Tensor = self.convolutions(latent_map.contiguous(memory_format=torch.channels_last))
        return logits


class SpatialVAE(GridModel):
    """The most accurate of the models without objects: every latent belongs to a patch of 4 x 4 cells.

    A latent then means the same everywhere in the grid and is learned from all patches at once; a dense layer has to
    learn each position on its own. With ``digits`` above 1 several latents share a number of the code; see
    :mod:`arcvae.grid.models.packing`.

    Args:
        latent_dim: D, >= 1; times ``digits`` a multiple of the number of patches, 16 in a grid of 16 x 16.
        num_colors: C, >= 2.
        grid_size: H = W; divisible by 4.
        width: Channels of the convolutions over blocks of 2 x 2 cells.
        patch_width: Channels of the convolutions over patches.
        blocks: Residual blocks over patches, in encoder and decoder each.
        digits: Latents in each number of a code.
        levels: Values of a digit, see :func:`arcvae.grid.models.packing.pack`; unused for one digit.

    Raises:
        ValueError: As :func:`latent_map_shape`, or more digits than float32 holds.

    Example:
        >>> vae = SpatialVAE(latent_dim=64)
        >>> vae(torch.zeros(2, 16, 16, dtype=torch.uint8)).shape
        torch.Size([2, 10, 16, 16])
    """

    def __init__(
        self,
        latent_dim: int = 64,
        num_colors: int = 10,
        grid_size: int = 16,
        width: int = 64,
        patch_width: int = 128,
        blocks: int = 1,
        digits: int = 1,
        levels: int = 8,
    ) -> None:
        super().__init__(latent_dim, num_colors, grid_size, digits=digits, levels=levels)
        sizes = (digits * latent_dim, num_colors, grid_size, width, patch_width, blocks)
        encoder, decoder = SpatialEncoder(*sizes, self.levels), SpatialDecoder(*sizes)
        self.encoder = encoder if digits == 1 else PackedEncoder(encoder, digits, levels)
        self.decoder = decoder if digits == 1 else PackedDecoder(decoder, digits, levels)

    @property
    def latent_groups(self) -> int:
        """Patches: latent ``c * G + g`` is the c-th of patch g, in rows from the top left."""
        return (self.grid_size // PATCH) ** 2
