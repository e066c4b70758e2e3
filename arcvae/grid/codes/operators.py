"""Small networks that change shapes by their numbers alone: nothing is drawn, nothing is encoded.

An operator takes the numbers and the parity class of a shape, or of two shapes and how far apart they lie, and gives
the numbers of the result, how far its centre lies from that of the (first) shape in half cells, which also tells its
parity class, and whether there is one at all. They are trained once for each model
(:mod:`arcvae.grid.operations.operator_training`) and fit its numbers only.

They see shapes as the decoder does, turned until the largest number comes first, and what they find is turned back. So
they commute with the eight symmetries by construction: the operator on a turned shape gives the turned result. A
symmetric shape can be turned upright in several ways; of which one is taken, the result depends as far as training has
not made it the same. (To average over them costs exactness: a code that is exactly symmetric is not always that which
the decoder draws best.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from arcvae.grid.models.dihedral import INVERSE, ORDER, turn_code, turn_vector
from arcvae.grid.models.objects import ObjectsVAE
from arcvae.grid.models.shapes import dense_network, parity_planes, upright_code

RATIOS: Final = ((2, 1), (3, 1), (1, 2))
"""Factors that there are operators for: cells become blocks of so many cells, blocks of so many cells become cells."""
CHANGES: Final = ("scale(2)", "scale(3)", "scale(1/2)", "symmetrize(x)", "symmetrize(y)")
"""What is done to one shape; the first are the factors of :data:`RATIOS`."""
MIRROR_X, MIRROR_Y = len(RATIOS), len(RATIOS) + 1
SHRINK: Final = len(RATIOS) - 1
SETS: Final = ("union", "intersection", "difference")
"""What is done to two shapes."""
NOTHING, ONE, OTHER = range(3)
"""What is left: no cell; one object that fits a slot; several parts, or what is too large for a slot."""


@dataclass(frozen=True)
class Changed:
    """What an operator makes of M shapes, as training sees it.

    Attributes:
        shapes: ``(M, S)``, numbers of the results.
        kinds: ``(M, 3)``, logits of :data:`NOTHING`, :data:`ONE` and :data:`OTHER`.
        shifts: ``(M, 2, 2 F + 1)``, logits of how far the centre moves, down and to the right, -F to F half cells; of
            the upright shape.
        upright: ``(M,)``, the symmetry that turned each shape upright.
        signed: ``(M,)`` bool; where not, shifts are those of a box whose top left corner stays, however it is turned.
    """

    shapes: Tensor
    kinds: Tensor
    shifts: Tensor
    upright: Tensor
    signed: Tensor

    def kind(self) -> Tensor:
        """``(M,)`` int64: :data:`NOTHING`, :data:`ONE` or :data:`OTHER`."""
        return self.kinds.argmax(1)

    def shift(self) -> Tensor:
        """How far the centre moves, ``(M, 2)`` int64, down and to the right, in half cells."""
        found = self.shifts.argmax(2) - self.shifts.shape[2] // 2
        return _turned(found, INVERSE.to(found.device)[self.upright], self.signed)

    def shift_targets(self, shift: Tensor) -> Tensor:
        """The classes ``(M, 2)`` of :attr:`shifts` that stand for shifts ``(M, 2)`` as :meth:`shift` gives them."""
        half = self.shifts.shape[2] // 2
        return _turned(shift, self.upright, self.signed).clamp(-half, half) + half


class ShapeOperators(nn.Module):
    """The operators of one model: a network for what is done to one shape, and one for what is done to two.

    Args:
        model: Whose numbers they change; only its sizes are read.
        width: Features of the dense layers.
        blocks: Residual blocks of each network.

    Example:
        >>> operators = ShapeOperators(ObjectsVAE(width=8), width=16, blocks=1)
        >>> z, parity = torch.randn(3, 8), torch.tensor([0, 1, 3])
        >>> found = operators.change(z, parity, torch.tensor([0, 1, 2]))
        >>> found.shapes.shape, found.kind().shape, found.shift().shape
        (torch.Size([3, 8]), torch.Size([3]), torch.Size([3, 2]))
    """

    def __init__(self, model: ObjectsVAE, width: int = 256, blocks: int = 2) -> None:
        super().__init__()
        self.sizes = {"width": width, "blocks": blocks}
        self.frame, self.numbers = model.frame, model.shape_numbers
        reach = 2 * self.frame.size + 1
        self.outputs = (self.numbers, 3, 2 * reach)
        one = self.numbers + 4 + len(CHANGES) + 2
        two = 2 * (self.numbers + 4) + len(SETS) + 3 + 2 * (2 * reach - 1)
        self.one = dense_network(one, width, blocks, sum(self.outputs))
        self.two = dense_network(two, width, blocks, sum(self.outputs))

    def change(self, shapes: Tensor, parity: Tensor, change: Tensor) -> Changed:
        """Change shapes one by one.

        Args:
            shapes: ``(M, S)``.
            parity: ``(M,)`` int64, parity classes.
            change: ``(M,)`` int64, which of :data:`CHANGES`.
        """
        upright, classes, g = self._upright(shapes, parity)
        mirrored = change >= MIRROR_X
        swapped = _swaps(g) & mirrored
        seen = change + swapped * torch.where(change == MIRROR_X, 1, -1)
        # Blocks of cells are counted from the top left corner: where that has come to matters to them alone.
        corner = _corner(g) * (change == SHRINK)[:, None]
        inputs = [upright, parity_planes(classes, upright), F.one_hot(seen, len(CHANGES)).to(upright), corner]
        return self._found(self.one(torch.cat(inputs, 1)), g, mirrored)

    def combine(
        self,
        first: tuple[Tensor, Tensor],
        second: tuple[Tensor, Tensor],
        change: Tensor,
        offset: Tensor,
        aligned: Tensor,
    ) -> Changed:
        """Make one shape of two.

        Args:
            first: Numbers ``(M, S)`` and parity classes ``(M,)``.
            second: The same.
            change: ``(M,)`` int64, which of :data:`SETS`.
            offset: ``(M, 2)`` int64, from the centre of the first to that of the second, down and to the right, in half
                cells, at most 2 F each way: shapes farther apart neither meet nor touch.
            aligned: ``(M,)`` bool, where instead of that the top left corners of their bounding boxes lie on each
                other.
        """
        upright, classes, g = self._upright(*first)
        other, parity = turn_code(second[0], g), self.frame.parity.to(g.device)[second[1], g]
        reach = 2 * self.frame.size
        lies, apart = aligned[:, None], ~aligned[:, None]
        way, corner = turn_vector(offset * apart, g), _corner(g) * lies
        steps = F.one_hot(way + reach, 2 * reach + 1).flatten(1)
        place = torch.cat([corner, lies, steps * apart], 1)
        shapes = [upright, parity_planes(classes, upright), other, parity_planes(parity, upright)]
        inputs = torch.cat([*shapes, F.one_hot(change, len(SETS)).to(upright), place], 1)
        return self._found(self.two(inputs), g, torch.ones_like(aligned))

    def _upright(self, shapes: Tensor, parity: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Upright numbers, their parity classes, and the symmetry that turned each shape upright."""
        upright, orientation = upright_code(shapes)
        g = INVERSE.to(shapes.device)[orientation]
        return upright, self.frame.parity.to(shapes.device)[parity, g], g

    def _found(self, outputs: Tensor, g: Tensor, signed: Tensor) -> Changed:
        numbers, kinds, shifts = outputs.split(self.outputs, 1)
        return Changed(turn_code(numbers, INVERSE.to(g.device)[g]), kinds, shifts.unflatten(1, (2, -1)), g, signed)


def _corner(g: Tensor) -> Tensor:
    """Where symmetries take the top left corner of a square about 0, ``(M, 2)`` of -1 and 1."""
    return turn_vector(-torch.ones(len(g), 2, device=g.device), g)


def _swaps(g: Tensor) -> Tensor:
    """Which symmetries take rows to columns."""
    return (g % 2 == 1) ^ (g >= ORDER // 2)


def _turned(shift: Tensor, g: Tensor, signed: Tensor) -> Tensor:
    """Shifts ``(M, 2)`` after a symmetry each: of vectors where they are signed, of extents elsewhere."""
    extents = torch.where(_swaps(g)[:, None], shift.flip(1), shift)
    return torch.where(signed[:, None], turn_vector(shift, g), extents)
