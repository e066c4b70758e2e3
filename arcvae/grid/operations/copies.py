"""Operations that add copies of objects: exact on codes, as long as there are slots for them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from arcvae.grid.codes.object_codes import ObjectCodes
from arcvae.grid.models.slots import COLUMN, ROW
from arcvae.grid.operations.checks import size_of, whole
from arcvae.grid.operations.selection import Objects, chosen
from arcvae.grid.operations.slots import heads, packed


def duplicate(
    codes: ObjectCodes, dy: int = 0, dx: int = 0, objects: Objects = None, max_objects: int | None = None
) -> ObjectCodes:
    """Add a copy of each object, moved by whole cells.

    On codes: the copies fill the first slots after the objects, in the order of these. In pixels: a copy covers what it
    falls on, and is clipped where it leaves the grid; an unmoved one is not seen. Empty slots have no copy.

    Args:
        codes: Codes of N grids.
        dy: Cells from an object down to its copy.
        dx: Cells from an object to the right to its copy.
        objects: Which ones are copied; see :data:`arcvae.operations.Objects`.
        max_objects: Slots of the result, if codes have fewer; None: as many as they have.

    Raises:
        ValueError: More objects than slots, or parts of cells.

    Example:
        >>> codes = ObjectCodes(np.array([[[2, 6, 3, *[0] * 8]]], dtype=np.float32))
        >>> print(duplicate(codes, dx=4, max_objects=2))
        grid slot    row column color  shape
           0    0    2.0    6.0     3  +0.00 +0.00 +0.00 +0.00 +0.00 +0.00 +0.00 +0.00
           0    1    2.0   10.0     3  +0.00 +0.00 +0.00 +0.00 +0.00 +0.00 +0.00 +0.00
        >>> duplicate(codes)
        Traceback (most recent call last):
        ValueError: duplicate makes 2 objects of grid 0, and codes have 1 slots; give max_objects=2 or more
    """
    return _copied(codes, [(whole("dy", dy), whole("dx", dx))], objects, "duplicate", max_objects)


def repeat(
    codes: ObjectCodes, n: int, dy: int = 0, dx: int = 0, objects: Objects = None, max_objects: int | None = None
) -> ObjectCodes:
    """Add ``n`` copies of each object in a direction, each moved by whole cells from the one before.

    On codes: first a copy of every object, then the second copies, and so on, in the slots after the objects. In
    pixels: a copy covers what it falls on, and is clipped where it leaves the grid, in which case it keeps its slot.
    Empty slots have no copies.

    Args:
        codes: Codes of N grids.
        n: Copies of each object, >= 1.
        dy: Cells down from each to the next.
        dx: Cells to the right from each to the next.
        objects: Which ones are copied; see :data:`arcvae.operations.Objects`.
        max_objects: Slots of the result, if codes have fewer; None: as many as they have.

    Raises:
        ValueError: More objects than slots, no copies, or parts of cells.

    Example:
        >>> codes = ObjectCodes(np.array([[[2, 6, 3, *[0] * 8]]], dtype=np.float32))
        >>> repeat(codes, 3, dy=2, max_objects=4).row.tolist()
        [[2.0, 4.0, 6.0, 8.0]]
    """
    count, down, right = whole("n", n, 1), whole("dy", dy), whole("dx", dx)
    steps = [(index * down, index * right) for index in range(1, count + 1)]
    return _copied(codes, steps, objects, "repeat", max_objects)


def tile(
    codes: ObjectCodes,
    rows: int = 2,
    columns: int = 2,
    dy: int | None = None,
    dx: int | None = None,
    objects: Objects = None,
    max_objects: int | None = None,
) -> ObjectCodes:
    """Repeat objects in a lattice of ``rows`` x ``columns``, the objects themselves being its top left.

    On codes: copies fill the slots after the objects, row by row of the lattice. In pixels: a copy covers what it falls
    on, and is clipped where it leaves the grid, in which case it keeps its slot. Empty slots have no copies.

    Args:
        codes: Codes of N grids.
        rows: Of the lattice, >= 1.
        columns: Of the lattice, >= 1.
        dy: Cells from a row of the lattice to the next; None: the height of the grid divided by ``rows``.
        dx: Cells from a column of the lattice to the next; None: the width of the grid divided by ``columns``.
        objects: Which ones are copied; see :data:`arcvae.operations.Objects`.
        max_objects: Slots of the result, if codes have fewer; None: as many as they have.

    Raises:
        ValueError: More objects than slots, an empty lattice, parts of cells, or steps that follow from a size of the
            grids that codes do not know.

    Example:
        >>> codes = ObjectCodes(np.array([[[2, 6, 3, *[0] * 8]]], dtype=np.float32), size=(16, 16))
        >>> tiled = tile(codes, 2, 2, dx=5, max_objects=4)
        >>> tiled.row.tolist(), tiled.column.tolist()
        ([[2.0, 2.0, 10.0, 10.0]], [[6.0, 11.0, 6.0, 11.0]])
    """
    count = (whole("rows", rows, 1), whole("columns", columns, 1))
    down = size_of(codes, "tile")[0] // count[0] if dy is None else whole("dy", dy)
    right = size_of(codes, "tile")[1] // count[1] if dx is None else whole("dx", dx)
    steps = [(row * down, column * right) for row in range(count[0]) for column in range(count[1])]
    return _copied(codes, steps[1:], objects, "tile", max_objects)


def _copied(
    codes: ObjectCodes, steps: Sequence[tuple[int, int]], objects: Objects, operation: str, max_objects: int | None
) -> ObjectCodes:
    """Codes and a copy of the chosen objects for each step down and right."""
    which = chosen(codes, objects)
    copies, owners = [codes.numbers], heads(codes)
    for down, right in steps:
        copy = codes.numbers.copy()
        copy[..., ROW] += down
        copy[..., COLUMN] += right
        copies.append(copy)
    kept = np.concatenate([codes.filled, *[which] * len(steps)], 1)
    part_of = np.concatenate([owners + time * codes.slots for time in range(len(copies))], 1)
    return packed(codes, np.concatenate(copies, 1), kept, part_of, operation, max_objects)
