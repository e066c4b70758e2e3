"""Encoder and decoder of small shapes, exact under the eight symmetries of the square by construction.

Both see a shape in one orientation alone. The encoder turns it into its canonical orientation, codes that, and turns
the code back; the decoder turns a code until its largest number comes first, draws the shape of that, and turns the
drawing back. So, whatever the networks have learned, the code of a turned shape is the turned code and a turned code
draws the turned shape; and there is an eighth of the shapes to learn.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from arcvae.grid.models.dihedral import INVERSE, ORDER, Frame, average_over, turn_code

_LOGVAR_RANGE = (-12.0, 4.0)


class DenseBlock(nn.Module):
    """``x + b(gelu(a(norm(x))))``, the identity at first.

    Args:
        width: Features, >= 1.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, width), nn.GELU("tanh"), nn.Linear(width, width)
        )
        last = self.layers[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def forward(self, x: Tensor) -> Tensor:
        """``(M, width)`` to the same shape."""
        y: Tensor = x + self.layers(x)
        return y


def dense_network(inputs: int, width: int, blocks: int, outputs: int) -> nn.Sequential:
    """Inputs to outputs through residual blocks of ``width`` features."""
    return nn.Sequential(
        nn.Linear(inputs, width),
        *(DenseBlock(width) for _ in range(blocks)),
        nn.LayerNorm(width),
        nn.Linear(width, outputs),
    )


def _dtype_of(network: nn.Module) -> torch.dtype:
    return torch.promote_types(next(network.parameters()).dtype, torch.float32)


def parity_planes(parity: Tensor, like: Tensor) -> Tensor:
    """Parity classes ``(M,)`` one-hot, ``(M, 4)``, of the type of ``like``."""
    return nn.functional.one_hot(parity, 4).to(like)


def upright_code(codes: Tensor) -> tuple[Tensor, Tensor]:
    """Codes turned until their largest number among the first eight comes first.

    Args:
        codes: ``(M, S)``.

    Returns:
        The upright codes, and the symmetry that turns each back, ``(M,)`` int64 in [0, 8).

    Example:
        >>> upright, orientation = upright_code(torch.tensor([[0.0, 1, 5, 2, 0, 0, 0, 3]]))
        >>> upright[0, 0].item(), turn_code(upright, orientation)[0].tolist()
        (5.0, [0.0, 1.0, 5.0, 2.0, 0.0, 0.0, 0.0, 3.0])
    """
    # Number h of the turned code is number g^-1 h: with g the inverse of the largest one's index, it comes first.
    orientation = codes[:, :ORDER].argmax(1)
    return turn_code(codes, INVERSE.to(codes.device)[orientation]), orientation


class ShapeEncoder(nn.Module):
    """Shape to Gaussian posterior.

    Args:
        numbers: S, numbers of a code, >= 8; eight for each copy of the regular representation, those beyond the last
            copy do not change under symmetries.
        frame: Where shapes lie.
        width: Features of the dense layers.
        blocks: Residual blocks, >= 0.
    """

    def __init__(self, numbers: int, frame: Frame, width: int, blocks: int) -> None:
        super().__init__()
        self.numbers, self.frame = numbers, frame
        self.network = dense_network(frame.size**2 + 4, width, blocks, 2 * numbers)

    @property
    def dtype(self) -> torch.dtype:
        """Of what it returns: that of its weights, float32 at least."""
        return _dtype_of(self.network)

    def forward(self, shapes: Tensor, parity: Tensor) -> tuple[Tensor, Tensor]:
        """
        Args:
            shapes: ``(M, F F)`` bool.
            parity: ``(M,)`` int64, see :mod:`arcvae.grid.models.dihedral`.

        Returns:
            Mean and log-variance of the posterior, each ``(M, S)``, float32 at least.
        """
        g, stabiliser = self.frame.canonical(shapes, parity)
        upright, classes = self.frame.turn(shapes, parity, g)
        cells = upright.to(next(self.network.parameters()).dtype)
        found = self.network(torch.cat([cells, parity_planes(classes, cells)], 1)).to(self.dtype)
        # A symmetric shape is left as it is by some symmetries, and so is its code.
        back = INVERSE.to(g.device)[g]
        mu, logvar = (turn_code(average_over(part, stabiliser), back) for part in found.chunk(2, 1))
        return mu, logvar.clamp(*_LOGVAR_RANGE)


class ShapeDecoder(nn.Module):
    """Code to the scores of the cells of a shape; takes the arguments of :class:`ShapeEncoder`."""

    def __init__(self, numbers: int, frame: Frame, width: int, blocks: int) -> None:
        super().__init__()
        self.numbers, self.frame = numbers, frame
        self.network = dense_network(numbers + 4, width, blocks, frame.size**2)

    @property
    def dtype(self) -> torch.dtype:
        """Of what it takes and returns: that of its weights, float32 at least."""
        return _dtype_of(self.network)

    def forward(self, codes: Tensor, parity: Tensor) -> Tensor:
        """
        Args:
            codes: ``(M, S)``.
            parity: ``(M,)`` int64.

        Returns:
            Log-odds that each cell of the frame is of the shape, ``(M, F F)``; meaningless where the parity
            class leaves a cell unused.
        """
        upright, orientation = upright_code(codes)
        classes = self.frame.parity.to(codes.device)[parity, INVERSE.to(codes.device)[orientation]]
        scores = self.network(torch.cat([upright, parity_planes(classes, upright)], 1)).to(self.dtype)
        drawn, _ = self.frame.turn(scores, classes, orientation)
        return drawn
