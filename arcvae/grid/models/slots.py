"""Between grids and slots: what finds objects and codes each of them, and what draws them where they belong."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from arcvae.grid.models.base import Encoding
from arcvae.grid.models.dihedral import Frame
from arcvae.grid.models.parsing import Objects, find_objects
from arcvae.grid.models.shapes import ShapeDecoder, ShapeEncoder

PLACE: Final = 3
"""Numbers of a slot before those of its shape: row, column, colour."""
ROW, COLUMN, COLOR = range(PLACE)
EXACT_LOGVAR: Final = -40.0
"""Log-variance of numbers that an encoder knows exactly."""
_FLOOR: Final = -20.0
"""Log-odds of a cell where no object draws."""


class SlotEncoder(nn.Module):
    """Grids to slots.

    Args:
        slots: K.
        num_colors: C.
        frame: Where shapes lie.
        max_cells: Most cells of an object.
        shape: Codes shapes.
    """

    def __init__(self, slots: int, num_colors: int, frame: Frame, max_cells: int, shape: ShapeEncoder) -> None:
        super().__init__()
        self.slots, self.num_colors, self.frame, self.max_cells = slots, num_colors, frame, max_cells
        self.shape = shape

    def find(self, grids: Tensor) -> Objects:
        """The objects of grids ``(N, H, W)`` of any integer type."""
        return find_objects(grids.cpu().numpy(), self.num_colors, self.frame.size, self.max_cells)

    def forward(self, grids: Tensor) -> tuple[Tensor, Tensor]:
        """
        Args:
            grids: ``(N, H, W)``, any integer type, any size; cells that are not in [0, C) belong to nothing.

        Returns:
            Mean and log-variance of the code, each ``(N, K (3 + S))``, float32 at least.
        """
        encoding = self.encode(grids)
        return encoding.mu, encoding.logvar

    def encode(self, grids: Tensor) -> Encoding:
        """As :meth:`forward`, and how many objects of each grid have no slot, and which slots hold one together."""
        found, device = self.find(grids), grids.device
        grid, color, row, column, parity, shapes = (
            torch.from_numpy(part).to(device)
            for part in (found.grid, found.color, found.row, found.column, found.parity, found.shapes)
        )
        slot, kept = self._slots(grid, shapes.sum(1), len(grids))
        size = PLACE + self.shape.numbers
        mu = torch.zeros(len(grids), self.slots, size, device=device, dtype=self.shape.dtype)
        logvar = torch.full_like(mu, EXACT_LOGVAR)
        logvar[..., PLACE:] = 0.0  # an empty slot says nothing about a shape
        if len(kept):
            means, logvars = self.shape(shapes[kept], parity[kept])
            place = torch.stack([row, column, color], 1)[kept].to(mu.dtype)
            mu[grid[kept], slot] = torch.cat([place, means], 1)
            logvar[grid[kept], slot, PLACE:] = logvars
        number = torch.from_numpy(np.bincount(found.grid, minlength=len(grids)))
        left_out = (number - self.slots).clamp_min(0) + torch.from_numpy(found.dropped)
        part_of = torch.arange(self.slots).repeat(len(grids), 1)
        if len(kept):
            _, first, whole = np.unique(found.whole[kept.cpu().numpy()], return_index=True, return_inverse=True)
            part_of[grid[kept].cpu(), slot.cpu()] = slot.cpu()[torch.from_numpy(first[whole])]
        return Encoding(mu.flatten(1), logvar.flatten(1), left_out, part_of)

    def _slots(self, grid: Tensor, cells: Tensor, num_grids: int) -> tuple[Tensor, Tensor]:
        """The slot of each object that gets one, and the indices of these objects: the largest K of each grid."""
        by_size = torch.argsort(cells, descending=True, stable=True)
        rank = _rank_within(grid[by_size], num_grids)
        kept = by_size[rank < self.slots].sort().values
        return _rank_within(grid[kept], num_grids), kept


def _rank_within(groups: Tensor, num_groups: int) -> Tensor:
    """How many earlier entries have the same group, ``(M,)`` int64 in [0, num_groups) to ``(M,)``."""
    order = torch.argsort(groups, stable=True)
    counts = torch.bincount(groups, minlength=num_groups)
    rank = torch.empty_like(groups)
    rank[order] = torch.arange(len(groups), device=groups.device) - (counts.cumsum(0) - counts)[groups[order]]
    return rank


class SlotDecoder(nn.Module):
    """Slots to logits: each shape is drawn where it belongs, and the drawings of one colour are added up.

    Args:
        num_colors: C.
        grid_size: H = W of the grids that :meth:`forward` draws.
        shape: Draws shapes.
    """

    def __init__(self, num_colors: int, grid_size: int, shape: ShapeDecoder) -> None:
        super().__init__()
        self.num_colors, self.grid_size, self.shape = num_colors, grid_size, shape

    def scores(self, shapes: Tensor, parity: Tensor) -> Tensor:
        """Log-odds of the cells of shapes: ``(M, S)`` and ``(M,)`` to ``(M, F, F)``, the floor where none can be."""
        frame = self.shape.frame
        unused = ~frame.valid.to(shapes.device)[parity]
        scores: Tensor = self.shape(shapes, parity)
        return scores.masked_fill(unused, _FLOOR).view(-1, frame.size, frame.size)

    def forward(self, z: Tensor) -> Tensor:
        """
        Args:
            z: Codes, ``(N, K (3 + S))``, of any number K of slots.

        Returns:
            Logits, ``(N, C, H, W)``, 0 for the background; float32 at least.
        """
        return self.draw(z, self.grid_size, self.grid_size)

    def draw(self, z: Tensor, height: int, width: int, in_order: bool = False) -> Tensor:
        """As :meth:`forward`, on a grid of any size.

        Args:
            z: Codes.
            height: H.
            width: W.
            in_order: A cell on which the shapes of two slots fall is drawn by the later one alone; otherwise each adds
                its odds to those of its colour.
        """
        slots = z.to(self.shape.dtype).unflatten(1, (-1, PLACE + self.shape.numbers))  # (N, K, 3 + S)
        color = slots[..., COLOR].round().long()
        grid, slot = ((color > 0) & (color < self.num_colors)).nonzero(as_tuple=True)  # (M,) each
        filled = slots[grid, slot]  # (M, 3 + S)
        scores = self.scores(filled[:, PLACE:], parity_of(filled))  # (M, F, F)
        # What the half cells of a centre leave of it is a shift within a cell.
        offset = (filled[:, place] - (2 * filled[:, place]).round() / 2 for place in (ROW, COLUMN))
        canvas = placed(scores, *corners_of(filled, self.shape.frame.size), height, width)  # (M, H, W)
        canvas = _shifted(canvas, *offset).clamp_min(_FLOOR)
        if in_order:
            canvas = canvas.masked_fill(_covered(canvas > 0, grid, slot, slots.shape[:2]), _FLOOR)
        # Log-odds of each colour: those of its objects, added up as odds, so that one object alone keeps its own.
        odds = canvas.new_full((len(z) * self.num_colors, height * width), math.exp(_FLOOR))
        odds = odds.index_add(0, grid * self.num_colors + color[grid, slot], canvas.clamp_max(-_FLOOR).exp().flatten(1))
        logits = odds.log().view(len(z), self.num_colors, height, width)
        return torch.cat([torch.zeros_like(logits[:, :1]), logits[:, 1:]], 1)


def parity_of(objects: Tensor) -> Tensor:
    """Parity classes of objects ``(M, 3 + S)``, ``(M,)``: the half cells of a centre tell whether an extent is odd."""
    row, column = (1 - (2 * objects[:, field]).round().long().remainder(2) for field in (ROW, COLUMN))
    return 2 * row + column


def corners_of(objects: Tensor, frame: int) -> tuple[Tensor, Tensor]:
    """Row and column of the grid, ``(M,)`` int64 each, where the frames of objects ``(M, 3 + S)`` have their corner."""
    halves = [(2 * objects[:, place]).round().long() for place in (ROW, COLUMN)]
    top, left = ((half - (frame - 2 + half.remainder(2))) // 2 for half in halves)
    return top, left


def _covered(drawn: Tensor, grid: Tensor, slot: Tensor, slots: torch.Size) -> Tensor:
    """Which cells ``(M, H, W)`` that objects draw are drawn by a later slot of their grid as well.

    Args:
        drawn: ``(M, H, W)`` bool.
        grid: ``(M,)``.
        slot: ``(M,)``.
        slots: N and K.
    """
    planes = torch.zeros(*slots, *drawn.shape[1:], dtype=torch.bool, device=drawn.device)  # (N, K, H, W)
    planes[grid, slot] = drawn
    covered, later = torch.zeros_like(planes), torch.zeros_like(planes[:, 0])
    for index in reversed(range(planes.shape[1])):
        covered[:, index] = later
        later = later | planes[:, index]
    return covered[grid, slot] & drawn


def placed(scores: Tensor, tops: Tensor, lefts: Tensor, height: int, width: int) -> Tensor:
    """Scores ``(M, F, F)`` on grids ``(M, H, W)``, the top left corner of the frame at (top, left); else the floor."""
    count, frame = len(scores), scores.shape[1]
    rows = torch.arange(height, device=scores.device) - tops[:, None]  # (M, H), row of the frame
    columns = torch.arange(width, device=scores.device) - lefts[:, None]  # (M, W)
    inside = ((rows >= 0) & (rows < frame))[:, :, None] & ((columns >= 0) & (columns < frame))[:, None]
    index = rows.clamp(0, frame - 1)[:, :, None] * frame + columns.clamp(0, frame - 1)[:, None]
    found = scores.flatten(1).gather(1, index.flatten(1)).view(count, height, width)
    return found.masked_fill(~inside, _FLOOR)


def _shifted(canvas: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """``(M, H, W)`` moved by parts of a cell to first order: exact at 0, and with a gradient there."""
    if not (down.requires_grad or right.requires_grad or down.any() or right.any()):
        return canvas
    padded = nn.functional.pad(canvas, (1, 1, 1, 1), value=_FLOOR)
    vertical = (padded[:, :-2, 1:-1] - padded[:, 2:, 1:-1]) / 2
    horizontal = (padded[:, 1:-1, :-2] - padded[:, 1:-1, 2:]) / 2
    return canvas + down[:, None, None] * vertical + right[:, None, None] * horizontal
