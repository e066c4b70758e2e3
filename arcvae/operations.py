"""Operations on codes of objects: move, turn, copy, combine and recolour what a grid shows without looking at the grid.

Each takes codes that ``codec.codes(grids)`` gives, or ``codec.as_codes(z)`` of plain numbers, and returns new ones,
which ``codec.decode`` draws. All are deterministic and work on whole batches; a :class:`Program` is a list of them that
prints and parses.

Example:
    >>> import arcvae
    >>> from arcvae import operations as ops
    >>> str(ops.Program.parse("translate(dy=2) | recolor(3, objects=largest) | reflect_x()"))
    'translate(dy=2) | recolor(3, objects=largest) | reflect_x()'
"""

from __future__ import annotations

from arcvae.grid.operations.copies import duplicate, repeat, tile
from arcvae.grid.operations.places import group, recolor, separate, translate
from arcvae.grid.operations.program import OPERATIONS, Program, Step
from arcvae.grid.operations.selection import Objects, Selector, largest, of_color, smallest, touching_border
from arcvae.grid.operations.sets import connect, difference, intersection, union
from arcvae.grid.operations.shapes import scale, symmetrize
from arcvae.grid.operations.slots import widened
from arcvae.grid.operations.turns import reflect_x, reflect_y, rotate

__all__ = [
    "OPERATIONS",
    "Objects",
    "Program",
    "Selector",
    "Step",
    "connect",
    "difference",
    "duplicate",
    "group",
    "intersection",
    "largest",
    "of_color",
    "recolor",
    "reflect_x",
    "reflect_y",
    "repeat",
    "rotate",
    "scale",
    "separate",
    "smallest",
    "symmetrize",
    "tile",
    "touching_border",
    "translate",
    "union",
    "widened",
]
