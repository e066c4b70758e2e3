"""A last layer whose logits depend on directions alone, so that no class wins by the length of its vector."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


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
