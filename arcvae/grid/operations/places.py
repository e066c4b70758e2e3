"""Operations that change places and colours alone: exact on codes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from arcvae.grid.codec import Codec
from arcvae.grid.codes.object_codes import ObjectCodes
from arcvae.grid.operations.cells import centers
from arcvae.grid.operations.checks import require_codes, whole
from arcvae.grid.operations.selection import Chosen, Objects, chosen


def translate(codes: ObjectCodes, dy: int = 0, dx: int = 0, objects: Objects = None) -> ObjectCodes:
    """Move objects by whole cells.

    On codes: adds to row and column. In pixels: what leaves the grid is clipped, nothing wraps; the code keeps the
    whole object, so that moving it back brings it back. Empty slots stay empty.

    Args:
        codes: Codes of N grids.
        dy: Cells down, negative up.
        dx: Cells to the right, negative to the left.
        objects: Which ones; see :data:`arcvae.operations.Objects`.

    Raises:
        ValueError: Parts of cells.

    Example:
        >>> codes = ObjectCodes(np.array([[[2.5, 6, 3, *[0] * 8], [0] * 11]], dtype=np.float32))
        >>> moved = translate(codes, dy=2, dx=-1)
        >>> moved.row.tolist(), moved.column.tolist()
        ([[4.5, 0.0]], [[5.0, 0.0]])
    """
    down, right = whole("dy", dy), whole("dx", dx)
    which = chosen(codes, objects)
    return codes.replace(row=codes.row + down * which, column=codes.column + right * which)


def recolor(codes: ObjectCodes, color: int, objects: Objects = None) -> ObjectCodes:
    """Give objects another colour.

    On codes and in pixels: nothing else changes. Objects that now touch in one colour stay apart in the codes. Empty
    slots stay empty.

    Args:
        codes: Codes of N grids.
        color: In [1, C).
        objects: Which ones; see :data:`arcvae.operations.Objects`.

    Raises:
        ValueError: The background, which is no object's colour, or a colour that the model does not have.

    Example:
        >>> codes = ObjectCodes(np.array([[[2, 6, 3, *[0] * 8], [5, 5, 4, *[0] * 8]]], dtype=np.float32))
        >>> recolor(codes, 7, objects=1).color.tolist()
        [[3.0, 7.0]]
    """
    wanted = object_color(codes, color)
    return codes.replace(color=np.where(chosen(codes, objects), np.float32(wanted), codes.color))


def object_color(codes: ObjectCodes, color: int) -> int:
    """``color``, if objects of these codes can have it.

    Raises:
        ValueError: The background, or a colour that the model does not have.
    """
    require_codes(codes)
    last = codes.codec.num_colors - 1 if isinstance(codes.codec, Codec) else None
    wanted = whole("color", color)
    if wanted < 1 or (last is not None and wanted > last):
        raise ValueError(f"color={wanted} must be in 1 to {'C - 1' if last is None else last}; 0 is the background")
    return wanted


def group(codes: ObjectCodes, by: int = 1, objects: Objects = None) -> ObjectCodes:
    """Move objects together: each goes towards the middle of them all, by whole cells.

    On codes: changes rows and columns, each by ``by`` cells towards the mean of those that are taken, but not past it.
    In pixels: later slots cover earlier ones where objects meet. Empty slots stay empty; a single object stays where
    it is.

    Args:
        codes: Codes of N grids.
        by: Cells, >= 1.
        objects: Which ones; see :data:`arcvae.operations.Objects`.

    Raises:
        ValueError: Not a whole number of cells, 1 at least.

    Example:
        >>> codes = ObjectCodes(np.array([[[2, 6, 3, *[0] * 8], [8, 6, 4, *[0] * 8]]], dtype=np.float32))
        >>> group(codes, by=2).row.tolist(), group(codes, by=9).row.tolist()
        ([[4.0, 6.0]], [[5.0, 5.0]])
    """
    cells = whole("by", by, 1)
    which = chosen(codes, objects)
    row, column = (
        place - np.sign(away) * np.minimum(cells, np.floor(np.abs(away)))
        for place, away in zip((codes.row, codes.column), _from_the_middle(codes, which, "group"), strict=True)
    )
    return codes.replace(row=row.astype(np.float32), column=column.astype(np.float32))


def separate(codes: ObjectCodes, by: int = 1, objects: Objects = None) -> ObjectCodes:
    """Move objects apart: each goes away from the middle of them all, by whole cells.

    On codes: changes rows and columns, each by ``by`` cells away from the mean of those that are taken; where an object
    is at the mean row or column, that stays. In pixels: what leaves the grid is clipped. Empty slots stay empty; a
    single object stays where it is.

    Args:
        codes: Codes of N grids.
        by: Cells, >= 1.
        objects: Which ones; see :data:`arcvae.operations.Objects`.

    Raises:
        ValueError: Not a whole number of cells, 1 at least.

    Example:
        >>> codes = ObjectCodes(np.array([[[2, 6, 3, *[0] * 8], [8, 6, 4, *[0] * 8]]], dtype=np.float32))
        >>> separate(codes, by=2).row.tolist(), separate(codes, by=2).column.tolist()
        ([[0.0, 10.0]], [[6.0, 6.0]])
    """
    cells = whole("by", by, 1)
    which = chosen(codes, objects)
    row, column = (
        place + cells * np.sign(away)
        for place, away in zip((codes.row, codes.column), _from_the_middle(codes, which, "separate"), strict=True)
    )
    return codes.replace(row=row.astype(np.float32), column=column.astype(np.float32))


def _from_the_middle(codes: ObjectCodes, which: Chosen, operation: str) -> list[NDArray[np.float64]]:
    """How far the centre of each object lies beyond the mean of those that are taken, down and to the right.

    ``(N, K)`` each, 0 for those that are not taken.
    """
    first = which & codes.first
    count, away = first.sum(1, keepdims=True), []
    for place in centers(codes, operation):
        exact = place.astype(np.float64)  # half cells: sums are exact
        total = np.where(first, exact, 0).sum(1, keepdims=True)
        away.append(np.where(which, (count * exact - total) / np.maximum(count, 1), 0))
    return away
