"""Training batches made of the shapes of a corpus, rare ones more often than they occur.

A few shapes are frequent and many are rare: a model that sees grids as they come learns the former
over and over. Here each shape, whatever its orientation, is drawn with probability proportional to ``count ** power``,
as samplers for rare classes do: 1 as they come, 1/2 the square root, 0 all alike. Each grid is tiled with shapes in
different colours, one to a frame, so that they stay objects of their own.

A corpus shows few of the shapes that its rules allow: of those in another split many are new. A share of the shapes
can therefore be mutated, with one cell moved to another place where the shape stays connected.

A corpus shows little of what operations make of shapes, either. A share of the grids can hold one shape each that is
changed as operations change it (:mod:`arcvae.grid.corpus.shape_changes`), which may be larger than a tile.

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
_TRIED = 2
"""Changed shapes of which the first large one is taken."""


class ShapeBatches(Dataset[Tensor]):
    """Batches ``(B, S, S)`` uint8 of grids that are tiled with shapes of other grids.

    Args:
        grids: Those whose shapes are drawn, ``(N, S, S)`` uint8.
        num_colors: C; a grid is tiled with at most C - 1 shapes.
        tile: Side of a tile and largest height and width of the shapes on it; even, at most S.
        max_cells: Most cells of a shape on a tile.
        power: Exponent of the counts, in [0, 1].
        mutation: Share of the shapes that are mutated, in [0, 1]; these are drawn without regard to their counts.
        changes: Share of the grids that hold one large changed shape instead of tiles, and half the share of the tiles
            with a small one; in [0, 1].
        frame: Largest height and width of a changed shape; even, at most S.
        most_cells: Most cells of a changed shape; one that is too large is left as it was.
        seed: A batch depends on it and on the number of the batch alone.

    Raises:
        ValueError: Grids without a shape, or too small for a tile or a changed shape.
    """

    def __init__(
        self,
        grids: Tensor,
        *,
        num_colors: int,
        tile: int,
        max_cells: int,
        power: float,
        mutation: float = 0.0,
        changes: float = 0.0,
        frame: int = 0,
        most_cells: int = 0,
        seed: int,
    ) -> None:
        self.size, self.num_colors, self.mutation, self.seed = grids.shape[1], num_colors, mutation, seed
        self.changes, self.max_cells, self.most_cells = changes, max_cells, most_cells
        self.frame = frame_of(tile)
        self.tiles = [(top, left) for top in range(0, self.size - tile + 1, tile)
                      for left in range(0, self.size - tile + 1, tile)][: num_colors - 1]  # fmt: skip
        shapes, parity = _canonical_shapes(grids, num_colors, tile, max_cells)
        if not len(shapes) or not self.tiles:
            raise ValueError(f"grids of {self.size} x {self.size} cells have no shapes for frames of {tile} x {tile}")
        if changes:
            if frame > self.size:
                raise ValueError(
                    f"grids of {self.size} x {self.size} cells have no room for shapes of {frame} x {frame}"
                )
            self.large = frame_of(frame)
        together = np.concatenate([shapes, parity[:, None]], 1)
        unique, counts = np.unique(together, axis=0, return_counts=True)
        self.shapes = torch.from_numpy(unique[:, :-1].astype(bool))  # (U, F F)
        self.parity = torch.from_numpy(unique[:, -1].astype(np.int64))
        weights = torch.from_numpy(counts).double() ** power
        self.cumulative = weights.cumsum(0) / weights.sum()

    def __getitem__(self, batch: Batch) -> Tensor:
        number, indices = batch
        generator = torch.Generator().manual_seed(derive_seed(self.seed, "augmentation", number))
        whole = torch.zeros(len(indices), dtype=torch.bool)
        if self.changes:
            whole = torch.rand(len(indices), generator=generator) < self.changes
        grids = torch.zeros(len(indices), self.size, self.size, dtype=torch.uint8)
        grids[~whole] = self._tiled(int((~whole).sum()), generator)
        if whole.any():
            grids[whole] = self._large(int(whole.sum()), generator)
        return grids

    def _tiled(self, count: int, generator: torch.Generator) -> Tensor:
        """Grids ``(count, S, S)`` of a shape to a tile."""
        tiles, side = len(self.tiles), self.frame.size
        shapes, parity = self._drawn(count * tiles, generator)
        if self.changes:
            here = (torch.rand(len(shapes), generator=generator) < self.changes / 2).nonzero()[:, 0]
            shapes[here], parity[here], _ = self._changed(shapes[here], parity[here], self.frame, generator)
        g = torch.randint(ORDER, (count * tiles,), generator=generator)
        shapes, _ = self.frame.turn(shapes, parity, g)
        colors = torch.rand(count, self.num_colors - 1, generator=generator).argsort(1)[:, :tiles] + 1
        painted = shapes.view(count, tiles, side, side).to(torch.uint8) * colors.to(torch.uint8)[..., None, None]
        grids = torch.zeros(count, self.size, self.size, dtype=torch.uint8)
        for tile, (top, left) in enumerate(self.tiles):
            grids[:, top : top + side, left : left + side] = painted[:, tile]
        return grids

    def _large(self, count: int, generator: torch.Generator) -> Tensor:
        """Grids ``(count, S, S)`` of one changed shape, one that is too large for a tile where there is any."""
        shapes, parity = self._drawn(_TRIED * count, generator)
        shapes, parity, large = self._changed(shapes, parity, self.large, generator)
        first = torch.arange(count) + count * large.view(_TRIED, count).int().argmax(0)
        shapes, parity = shapes[first], parity[first]
        side = self.large.size
        shapes, _ = self.large.turn(shapes, parity, torch.randint(ORDER, (count,), generator=generator))
        colors = torch.randint(1, self.num_colors, (count, 1, 1), generator=generator, dtype=torch.uint8)
        grids = torch.zeros(count, self.size, self.size, dtype=torch.uint8)
        grids[:, :side, :side] = shapes.view(count, side, side) * colors
        return grids

    def _changed(
        self, shapes: Tensor, parity: Tensor, frame: Frame, generator: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Shapes of tiles ``(M, T T)``, changed where the result fits a frame.

        Returns:
            Shapes ``(M, F F)``, parity classes, and which of them would not fit a tile, ``(M,)`` bool.
        """
        tile, side = self.frame.size, self.large.size
        g = torch.randint(ORDER, (len(shapes),), generator=generator)
        others, _ = self.frame.turn(shapes.flip(0), parity.flip(0), g)
        masks = shapes.unflatten(1, (tile, tile))
        after = changed(masks, others.unflatten(1, (tile, tile)), side, generator)
        most = self.max_cells if frame is self.frame else self.most_cells
        found, classes, fits = frame.centered(after)
        cells = found.sum(1)
        fits &= cells <= most
        old, old_classes, _ = frame.centered(masks)
        height, width = (after.any(axis).sum(1) for axis in (2, 1))
        large = fits & ((cells > self.max_cells) | (height > tile) | (width > tile))
        return found.where(fits[:, None], old), classes.where(fits, old_classes), large

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
