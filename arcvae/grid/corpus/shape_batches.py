"""Training batches made of the shapes of a corpus, rare ones more often than they occur.

A few shapes are frequent and many are rare: a model that sees grids as they come learns the former
over and over. Here each shape, whatever its orientation, is drawn with probability proportional to ``count ** power``,
as samplers for rare classes do: 1 as they come, 1/2 the square root, 0 all alike. Each grid is tiled with shapes in
different colours, one to a frame, so that they stay objects of their own.

A corpus shows few of the shapes that its rules allow: of those in another split many are new. A share of the shapes
can therefore be mutated, with one cell moved to another place where the shape stays connected. And it shows little of
what operations make of shapes: a share can be changed as these change them (:mod:`arcvae.grid.corpus.shape_changes`).
Where a changed shape is too large for a slot, one of the parts comes in its place that such shapes are cut into.

References:
    Kang et al. 2020, section 4.1, for classes. https://arxiv.org/abs/1910.09217
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from arcvae.grid.corpus.shape_changes import changed
from arcvae.grid.models.dihedral import ORDER, Frame, frame_of
from arcvae.grid.models.parsing import find_objects
from arcvae.training.batches import Batch
from arcvae.training.seeding import derive_seed

_GRIDS_AT_ONCE = 5000
_BEFORE_TRAINING = 2**40
"""Number of a batch that no training reaches, for what is drawn before the first."""
_LARGE = 5000
"""Changed shapes that are cut once, before the first batch: to cut those of every batch would take longer than to
train on it."""


class ShapeBatches(Dataset[Tensor]):
    """Batches ``(B, S, S)`` uint8 of grids that are tiled with shapes of other grids.

    Args:
        grids: Those whose shapes are drawn, ``(N, S, S)`` uint8, S >= F.
        num_colors: C; a grid is tiled with at most C - 1 shapes.
        frame: F, side of a tile and largest height and width of a shape; even.
        max_cells: Most cells of a shape.
        power: Exponent of the counts, in [0, 1].
        mutation: Share of the shapes that are mutated, in [0, 1]; these are drawn without regard to their counts.
        changes: Share of the shapes that are changed as operations change them, in [0, 1].
        seed: A batch depends on it and on the number of the batch alone.

    Raises:
        ValueError: Grids without a shape, or too small for a tile.
    """

    def __init__(
        self,
        grids: Tensor,
        *,
        num_colors: int,
        frame: int,
        max_cells: int,
        power: float,
        mutation: float = 0.0,
        changes: float = 0.0,
        seed: int,
    ) -> None:
        self.size, self.num_colors, self.max_cells, self.seed = grids.shape[1], num_colors, max_cells, seed
        self.mutation, self.changes = mutation, changes
        self.frame = frame_of(frame)
        self.tiles = [(top, left) for top in range(0, self.size - frame + 1, frame)
                      for left in range(0, self.size - frame + 1, frame)][: num_colors - 1]  # fmt: skip
        shapes, parity = _canonical_shapes(grids, num_colors, frame, max_cells)
        if not len(shapes) or not self.tiles:
            raise ValueError(f"grids of {self.size} x {self.size} cells have no shapes for frames of {frame} x {frame}")
        together = np.concatenate([shapes, parity[:, None]], 1)
        unique, counts = np.unique(together, axis=0, return_counts=True)
        self.shapes = torch.from_numpy(unique[:, :-1].astype(bool))  # (U, F F)
        self.parity = torch.from_numpy(unique[:, -1].astype(np.int64))
        weights = torch.from_numpy(counts).double() ** power
        self.cumulative = weights.cumsum(0) / weights.sum()
        if changes:
            self.parts, self.parity_of_parts = self._parts(seed)

    def __getitem__(self, batch: Batch) -> Tensor:
        number, indices = batch
        generator = torch.Generator().manual_seed(derive_seed(self.seed, "augmentation", number))
        count, tiles, side = len(indices), len(self.tiles), self.frame.size
        shapes, parity = self._drawn(count * tiles, generator)
        if self.changes:
            here = (torch.rand(count * tiles, generator=generator) < self.changes).nonzero()[:, 0]
            shapes[here], parity[here] = self._changed(shapes[here], parity[here], generator)
        g = torch.randint(ORDER, (count * tiles,), generator=generator)
        shapes, _ = self.frame.turn(shapes, parity, g)
        colors = torch.rand(count, self.num_colors - 1, generator=generator).argsort(1)[:, :tiles] + 1
        painted = shapes.view(count, tiles, side, side).to(torch.uint8) * colors.to(torch.uint8)[..., None, None]
        grids = torch.zeros(count, self.size, self.size, dtype=torch.uint8)
        for tile, (top, left) in enumerate(self.tiles):
            grids[:, top : top + side, left : left + side] = painted[:, tile]
        return grids

    def _drawn(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Shapes ``(count, F F)`` in their canonical orientation, some of them mutated, and their parity classes."""
        drawn = torch.rand(count, generator=generator, dtype=torch.float64)
        chosen = torch.searchsorted(self.cumulative, drawn).clamp_max(len(self.shapes) - 1)
        mutated = torch.zeros(0, dtype=torch.long)
        if self.mutation:
            mutated = (torch.rand(count, generator=generator) < self.mutation).nonzero()[:, 0]
            chosen[mutated] = torch.randint(len(self.shapes), mutated.shape, generator=generator)
        shapes, parity = self.shapes[chosen], self.parity[chosen]
        if len(mutated):
            shapes[mutated], parity[mutated] = move_one_cell(shapes[mutated], parity[mutated], self.frame, generator)
        return shapes, parity

    def _changed(self, shapes: Tensor, parity: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Shapes ``(M, F F)`` after changes, or parts of changed shapes where the result is too large for a slot."""
        found, classes, fits = self.frame.centered(self._after_changes(shapes, parity, generator))
        fits &= found.sum(1) <= self.max_cells
        some = torch.randint(len(self.parts), parity.shape, generator=generator)
        return found.where(fits[:, None], self.parts[some]), classes.where(fits, self.parity_of_parts[some])

    def _after_changes(self, shapes: Tensor, parity: Tensor, generator: torch.Generator) -> Tensor:
        """Masks ``(M, 2 F, 2 F)`` of changed shapes."""
        g = torch.randint(ORDER, parity.shape, generator=generator)
        others, _ = self.frame.turn(shapes.flip(0), parity.flip(0), g)
        masks, others = (part.unflatten(1, (self.frame.size,) * 2) for part in (shapes, others))
        return changed(masks, others, 2 * self.frame.size, generator)

    def _parts(self, seed: int) -> tuple[Tensor, Tensor]:
        """Parts of changed shapes that are too large for a slot, ``(P, F F)`` and ``(P,)``."""
        generator = torch.Generator().manual_seed(derive_seed(seed, "augmentation", _BEFORE_TRAINING))
        masks = self._after_changes(*self._drawn(2 * _LARGE, generator), generator)
        _, _, fits = self.frame.centered(masks)
        large = masks[~fits | (masks.sum((1, 2)) > self.max_cells)][:_LARGE]
        shapes, parity = _canonical_shapes(large.to(torch.uint8), self.num_colors, self.frame.size, self.max_cells)
        return torch.from_numpy(shapes.astype(bool)), torch.from_numpy(parity.astype(np.int64))


def move_one_cell(shapes: Tensor, parity: Tensor, frame: Frame, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Shapes with a cell taken away at random and put elsewhere beside the others, edges and corners alike.

    Args:
        shapes: ``(M, F F)`` bool.
        parity: ``(M,)`` int64.
        frame: Where they lie.
        generator: Source of the draws, on the CPU.

    Returns:
        Shapes and parity classes of the same shapes and types. A shape that would fall apart or outgrow the frame is
        returned as it was.
    """
    side = frame.size + 2  # room to grow by a cell
    cells = torch.nn.functional.pad(shapes.unflatten(1, (frame.size, frame.size)), (1, 1, 1, 1)).flatten(1)
    scores = torch.rand(2, *cells.shape, generator=generator)
    taken = scores[0].where(cells, -1.0).argmax(1, keepdim=True)
    moved = cells.scatter(1, taken, False)
    free = (_grown(moved, side) & ~moved).scatter(1, taken, False)
    put = scores[1].where(free, -1.0).argmax(1, keepdim=True)
    moved = moved.scatter(1, put, True)
    reached = torch.zeros_like(moved).scatter(1, put, True)
    for _ in range(int(moved.sum(1).max()) - 1):
        reached = _grown(reached, side) & moved
    after, classes, fits = frame.centered(moved.unflatten(1, (side, side)))
    good = fits & (reached == moved).all(1)
    return after.where(good[:, None], shapes), classes.where(good, parity)


def _grown(cells: Tensor, side: int) -> Tensor:
    """Masks ``(M, side * side)`` with all cells that touch them."""
    grown = torch.nn.functional.max_pool2d(cells.unflatten(1, (1, side, side)).float(), 3, 1, 1)
    return grown.flatten(1) > 0


def _canonical_shapes(
    grids: Tensor, num_colors: int, frame: int, max_cells: int
) -> tuple[np.ndarray[Any, np.dtype[np.uint8]], np.ndarray[Any, np.dtype[np.uint8]]]:
    """The shapes of all objects in their canonical orientation, ``(M, F F)`` and ``(M,)`` uint8."""
    shapes, parity = [], []
    for part in grids.split(_GRIDS_AT_ONCE):
        found = find_objects(part.numpy(), num_colors, frame, max_cells)
        cells, classes = torch.from_numpy(found.shapes), torch.from_numpy(found.parity)
        turned = frame_of(frame).turn(cells, classes, frame_of(frame).canonical(cells, classes)[0])
        shapes.append(turned[0].numpy().astype(np.uint8))
        parity.append(turned[1].numpy().astype(np.uint8))
    return np.concatenate(shapes), np.concatenate(parity)
