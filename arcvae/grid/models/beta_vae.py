"""The reference model: a convolutional beta-VAE."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from arcvae.grid.models.base import GridModel
from arcvae.grid.models.layers import one_hot
from arcvae.grid.settings import halving_problem
from arcvae.imbalance.cosine_head import CosineConv2d, cosine_scale


class ConvEncoder(nn.Module):
    """Grid to Gaussian posterior: a k3 s1 convolution, k3 s2 ones that each halve the grid, then a dense layer.

    Args:
        latent_dim: D, >= 1.
        num_colors: C, >= 2.
        grid_size: H = W; divisible by 2 for each width after the first.
        widths: Channels of the convolutions, at least one.
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
    """Code to colour logits: two dense layers, transposed k4 s2 convolutions that each double the size, then a k3 one.

    Takes the arguments of :class:`ConvEncoder`, which it mirrors, and two more of :class:`BetaVAE`.
    """

    def __init__(
        self,
        latent_dim: int = 10,
        num_colors: int = 10,
        grid_size: int = 16,
        widths: Sequence[int] = (32, 64, 128),
        hidden: int = 128,
        head: str = "linear",
        scale: float = 30.0,
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
        if head == "linear":
            layers.append(nn.Conv2d(widths[0], num_colors, 3, padding=1))
        else:
            layers.append(CosineConv2d(widths[0], num_colors, size=3, scale=scale))
        self.convolutions = nn.Sequential(*layers)

    def forward(self, z: Tensor) -> Tensor:
        """
        Args:
            z: Codes, ``(N, D)``.

        Returns:
            Logits, ``(N, C, H, W)``.
        """
        logits: Tensor = self.convolutions(self.unflatten(self.dense(z)))
        return logits


def bottom_size(grid_size: int, widths: Sequence[int]) -> int:
    """Side of the smallest feature map.

    Raises:
        ValueError: The grid cannot be halved once for each width after the first.

    Example:
        >>> bottom_size(16, (32, 64, 128))
        4
    """
    if problem := halving_problem(grid_size, widths):
        raise ValueError(problem)
    return grid_size >> (len(widths) - 1)


class BetaVAE(GridModel):
    """Encoder and decoder of the reference beta-VAE; 792,542 parameters at D = 10.

    ``10x16x16 -> conv 32 -> conv 64 s2 -> conv 128 s2 -> 2048 -> 128 -> mu, logvar`` and back, ReLU throughout.

    Args:
        latent_dim: D, >= 1.
        num_colors: C, >= 2.
        grid_size: H = W.
        widths: Channels of the encoder's convolutions; the decoder mirrors them.
        hidden: Units of the dense layers.
        head: The last convolution, ``"linear"`` or ``"cosine"`` (:class:`~arcvae.imbalance.cosine_head.CosineConv2d`).
        scale: What a cosine head multiplies cosines by, > 0; of no effect beside a linear one.

    Raises:
        ValueError: Another head, or a size that cannot be halved often enough.

    Example:
        >>> import torch
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
        head: str = "linear",
        scale: float = 30.0,
    ) -> None:
        super().__init__(latent_dim, num_colors, grid_size)
        self.cosine_scale = cosine_scale(head, scale)
        self.encoder = ConvEncoder(latent_dim, num_colors, grid_size, widths, hidden)
        self.decoder = ConvDecoder(latent_dim, num_colors, grid_size, widths, hidden, head, scale)
