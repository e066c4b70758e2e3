"""Cases of a benchmark: grids, and what the pixel oracle makes of them. Nothing here knows codes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcvae.grid.benchmarks.programs import least_objects
from arcvae.grid.operations.drawings import Drawing, Size, draw, hidden
from arcvae.grid.operations.pixels import apply
from arcvae.grid.operations.program import Program

Grids = NDArray[np.uint8]
Scene = Sequence[Drawing]
Flags = NDArray[np.bool_]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Cases:
    """M grids of a pool and what a program makes of each.

    Attributes:
        program: What is done.
        index: ``(M,)``, where in the pool each grid is.
        target: ``(M, H, W)`` uint8, by the oracle.
        objects: ``(M,)``, objects of the source.
        every: ``(M,)``, which are among the first of the pool, whatever happens to them.
        clear: ``(M,)``, which are among the first of those where every cell of every object of the result is seen: none
            is outside of the grid or under another object.
        cells: ``(M,)``, most cells of an object, before the program and after any of its steps.
        extent: ``(M,)``, largest height or width of an object, likewise.
    """

    program: Program
    index: Ints
    target: Grids
    objects: Ints
    every: Flags
    clear: Flags
    cells: Ints
    extent: Ints

    def __len__(self) -> int:
        return len(self.index)


def collect(program: Program, scenes: Sequence[Scene], size: Size, limit: int, skip: int = 0) -> Cases:
    """The first ``limit`` cases of a program, and the first ``limit`` of those in which all is seen.

    Args:
        program: What is done.
        scenes: The objects of each grid of the pool; those with too few for the program are passed over.
        size: Height and width of the grids.
        limit: Cases of either kind, fewer if the pool has fewer.
        skip: Where in the pool to begin.
    """
    rows: list[tuple[int, int, bool, bool, int, int]] = []
    targets: list[Grids] = []
    left = {True: limit, False: limit}  # cases that are still wanted: in which all is seen, whatever happens
    fewest = least_objects(program)
    for index in range(skip, len(scenes)):
        scene = scenes[index]
        if len(scene) < fewest:
            continue
        if not left[True] and not left[False]:
            break
        stages = _stages(program, scene, size)
        every, clear = left[False] > 0, left[True] > 0 and not hidden(stages[-1], size)
        left[False] -= every
        left[True] -= clear
        if every or clear:
            cells, extent = _largest(found for stage in stages for found in stage)
            rows.append((index, len(scene), every, clear, cells, extent))
            targets.append(draw(stages[-1], size))
    index_, objects, every_, clear_, cells_, extent_ = np.array(rows, dtype=np.int64).reshape(-1, 6).T
    target = np.stack(targets) if targets else np.zeros((0, *size), dtype=np.uint8)
    return Cases(program, index_, target, objects, every_ > 0, clear_ > 0, cells_, extent_)


def joined(several: Sequence[Cases]) -> Cases:
    """Cases of several programs as one; the program is that of the first."""
    parts = ("index", "target", "objects", "every", "clear", "cells", "extent")
    together: dict[str, Any] = {part: np.concatenate([getattr(cases, part) for cases in several]) for part in parts}
    return Cases(several[0].program, **together)


def _stages(program: Program, scene: Scene, size: Size) -> list[list[Drawing]]:
    """The scene, and what it is after each step."""
    stages = [list(scene)]
    for step in program.steps:
        stages.append(apply(Program([step]), stages[-1], size))
    return stages


def _largest(objects: Iterable[Drawing]) -> tuple[int, int]:
    """Most cells, and largest height or width, of some objects; 0 of none."""
    cells = extent = 0
    for found in objects:
        top, left, bottom, right = found.box
        cells, extent = max(cells, len(found.cells)), max(extent, bottom - top + 1, right - left + 1)
    return cells, extent
