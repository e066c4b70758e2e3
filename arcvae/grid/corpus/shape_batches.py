"""Training batches made of the shapes of a corpus, rare ones more often than they occur.

A few shapes are frequent and many are rare: a model that sees grids as they come learns the former
over and over. Here each shape, whatever its orientation, is drawn with probability proportional to ``count ** power``,
as samplers for rare classes do: 1 as they come, 1/2 the square root, 0 all alike. Each grid is tiled with shapes in
different colours, one to a frame, so that they stay objects of their own.

References:
    Kang et al. 2020, section 4.1, for classes. https://arxiv.org/abs/1910.09217
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from arcvae.grid.models.dihedral import ORDER, frame_of
from arcvae.grid.models.parsing import find_objects
from arcvae.training.batches import Batch
from arcvae.training.seeding import derive_seed

_GRIDS_AT_ONCE = 5000


class ShapeBatches(Dataset[Tensor]):
    """Batches ``(B, S, S)`` uint8 of grids that are tiled with shapes of other grids.

    Args:
        grids: Those whose shapes are drawn, ``(N, S, S)`` uint8, S >= F.
        num_colors: C; a grid is tiled with at most C - 1 shapes.
        frame: F, side of a tile and largest height and width of a shape; even.
        max_cells: Most cells of a shape.
        power: Exponent of the counts, in [0, 1].
        seed: A batch depends on it and on the number of the batch alone.

    Raises:
        ValueError: Grids without a shape, or too small for a tile.
    """

    def __init__(self, grids: Tensor, *, num_colors: int, frame: int, max_cells: int, power: float, seed: int) -> None:
        self.size, self.num_colors, self.seed = grids.shape[1], num_colors, seed
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

    def __getitem__(self, batch: Batch) -> Tensor:
        number, indices = batch
        generator = torch.Generator().manual_seed(derive_seed(self.seed, "augmentation", number))
        count, tiles, side = len(indices), len(self.tiles), self.frame.size
        drawn = torch.rand(count * tiles, generator=generator, dtype=torch.float64)
        chosen = torch.searchsorted(self.cumulative, drawn).clamp_max(len(self.shapes) - 1)
        g = torch.randint(ORDER, (count * tiles,), generator=generator)
        shapes, _ = self.frame.turn(self.shapes[chosen], self.parity[chosen], g)
        colors = torch.rand(count, self.num_colors - 1, generator=generator).argsort(1)[:, :tiles] + 1
        painted = shapes.view(count, tiles, side, side).to(torch.uint8) * colors.to(torch.uint8)[..., None, None]
        grids = torch.zeros(count, self.size, self.size, dtype=torch.uint8)
        for tile, (top, left) in enumerate(self.tiles):
            grids[:, top : top + side, left : left + side] = painted[:, tile]
        return grids


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
