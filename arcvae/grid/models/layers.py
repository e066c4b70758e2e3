"""First and last layers of the models of grids: colours in, logits of colours out."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def one_hot(grids: Tensor, num_colors: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Grids ``(N, H, W)`` with colours in ``[0, C)`` as indicator planes ``(N, C, H, W)``.

    A cell with any other value, as cells that are ignored have, is 0 in all planes. Comparing instead of scattering
    spares the conversion of the grids to int64, eight times their size.

    Example:
        >>> one_hot(torch.tensor([[[1]]]), 3).flatten()
        tensor([0., 1., 0.])
    """
    colors = torch.arange(num_colors, device=grids.device, dtype=grids.dtype)
    return (grids.unsqueeze(1) == colors.view(1, -1, 1, 1)).to(dtype)  # (N, C, H, W)


def color_logits(width: int, num_colors: int, background_share: float) -> nn.Conv2d:
    """Last layer of a decoder that works on blocks of 2 x 2 cells: ``(N, width, H, W)`` to ``(N, 4 C, H, W)``.

    Args:
        width: Channels that it reads.
        num_colors: C, >= 2.
        background_share: Share of the background in the first predictions, (0, 1); the other colours share the rest.

    References:
        The initial bias is that of Lin et al. 2017, section 4.1. https://arxiv.org/abs/1708.02002
    """
    layer = nn.Conv2d(width, 4 * num_colors, 1)
    bias = torch.full((num_colors,), (1 - background_share) / (num_colors - 1)).log()
    bias[0] = math.log(background_share)
    with torch.no_grad():
        layer.bias.copy_(bias.repeat_interleave(4))  # type: ignore[union-attr]
    return layer


def dense_blocks(width: int, depth: int) -> list[nn.Module]:
    """Residual blocks of two dense layers, each the identity at first, and a last normalisation; nothing for depth 0.

    Args:
        width: Features, ``(N, width)`` in and out.
        depth: Blocks, >= 0.
    """
    return [*(_DenseBlock(width) for _ in range(depth)), nn.LayerNorm(width)] if depth else []


class _DenseBlock(nn.Module):
    """``x + W2 gelu(W1 norm(x))``, with W2 = 0 at first."""

    def __init__(self, width: int) -> None:
        super().__init__()
        last = nn.Linear(width, width)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.change = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), last)

    def forward(self, x: Tensor) -> Tensor:
        """Features ``(N, width)``."""
        changed: Tensor = x + self.change(x)
        return changed


def scale_like_prior(mu: nn.Linear | nn.Conv2d) -> None:
    """Initialise the layer of the posterior means so that codes start with the scale of the prior.

    Default initialisation gives means near 0, from which the decoder learns nothing until they have grown.

    Args:
        mu: Layer that computes posterior means from normalised features.
    """
    nn.init.normal_(mu.weight, std=mu.weight[0].numel() ** -0.5)
