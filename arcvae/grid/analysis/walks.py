"""Walks: an object moves from one place to another, and every code on the way has to draw it where it is by then.

The codes at both ends are those that the encoder gives for the two grids; those between are what
:meth:`~arcvae.grid.models.base.GridModel.between` gives. A code without places dissolves the object at one end and
makes it appear at the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from arcvae.grid.analysis.pictures import mosaic
from arcvae.grid.models.base import GridModel

Grids = NDArray[np.uint8]

STEPS: Final = 4
"""Cells that an object moves."""
_AROUND: Final = np.ones((3, 3), dtype=bool)
_DIRECTIONS: Final = tuple((dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if dy or dx)


@dataclass(frozen=True)
class Walks:
    """W walks: the grids that they are made of, and what a model draws on the way.

    Attributes:
        true: ``(W, STEPS + 1, S, S)`` uint8, the object moved cell by cell.
        drawn: Of the same shape, decoded from codes between those of the first and the last grid.
    """

    true: Grids
    drawn: Grids

    def figures(self) -> dict[str, float]:
        """``walks``, how many; ``ends_exact``, share of ends that are exact; ``between_exact``, of places between."""
        exact = (self.true == self.drawn).all((2, 3))  # (W, STEPS + 1)
        ends, between = exact[:, [0, -1]], exact[:, 1:-1]
        return {
            "walks": len(exact),
            "ends_exact": float(ends.mean()) if len(exact) else 0.0,
            "between_exact": float(between.mean()) if len(exact) else 0.0,
        }

    def figure(self, count: int = 5) -> Figure:
        """The first walks, each a row of true grids above one of drawn grids."""
        rows = np.stack([self.true[:count], self.drawn[:count]], 1)  # (count, 2, STEPS + 1, S, S)
        names = ["true", "drawn"] * len(rows)
        return mosaic(
            rows.reshape(-1, *self.true.shape[2:]), STEPS + 1, "An object moves: grids, and codes between the two ends",
            rows=names, headings=["start", *map(str, range(1, STEPS)), "end"],
        )  # fmt: skip


@torch.no_grad()
def walk(model: GridModel, grids: Grids, seed: int = 0) -> Walks:
    """Let one object of each grid walk.

    Args:
        model: In evaluation mode.
        grids: ``(N, S, S)`` uint8; those in which no object has room to walk are left out.
        seed: Of the choice of objects and directions.
    """
    generator = np.random.default_rng(seed)
    found = [path for grid in grids if (path := _path(grid, generator)) is not None]
    if not found:
        nothing = np.zeros((0, STEPS + 1, *grids.shape[1:]), dtype=np.uint8)
        return Walks(nothing, nothing)
    true = np.stack(found)
    device = next(model.parameters()).device
    shares = torch.linspace(0, 1, STEPS + 1)
    drawn = []
    for batch in torch.from_numpy(true).split(200):
        first, last = (model.encoder(batch[:, end].to(device))[0].cpu() for end in (0, -1))
        codes = [model.between(start, end, shares) for start, end in zip(first, last, strict=True)]
        drawn.append(_decode(model, torch.cat(codes).to(device)).reshape(batch.shape))
    return Walks(true, np.concatenate(drawn))


def _decode(model: GridModel, codes: Tensor) -> Grids:
    decoded: Grids = model.decoder(codes).argmax(1).to(torch.uint8).cpu().numpy()
    return decoded


def _path(grid: Grids, generator: np.random.Generator) -> Grids | None:
    """A grid in which one object moves, ``(STEPS + 1, S, S)``; None if none has room.

    It stays inside, covers nothing, and touches no other object of its colour, which would make the two one.
    """
    objects = []
    for color in np.unique(grid[grid > 0]).tolist():
        labels, count = ndimage.label(grid == color, _AROUND)
        objects += [(color, labels == label) for label in range(1, count + 1)]
    ways = [(index, way) for index in range(len(objects)) for way in _DIRECTIONS]
    for choice in generator.permutation(len(ways)):
        index, way = ways[choice]
        color, mask = objects[index]
        rest = np.where(mask, 0, grid).astype(np.uint8)
        blocked = (rest > 0) | ndimage.binary_dilation(rest == color, _AROUND)
        places = [_moved(mask, way[0] * step, way[1] * step) for step in range(STEPS + 1)]
        if all(place.sum() == mask.sum() and not (place & blocked).any() for place in places):
            return np.stack([np.where(place, color, rest) for place in places]).astype(np.uint8)
    return None


def _moved(mask: NDArray[np.bool_], down: int, right: int) -> NDArray[np.bool_]:
    """A mask ``(S, S)`` moved; what leaves it is lost."""
    moved: NDArray[np.bool_] = ndimage.shift(mask, (down, right), order=0, mode="constant", cval=0)
    return moved
