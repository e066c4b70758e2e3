"""What cepstral coefficients say of the spectrum: a cosine series over the mel axis."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def middles(points: int) -> Tensor:
    """Places of so many equal bands on the mel axis, ``(points,)`` float64, as shares of it."""
    return (torch.arange(points, dtype=torch.float64) + 0.5) / points


def cosines(places: Tensor, count: int, points: int) -> Tensor:
    """The spectrum at some places of the mel axis, as far as coefficients tell it.

    Args:
        places: ``(*,)`` float64, shares of the axis; beyond its ends, [0, 1], the spectrum is mirrored.
        count: Coefficients of an orthonormal DCT-II, from the first on.
        points: Bands of the spectrum, which set its scale: :func:`middles` of as many make the columns orthonormal.

    Returns:
        Weights of the coefficients, ``(*, count)``.

    Example:
        >>> basis = cosines(middles(8), 3, 8)
        >>> torch.allclose(basis.T @ basis, torch.eye(3).double())
        True
    """
    order = torch.arange(count, dtype=torch.float64)
    scale = torch.where(order > 0, math.sqrt(2), 1.0) / math.sqrt(points)
    return scale * torch.cos(math.pi * order * places[..., None])
