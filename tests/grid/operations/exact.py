"""Operators that make no mistakes: they look up what a decoder draws, and change that as the pixel oracle does."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from arcvae.grid.codec import Codec
from arcvae.grid.codes.operators import CHANGES, NOTHING, ONE, OTHER, SETS, Changed, ShapeOperators
from arcvae.grid.models.objects import ObjectsVAE
from arcvae.grid.operations.drawings import Drawing, split
from arcvae.grid.operations.pixels import apply
from arcvae.grid.operations.program import Program

Center = tuple[int, int]
"""Of a bounding box, in half cells."""
PROGRAMS = {
    "scale(2)": "scale(2)", "scale(3)": "scale(3)", "scale(1/2)": "scale(0.5)",
    "symmetrize(x)": "symmetrize(axis='x')", "symmetrize(y)": "symmetrize()",
}  # fmt: skip


def center(found: Drawing) -> Center:
    top, left, bottom, right = found.box
    return top + bottom, left + right


class ExactOperators(ShapeOperators):
    """Exact for the shapes that the model of a codec draws exactly."""

    def __init__(self, codec: Codec) -> None:
        assert isinstance(codec.model, ObjectsVAE)
        super().__init__(codec.model, width=4, blocks=0)
        self.codec, self.model = codec, [codec.model]

    def drawing(self, shape: Tensor, parity: Tensor) -> Drawing:
        """The cells of a shape ``(S,)`` on its frame."""
        cells = (self.model[0].decoder.scores(shape[None], parity[None])[0] > 0).nonzero().tolist()
        return Drawing(1, frozenset((row, column) for row, column in cells))

    def change(self, shapes: Tensor, parity: Tensor, change: Tensor) -> Changed:
        results = []
        for shape, odd, which in zip(shapes, parity, change.tolist(), strict=True):
            first = self.drawing(shape, odd)
            results.append((center(first), apply(Program.parse(PROGRAMS[CHANGES[which]]), [first], (99, 99))))
        return self.told(results)

    def combine(
        self, first: tuple[Tensor, Tensor], second: tuple[Tensor, Tensor], change: Tensor, offset: Tensor,
        aligned: Tensor,
    ) -> Changed:  # fmt: skip
        results = []
        for index, which in enumerate(change.tolist()):
            a, b = (self.drawing(part[0][index], part[1][index]) for part in (first, second))
            down, right = (int(center(a)[axis] + offset[index, axis] - center(b)[axis]) // 2 for axis in (0, 1))
            program = Program.parse(f"{SETS[which]}(align={bool(aligned[index])})")
            results.append((center(a), apply(program, [a, b.moved(down, right)], (99, 99))))
        return self.told(results)

    def told(self, results: list[tuple[Center, list[Drawing]]]) -> Changed:
        """Results ``(M)``, each with the centre before it, as operators tell them."""
        model, side = self.model[0], self.frame.size
        kinds, shifts, shapes = [], [], []
        for before, after in results:
            parts = [part for found in after for part in split(1, found.cells)]
            shape, shift, kind = torch.zeros(self.numbers), (0, 0), OTHER if parts else NOTHING
            if len(parts) == 1:
                cells = np.array(sorted(parts[0].cells))
                mask = torch.zeros(1, *(cells.max(0) - cells.min(0) + 1).tolist(), dtype=torch.bool)
                mask[0, cells[:, 0] - cells[:, 0].min(), cells[:, 1] - cells[:, 1].min()] = True
                drawn, parity, fits = self.frame.centered(mask)
                if fits and len(cells) <= model.encoder.max_cells:
                    shape, kind = model.encoder.shape(drawn, parity)[0][0], ONE
                    shift = tuple(new - old for new, old in zip(center(parts[0]), before, strict=True))  # type: ignore[assignment]
            kinds.append(kind)
            shifts.append(shift)
            shapes.append(shape)
        upright = torch.zeros(len(results), dtype=torch.long)
        logits = F.one_hot(torch.tensor(shifts) + side, 2 * side + 1)
        return Changed(torch.stack(shapes), F.one_hot(torch.tensor(kinds), 3), logits, upright, upright == 0)
