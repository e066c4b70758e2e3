"""What operators learn from: shapes, the same after an operation on their cells, and the codes of both."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from arcvae.grid.codes.operators import CHANGES, MIRROR_X, NOTHING, ONE, OTHER, RATIOS, SETS
from arcvae.grid.corpus.shape_batches import move_one_cell
from arcvae.grid.corpus.shape_changes import to_corner
from arcvae.grid.models.dihedral import ORDER, Frame
from arcvae.grid.models.objects import ObjectsVAE
from arcvae.grid.models.parsing import connected, extents
from arcvae.grid.models.slots import placed

_AT_ONCE: Final = 4096
"""Examples that are made at once."""
_ALIGNED: Final = 0.5
"""Share of pairs whose corners lie on each other; the boxes of others overlap or touch."""


@dataclass(frozen=True)
class Shapes:
    """M shapes on a frame.

    Args:
        cells: ``(M, F F)`` bool.
        parity: ``(M,)`` int64.
    """

    cells: Tensor
    parity: Tensor

    @classmethod
    def of(cls, model: ObjectsVAE, grids: Tensor) -> Shapes:
        """Those of the objects of grids ``(N, H, W)``."""
        found = model.encoder.find(grids)
        return cls(torch.from_numpy(found.shapes), torch.from_numpy(found.parity))

    def draw(self, count: int, frame: Frame, mutated: float, generator: torch.Generator) -> Shapes:
        """Some of them, in any orientation, a share of them with one cell moved."""
        index = torch.randint(len(self.cells), (count,), generator=generator)
        cells, parity = self.cells[index], self.parity[index]
        here = torch.rand(count, generator=generator) < mutated
        if here.any():
            cells[here], parity[here] = move_one_cell(cells[here], parity[here], frame, generator)
        return Shapes(*frame.turn(cells, parity, torch.randint(ORDER, (count,), generator=generator)))


@dataclass(frozen=True)
class Examples:
    """M operations on shapes, and what comes of each.

    Attributes:
        first: ``(M, S)``, numbers of the (first) shape.
        parity: ``(M,)``, its parity class.
        second: ``(M, S)``, numbers of the second shape; those of the first where there is none.
        second_parity: ``(M,)``.
        change: ``(M,)``, which of ``CHANGES`` or, for pairs, of ``SETS``.
        offset: ``(M, 2)``, see :meth:`~arcvae.grid.codes.operators.ShapeOperators.combine`.
        aligned: ``(M,)`` bool, whether the corners of a pair lie on each other.
        kind: ``(M,)``, ``NOTHING``, ``ONE`` or ``OTHER``.
        shift: ``(M, 2)``, how far the centre moves, in half cells.
        cells: ``(M, F F)`` bool, the result on the frame; for ``ONE`` alone.
        result_parity: ``(M,)``, its parity class.
        mean: ``(M, S)``, its numbers as the encoder gives them.
        logvar: ``(M, S)``, their log-variances.
    """

    first: Tensor
    parity: Tensor
    second: Tensor
    second_parity: Tensor
    change: Tensor
    offset: Tensor
    aligned: Tensor
    kind: Tensor
    shift: Tensor
    cells: Tensor
    result_parity: Tensor
    mean: Tensor
    logvar: Tensor

    def __getitem__(self, index: Tensor) -> Examples:
        return Examples(*(getattr(self, part.name)[index] for part in fields(self)))

    def __len__(self) -> int:
        return len(self.kind)


def examples(
    model: ObjectsVAE, shapes: Shapes, count: int, *, pairs: bool, mutated: float, generator: torch.Generator
) -> Examples:
    """Examples of all that is done to one shape, or to two.

    Args:
        model: Codes the shapes, and says how large one may be.
        shapes: Those that are changed, drawn as often as they occur.
        count: M.
        pairs: Whether two shapes are combined.
        mutated: Share of the shapes in which one cell is moved, for more variety.
        generator: Source of the draws, on the CPU.
    """
    made = []
    for start in range(0, count, _AT_ONCE):
        size = min(_AT_ONCE, count - start)
        first, second = (shapes.draw(size, model.frame, mutated, generator) for _ in range(2))
        if pairs:
            made.append(_pairs(model, first, second, generator))
        else:
            made.append(_singles(model, first, torch.randint(len(CHANGES), (size,), generator=generator)))
    return Examples(*(torch.cat([getattr(part, field.name) for part in made]) for field in fields(Examples)))


def _singles(model: ObjectsVAE, shapes: Shapes, change: Tensor) -> Examples:
    frame = model.frame
    masks = to_corner(shapes.cells.view(-1, frame.size, frame.size))
    before = _extents(masks)
    after, box = masks.clone(), before.clone()
    for index, (times, parts) in enumerate(RATIOS):
        here = change == index
        small = F.max_pool2d(masks[here][:, None].float(), parts, ceil_mode=True)[:, 0] > 0
        large = small.repeat_interleave(times, 1).repeat_interleave(times, 2)[:, : frame.size, : frame.size]
        after[here] = F.pad(large, (0, frame.size - large.shape[2], 0, frame.size - large.shape[1]))
        box[here] = -(-before[here] // parts) * times
    for axis in (0, 1):
        here = change == MIRROR_X + axis
        after[here] |= to_corner(masks[here].flip(1 + axis))
    zero = torch.zeros_like(box)
    return _coded(model, shapes, shapes, change, zero, zero[:, 0] > 0, after, box - before, box)


def _pairs(model: ObjectsVAE, first: Shapes, second: Shapes, generator: torch.Generator) -> Examples:
    frame, count = model.frame, len(first.parity)
    one, two = (_extents(part.cells.view(-1, frame.size, frame.size)) for part in (first, second))
    aligned = torch.rand(count, generator=generator) < _ALIGNED
    # The first line of the second box, seen from that of the first: from where they touch to where they touch again.
    start = (torch.rand(count, 2, generator=generator) * (one + two + 1)).long() - two
    offset = 2 * start.masked_fill(aligned[:, None], 0) + two - one
    change = torch.randint(len(SETS), (count,), generator=generator)
    here = torch.full_like(offset, frame.size)
    there = here + (offset + _odd(second.parity) - _odd(first.parity)) // 2
    a, b = (_on_canvas(part.cells, corner, frame.size) for part, corner in ((first, here), (second, there)))
    which = change[:, None, None]
    after = torch.where(which == 0, a | b, torch.where(which == 1, a & b, a & ~b))
    box = _extents(after)
    shift = 2 * _begin(after) + box - 1 - (2 * here + frame.size - 1 - _odd(first.parity))
    return _coded(model, first, second, change, offset, aligned, after, shift, box)


def _coded(
    model: ObjectsVAE, first: Shapes, second: Shapes, change: Tensor, offset: Tensor, aligned: Tensor, after: Tensor,
    shift: Tensor, box: Tensor,
) -> Examples:  # fmt: skip
    """Examples whose results are masks ``(M, H, W)`` with bounding boxes of ``(M, 2)`` cells, cropped if too large."""
    size, there = after.sum((1, 2)), (box > 0).all(1)
    cells, parity, _ = model.frame.centered(after | (size == 0)[:, None, None])
    fits = there & (size <= model.encoder.max_cells) & (box <= model.frame.size).all(1)
    whole = np.zeros(len(size), dtype=bool)
    side = model.frame.size
    whole[fits.numpy()] = connected(cells[fits].view(-1, side, side).numpy())
    kind = torch.where(there, torch.where(torch.from_numpy(whole), ONE, OTHER), NOTHING)
    (mean, logvar), (one, _), (two, _) = (
        _encoded(model, *part) for part in ((cells, parity), (first.cells, first.parity), (second.cells, second.parity))
    )
    shift = shift.masked_fill((kind != ONE)[:, None], 0)
    return Examples(
        one, first.parity, two, second.parity, change, offset, aligned, kind, shift, cells, parity, mean, logvar
    )


@torch.no_grad()
def _encoded(model: ObjectsVAE, cells: Tensor, parity: Tensor) -> tuple[Tensor, Tensor]:
    device = next(model.parameters()).device
    mean, logvar = model.encoder.shape(cells.to(device), parity.to(device))
    return mean.float().cpu(), logvar.float().cpu()


def _odd(parity: Tensor) -> Tensor:
    """Whether height and width are odd, ``(M, 2)`` of 0 and 1."""
    return torch.stack([parity // 2, parity % 2], 1)


def _extents(masks: Tensor) -> Tensor:
    """Height and width of the bounding boxes of masks ``(M, H, W)``, ``(M, 2)``; 0 for an empty one."""
    return torch.from_numpy(np.stack(extents(masks.numpy()), 1))


def _begin(masks: Tensor) -> Tensor:
    """First row and first column of the cells of masks ``(M, H, W)``, ``(M, 2)``."""
    return torch.stack([masks.any(2).int().argmax(1), masks.any(1).int().argmax(1)], 1)


def _on_canvas(cells: Tensor, corner: Tensor, side: int) -> Tensor:
    """Cells ``(M, F F)`` of frames whose corners lie at ``(M, 2)``, on three times as many, ``(M, 3 F, 3 F)`` bool."""
    masks = cells.view(-1, side, side).float()
    return placed(masks, corner[:, 0], corner[:, 1], 3 * side, 3 * side) > 0
