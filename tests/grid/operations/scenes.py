"""Random grids of objects, a model that knows what operations make of them, and programs to run on both."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from arcvae.grid.codec import Codec
from arcvae.grid.codes.object_codes import ObjectCodes
from arcvae.grid.operations.drawings import Drawing, draw, objects_of
from arcvae.grid.operations.pixels import apply
from arcvae.grid.operations.program import Program
from tests.grid.models.perfect import perfect_vae

SIZE = (16, 16)
Grids = NDArray[np.uint8]


def scenes(count: int, seed: int, most: int = 4, size: tuple[int, int] = SIZE) -> Grids:
    """Grids ``(count, H, W)`` of up to ``most`` objects of up to six cells, none of which touch; the first is empty."""
    rng = np.random.default_rng(seed)
    grids = np.zeros((count, *size), dtype=np.uint8)
    for grid in grids[1:]:
        for _ in range(rng.integers(1, most + 1)):
            cells = {(int(rng.integers(size[0])), int(rng.integers(size[1])))}
            for _ in range(rng.integers(6)):
                row, column = sorted(cells)[rng.integers(len(cells))]
                step = rng.integers(-1, 2, 2)
                cells.add((int(np.clip(row + step[0], 0, size[0] - 1)), int(np.clip(column + step[1], 0, size[1] - 1))))
            rows, columns = np.array(sorted(cells)).T
            around = grid[max(rows.min() - 1, 0) : rows.max() + 2, max(columns.min() - 1, 0) : columns.max() + 2]
            if not around.any():
                grid[rows, columns] = rng.integers(1, 10)
    return grids


def expected(program: Program, grids: Grids) -> list[list[Drawing]]:
    """The objects of each grid after a program, by the pixel oracle."""
    return [apply(program, objects_of(grid), grid.shape) for grid in grids]


def knowing(grids: Grids, *programs: Program) -> Codec:
    """A codec that codes and draws exactly these grids' objects, and those that the programs make of them."""
    shapes = [found for grid in grids for found in objects_of(grid)]
    for program in programs:
        for steps in range(1, len(program) + 1):
            shapes += [found for scene in expected(Program(program.steps[:steps]), grids) for found in scene]
    cells = {frozenset((r - found.box[0], c - found.box[1]) for r, c in found.cells) for found in shapes}
    side = 1 + max(value for shape in cells for cell in shape for value in cell)
    alone = np.stack([draw([Drawing(1, shape)], (side, side)) for shape in sorted(cells, key=sorted)])
    return Codec(perfect_vae(torch.from_numpy(alone)))


def decoded(codes: ObjectCodes) -> Grids:
    """What codes show, by the codec that they are of."""
    assert isinstance(codes.codec, Codec)
    return codes.codec.decode(codes)
