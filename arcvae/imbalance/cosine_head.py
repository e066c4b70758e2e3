"""A last layer whose logits depend on directions alone, so that no class wins by the length of its vector."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from arcvae.imbalance.settings import HEADS


def cosine_scale(head: str, scale: float) -> float | None:
    """What the cosines are multiplied by that the logits of a model are made of, or None for those of a linear layer.

    Args:
        head: One of :data:`~arcvae.imbalance.settings.HEADS`.
        scale: Of a cosine head.

    Raises:
        ValueError: Another head.
    """
    if head not in HEADS:
        raise ValueError(f"head={head} must be one of {', '.join(HEADS)}")
    return scale if head == "cosine" else None


class CosineHead(nn.Module):
    """``s cos(x, w_c)`` for each class c: features and class vectors are normalised.

    With a linear layer, frequent classes get longer vectors and win for that reason. The loss ``ldam`` needs this head.

    Args:
        features: Size of x, F.
        num_classes: C.
        scale: s, > 0: logits lie in [-s, s], and no probability exceeds ``1 / (1 + (C - 1) exp(-2 s))``.

    References:
        Wang et al. 2018, section 3.1. https://arxiv.org/abs/1801.09414

    Example:
        >>> head = CosineHead(2, 3, scale=10.0)
        >>> x = torch.tensor([[3.0, 4.0]])
        >>> bool(torch.allclose(head(x), head(7 * x)))
        True
    """

    def __init__(self, features: int, num_classes: int, scale: float) -> None:
        super().__init__()
        self.scale = scale
        self.weight = nn.Parameter(F.normalize(torch.randn(num_classes, features), dim=1))

    def forward(self, features: Tensor) -> Tensor:
        """Features ``(N, F)`` to logits ``(N, C)``; those of a feature of zeros are 0."""
        return self.scale * F.linear(F.normalize(features, dim=-1), F.normalize(self.weight, dim=1))


class CosineConv2d(nn.Module):
    """The same at every place of a map: ``s cos`` of the patch around it and a k x k kernel for each class.

    Args:
        channels: Of the map, F.
        num_classes: C.
        size: k, odd; outside of the map are zeros.
        scale: s, > 0.

    Example:
        >>> CosineConv2d(4, 10, size=3, scale=30.0)(torch.rand(2, 4, 16, 16)).shape
        torch.Size([2, 10, 16, 16])
    """

    def __init__(self, channels: int, num_classes: int, *, size: int, scale: float) -> None:
        super().__init__()
        self.scale, self.padding = scale, size // 2
        self.weight = nn.Parameter(_normalized(torch.randn(num_classes, channels, size, size)))

    def forward(self, features: Tensor) -> Tensor:
        """Features ``(N, F, H, W)`` to logits ``(N, C, H, W)``; those of a patch of zeros are 0."""
        kernels = _normalized(self.weight)
        dots = F.conv2d(features, kernels, padding=self.padding)
        ones = torch.ones_like(self.weight[:1, :1])
        squares = F.conv2d(features.square().sum(1, keepdim=True), ones, padding=self.padding)  # (N, 1, H, W)
        return self.scale * dots / squares.clamp_min(1e-12).sqrt()


def _normalized(kernels: Tensor) -> Tensor:
    """Kernels ``(C, F, h, w)``, each of length 1."""
    return F.normalize(kernels.flatten(1), dim=1).view_as(kernels)
