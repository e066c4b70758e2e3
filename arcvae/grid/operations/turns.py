"""Operations that turn and mirror: a rule for places and a permutation of the numbers of shapes, exact on codes."""

from __future__ import annotations

from typing import Final, Literal

import numpy as np
import torch

from arcvae.grid.codes.object_codes import Numbers, ObjectCodes
from arcvae.grid.models.dihedral import ORDER, turn_code, turned
from arcvae.grid.models.slots import COLUMN, PLACE, ROW
from arcvae.grid.operations.cells import centers
from arcvae.grid.operations.checks import one_of, size_of, whole
from arcvae.grid.operations.selection import Chosen, Objects, chosen

About = Literal["grid", "object"]
ABOUT: Final = ("grid", "object")

_EXAMPLE: Final = np.arange(4).reshape(2, 2)
UP_DOWN, LEFT_RIGHT = (
    next(g for g in range(ORDER) if np.array_equal(turned(_EXAMPLE, g), np.flip(_EXAMPLE, axis))) for axis in (0, 1)
)
"""The symmetries that mirror, as :func:`arcvae.grid.models.dihedral.turned` counts them."""


def rotate(codes: ObjectCodes, degrees: int, about: About = "grid", objects: Objects = None) -> ObjectCodes:
    """Turn objects counterclockwise, by quarter turns.

    On codes: permutes the numbers of shapes, and moves places about the centre of the grid. In pixels: as
    ``numpy.rot90``. Four quarter turns are the identity, number by number. Empty slots stay empty; what has left the
    grid turns with the rest.

    Args:
        codes: Codes of N grids.
        degrees: A multiple of 90; negative: clockwise.
        about: ``"grid"``: about the centre of the grid. ``"object"``: each in its place; one whose height and width
            are not both odd or both even has no centre that a quarter turn leaves on the cells, and moves by half a
            cell each way: up or left where the centre was on a half, down or right where it was not.
        objects: Which ones; see :data:`arcvae.operations.Objects`.

    Raises:
        ValueError: Another angle, or quarter turns about the centre of a grid that is not square.

    Example:
        >>> codes = ObjectCodes(np.array([[[0, 1.5, 3, *range(8)]]], dtype=np.float32), size=(5, 5))
        >>> rotate(codes, 90).numbers[0, 0, :3].tolist()  # from the top edge to the left one
        [2.5, 0.0, 3.0]
        >>> rotate(rotate(codes, 90), -90).numbers.tolist() == codes.numbers.tolist()
        True
    """
    angle = whole("degrees", degrees)
    one_of("about", about, ABOUT)
    if angle % 90:
        raise ValueError(f"degrees={angle} must be a multiple of 90")
    which = chosen(codes, objects)
    quarters = angle // 90 % 4
    row, column = codes.row, codes.column
    if about == "grid":
        height, width = size_of(codes, "rotate")
        if quarters % 2 and height != width:
            raise ValueError(
                f"rotate({angle}) about the centre needs square grids, these are {height} x {width}; "
                f"use 180 degrees, or about='object'"
            )
        for _ in range(quarters):
            row, column, height, width = width - 1 - column, row, width, height
    elif quarters:
        middle = centers(codes, "rotate")
        down, right = row - middle[0], column - middle[1]  # of a part of an object, from its centre
        for _ in range(quarters):
            down, right = -right, down
        halves = [(2 * place).round() % 2 for place in middle]
        mixed = (halves[0] != halves[1]) & bool(quarters % 2)
        row, column = (
            place + mixed * (0.5 - half) + way for place, half, way in zip(middle, halves, (down, right), strict=True)
        )
    return _moved(codes, row, column, quarters, which)


def reflect_x(codes: ObjectCodes, about: About = "grid", objects: Objects = None) -> ObjectCodes:
    """Mirror objects about the horizontal axis: what is at the top comes to the bottom.

    On codes: permutes the numbers of shapes, and mirrors rows. In pixels: as ``numpy.flipud``. Two reflections are the
    identity, number by number. Empty slots stay empty; what has left the grid is mirrored with the rest.

    Args:
        codes: Codes of N grids.
        about: ``"grid"``: the axis through the centre of the grid. ``"object"``: each in its place.
        objects: Which ones; see :data:`arcvae.operations.Objects`.

    Raises:
        ValueError: Another word, or codes that do not know the size of the grids.

    Example:
        >>> codes = ObjectCodes(np.array([[[0, 1.5, 3, *range(8)]]], dtype=np.float32), size=(5, 7))
        >>> reflect_x(codes).numbers[0, 0, :3].tolist()
        [4.0, 1.5, 3.0]
    """
    which, row = chosen(codes, objects), codes.row
    if one_of("about", about, ABOUT) == "grid":
        row = size_of(codes, "reflect_x")[0] - 1 - row
    else:
        row = 2 * centers(codes, "reflect_x")[0] - row
    return _moved(codes, row, codes.column, UP_DOWN, which)


def reflect_y(codes: ObjectCodes, about: About = "grid", objects: Objects = None) -> ObjectCodes:
    """Mirror objects about the vertical axis: what is on the left comes to the right.

    As :func:`reflect_x`, with columns for rows; in pixels ``numpy.fliplr``.

    Args:
        codes: Codes of N grids.
        about: ``"grid"``: the axis through the centre of the grid. ``"object"``: each in its place.
        objects: Which ones; see :data:`arcvae.operations.Objects`.

    Raises:
        ValueError: Another word, or codes that do not know the size of the grids.

    Example:
        >>> codes = ObjectCodes(np.array([[[0, 1.5, 3, *range(8)]]], dtype=np.float32), size=(5, 7))
        >>> reflect_y(codes).numbers[0, 0, :3].tolist()
        [0.0, 4.5, 3.0]
    """
    which, column = chosen(codes, objects), codes.column
    if one_of("about", about, ABOUT) == "grid":
        column = size_of(codes, "reflect_y")[1] - 1 - column
    else:
        column = 2 * centers(codes, "reflect_y")[1] - column
    return _moved(codes, codes.row, column, LEFT_RIGHT, which)


def _moved(codes: ObjectCodes, row: Numbers, column: Numbers, g: int, which: Chosen) -> ObjectCodes:
    """Codes in which some objects have new places and the shape after symmetry ``g``."""
    numbers = codes.numbers.copy()
    numbers[..., ROW][which], numbers[..., COLUMN][which] = row[which], column[which]
    shapes = torch.from_numpy(codes.shapes[which])
    numbers[which, PLACE:] = turn_code(shapes, torch.full((len(shapes),), g)).numpy()
    return codes.replace(row=numbers[..., ROW], column=numbers[..., COLUMN], shapes=numbers[..., PLACE:])
