"""Inputs of tasks: objects that are drawn from a prior, or from the grids of a corpus, and placed anew."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from arcvae.grid.operations.drawings import Size, objects_of
from arcvae.grid.tasks.scenes import Scene, Thing, scene_of
from arcvae.grid.tasks.shapes import canvas, cells_of, with_margin

Grids = NDArray[np.uint8]

_TRIES: Final = 60
"""Places and shapes that are tried for an object before the whole input is given up."""


@dataclass(frozen=True)
class Pool:
    """Objects that inputs are made of.

    Args:
        things: Where each lay does not matter.
        size: Height and width of the inputs.
        frame: Largest height and width of an object that a slot of the model holds.
        max_cells: Most cells of one.
    """

    things: tuple[Thing, ...]
    size: Size
    frame: int
    max_cells: int

    def holds(self, thing: Thing) -> bool:
        """Whether a slot of the model can hold an object."""
        height, width = len(thing.shape.rows), thing.shape.width
        return height <= self.frame and width <= self.frame and len(cells_of(thing.shape)) <= self.max_cells

    @classmethod
    def of(cls, grids: Iterable[NDArray[np.integer]], size: Size, frame: int, max_cells: int) -> Pool:
        """The objects of some grids that fit into a slot of a model and into an input.

        Args:
            grids: Each ``(H, W)``.
            size: Height and width of the inputs.
            frame: Largest height and width of an object that a slot holds.
            max_cells: Most cells of one.

        Raises:
            ValueError: None of them fits.
        """
        empty = cls((), size, frame, max_cells)
        found = [thing for grid in grids for thing in scene_of(objects_of(grid)) if empty.holds(thing)]
        things = [thing for thing in found if len(thing.shape.rows) <= size[0] and thing.shape.width <= size[1]]
        if not things:
            raise ValueError(f"no object fits into a slot of {frame} x {frame} cells, {max_cells} of them coloured")
        return replace(empty, things=tuple(things))

    def draw(self, rng: np.random.Generator, count: int, colors: Sequence[int] = ()) -> Scene | None:
        """An input of some objects, no two of which touch, in the order of their first cells.

        Args:
            rng: Where chance comes from.
            count: Objects.
            colors: Each is given to one of the objects, as far as there are some.

        Returns:
            None if there was no room.
        """
        placed: list[Thing] = []
        taken = 0
        wanted = [*colors][:count]
        for index in range(count):
            for _ in range(_TRIES):
                color, shape, _, _ = self.things[rng.integers(len(self.things))]
                top = int(rng.integers(self.size[0] - len(shape.rows) + 1))
                left = int(rng.integers(self.size[1] - shape.width + 1))
                if not taken & canvas(shape, top, left, self.size):
                    break
            else:
                return None
            taken |= canvas(with_margin(shape), top - 1, left - 1, self.size)
            placed.append(Thing(wanted[index] if index < len(wanted) else color, shape, top, left))
        return tuple(sorted(placed, key=_first_cell))


def _first_cell(thing: Thing) -> tuple[int, int]:
    first = thing.shape.rows[0]
    return thing.top, thing.left + (first & -first).bit_length()
