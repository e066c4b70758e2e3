"""Operations on several objects of a grid at once: drawn, combined in pixels, and coded again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce
from itertools import pairwise
from typing import Any, Final

import numpy as np

from arcvae.grid.codes.object_codes import ObjectCodes
from arcvae.grid.operations.by_codes import Via, by_codes, combined
from arcvae.grid.operations.cells import Cells, redrawn, whole_objects
from arcvae.grid.operations.places import object_color
from arcvae.grid.operations.selection import Objects, chosen

_CellSet = frozenset[tuple[int, int]]
_COMBINE: Final[Mapping[str, Callable[[Any, Any], _CellSet]]] = {
    "union": frozenset.union,
    "intersection": frozenset.intersection,
    "difference": frozenset.difference,
}


def union(
    codes: ObjectCodes,
    objects: Objects = None,
    align: bool = False,
    max_objects: int | None = None,
    refine: int = 0,
    via: Via = "pixels",
) -> ObjectCodes:
    """Make one object of several: all cells that any of them has, in the colour of the first.

    On codes, ``via="pixels"``: the shapes are drawn, united in pixels and coded again, as exactly as the model codes
    such a shape. The result takes the place of the first object among the slots; the others' slots are closed up. Parts
    that do not touch have a slot each, in the order of their first cells, and so have the parts of what is too large
    for the model and has to be cut; one that cannot be cut is lost and counted in ``left_out``.

    ``via="codes"``: a trained operator makes the numbers of the result out of those of two objects, and goes on with
    that and the third. That is faster and much less exact, and so not the default; see :func:`scale`. A slot holds one
    object: those that do not become one with the first keep their slots, in its colour; with
    ``align=True``, and where an intersection or a difference has several parts, the result is lost and counted in
    ``left_out``.

    What lies outside of the grid counts. Empty slots have no cells; a grid in which nothing is chosen stays as it is.

    Args:
        codes: Codes of N grids that know their codec.
        objects: Which ones, in the order of their slots; see :data:`arcvae.operations.Objects`.
        align: First move the others until the top left corners of their bounding boxes lie on that of the first.
        max_objects: Slots of the result, if codes have fewer; None: as many as they have.
        refine: Moves of a search for numbers that draw the new shapes better, see
            :meth:`arcvae.grid.codec.Codec.encode`; 0: those that the encoder gives.
        via: ``"pixels"`` or ``"codes"``; the latter needs what ``python -m arcvae.operate`` leaves beside a model.

    Raises:
        ValueError: More objects than slots, codes without a codec, or, for ``via="codes"``, without operators.

    Example:
        >>> from arcvae import operations as ops
        >>> codes = ObjectCodes(np.array([[[2, 6, 3, *range(8)]]], dtype=np.float32))
        >>> ops.union(codes)
        Traceback (most recent call last):
        ValueError: union draws shapes and needs a codec; take the codes from codec.codes(grids)
    """
    return _combined(codes, "union", objects, align, max_objects, refine, via)


def intersection(
    codes: ObjectCodes,
    objects: Objects = None,
    align: bool = False,
    max_objects: int | None = None,
    refine: int = 0,
    via: Via = "pixels",
) -> ObjectCodes:
    """Make one object of several: the cells that all of them have, in the colour of the first.

    As :func:`union` otherwise, arguments and errors too. The objects of a grid as it is encoded have no cell in common:
    with ``align=True`` their shapes are laid over each other; or an earlier operation has moved them. Without a common
    cell there is no object left of them.

    Example:
        >>> from arcvae import operations as ops
        >>> len(ops.intersection(ObjectCodes(np.zeros((3, 2, 11), dtype=np.float32)), align=True))
        3
    """
    return _combined(codes, "intersection", objects, align, max_objects, refine, via)


def difference(
    codes: ObjectCodes,
    objects: Objects = None,
    align: bool = False,
    max_objects: int | None = None,
    refine: int = 0,
    via: Via = "pixels",
) -> ObjectCodes:
    """Make one object of several: the cells of the first that none of the others has, in its colour.

    As :func:`union` otherwise, arguments and errors too: the others are gone.

    Example:
        >>> from arcvae import operations as ops
        >>> len(ops.difference(ObjectCodes(np.zeros((3, 2, 11), dtype=np.float32))))
        3
    """
    return _combined(codes, "difference", objects, align, max_objects, refine, via)


def connect(
    codes: ObjectCodes,
    color: int | None = None,
    objects: Objects = None,
    max_objects: int | None = None,
    refine: int = 0,
) -> ObjectCodes:
    """Draw a line between each object and the next.

    In pixels: a line one cell wide from a cell of the one to the nearest cell of the other, without these two; of
    several pairs as near the first, row by row. Objects that touch need no line. It covers what lies in its way. On
    codes: lines are objects of their own in the slots after the others, drawn in pixels and coded, as exactly as the
    model codes such a line; one that is too long for a slot is cut into parts, and one that cannot be cut is lost and
    counted in ``left_out``. Empty slots are not connected, and a single object is not either.

    Args:
        codes: Codes of N grids that know their codec.
        color: Of the lines, in [1, C); None: that of the first of two objects.
        objects: Which ones, in the order of their slots; see :data:`arcvae.operations.Objects`.
        max_objects: Slots of the result, if codes have fewer; None: as many as they have.
        refine: Moves of a search for numbers that draw the new shapes better, see
            :meth:`arcvae.grid.codec.Codec.encode`; 0: those that the encoder gives.

    Raises:
        ValueError: More objects than slots, no such colour, or codes without a codec.

    Example:
        >>> from arcvae import operations as ops
        >>> ops.connect(ObjectCodes(np.zeros((3, 2, 11), dtype=np.float32)), color=0)
        Traceback (most recent call last):
        ValueError: color=0 must be in 1 to C - 1; 0 is the background
    """
    wanted = None if color is None else object_color(codes, color)
    cells, colors = {}, {}
    # A line for each pair: they follow each other at the slots from K on.
    for grid, members in _by_grid(codes, objects, "connect"):
        for index, ((slot, first), (_, second)) in enumerate(pairwise(members)):
            place = (grid, codes.slots + index)
            cells[place] = line_between(first, second)
            colors[place] = int(codes.color[grid, slot].round()) if wanted is None else wanted
    return redrawn(codes, cells, colors, "connect", max_objects, refine)


def line_between(first: Cells, second: Cells) -> Cells:
    """The cells between the nearest two of two objects, on a line without gaps (Bresenham 1965).

    Example:
        >>> line_between(np.array([[0, 0]]), np.array([[1, 3]])).tolist()
        [[0, 1], [1, 2]]
    """
    none: Cells = np.zeros((0, 2), dtype=np.int64)
    if not len(first) or not len(second):
        return none
    distance = ((first[:, None] - second) ** 2).sum(2)
    nearest = np.unravel_index(distance.argmin(), distance.shape)
    start, end = first[nearest[0]], second[nearest[1]]
    length = int(np.abs(end - start).max())
    if length < 2:
        return none
    steps = np.arange(1, length)[:, None]
    line: Cells = start + (2 * steps * (end - start) + length) // (2 * length)
    return line


def _combined(
    codes: ObjectCodes,
    operation: str,
    objects: Objects,
    align: bool,
    max_objects: int | None,
    refine: int,
    via: Via,
) -> ObjectCodes:
    """Codes in which one object comes in the place of the chosen ones of each grid."""
    if not isinstance(align, bool):
        raise ValueError(f"align={align!r} must be True or False")
    if by_codes(via, refine):
        return combined(codes, chosen(codes, objects), operation, align, max_objects)
    cells, colors = {}, {}
    for grid, members in _by_grid(codes, objects, operation):
        for slot, _ in members:
            cells[grid, slot], colors[grid, slot] = np.zeros((0, 2), dtype=np.int64), 1
        slot, anchor = members[0]
        parts = [_aligned(part, anchor) if align else part for _, part in members]
        sets = [frozenset((int(row), int(column)) for row, column in part) for part in parts]
        cells[grid, slot] = np.array(sorted(reduce(_COMBINE[operation], sets)), dtype=np.int64).reshape(-1, 2)
        colors[grid, slot] = int(codes.color[grid, slot].round())
    return redrawn(codes, cells, colors, operation, max_objects, refine)


def _aligned(cells: Cells, anchor: Cells) -> Cells:
    """Cells moved until the corner of their bounding box lies on that of ``anchor``."""
    return cells + anchor.min(0) - cells.min(0) if len(cells) and len(anchor) else cells


def _by_grid(codes: ObjectCodes, objects: Objects, operation: str) -> list[tuple[int, list[tuple[int, Cells]]]]:
    """The grids with chosen objects, each with the slots and cells of these."""
    members: dict[int, list[tuple[int, Cells]]] = {}
    for (grid, slot), cells in whole_objects(codes, chosen(codes, objects), operation).items():
        members.setdefault(grid, []).append((slot, cells))
    return list(members.items())
