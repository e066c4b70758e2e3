"""Operations that change the shape of each object: drawn, changed in pixels, and coded again."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Literal

import numpy as np

from arcvae.grid.codes.object_codes import ObjectCodes
from arcvae.grid.codes.operators import RATIOS
from arcvae.grid.operations.by_codes import Via, by_codes, reshaped
from arcvae.grid.operations.cells import Cells, redrawn, whole_objects
from arcvae.grid.operations.checks import one_of
from arcvae.grid.operations.selection import Objects, chosen
from arcvae.grid.operations.slots import heads, packed, widened
from arcvae.grid.operations.turns import ABOUT, About, reflect_x, reflect_y


def scale(
    codes: ObjectCodes,
    factor: float,
    objects: Objects = None,
    max_objects: int | None = None,
    refine: int = 0,
    via: Via = "pixels",
) -> ObjectCodes:
    """Make objects larger or smaller; the top left corner of the bounding box stays where it is.

    In pixels: by a whole factor f each cell becomes f x f cells, by 1 / f each f x f cells, counted from the corner,
    become one if any of them is of the object. What leaves the grid is clipped. On codes, ``via="pixels"``: the shape
    is drawn, scaled in pixels and coded again, as exactly as the model codes such a shape. One that is too large for
    the model is cut into parts, each with a slot; one that cannot be cut is lost and counted in ``left_out``.
    ``via="codes"``: a trained operator changes the numbers of the shape, for the factors 2, 3 and 1 / 2. It draws
    nothing, which takes a tenth of the time, and cannot cut: one that is too large for a slot is lost and counted.
    Drawing is the default because it is more exact for most operations: an operator has to learn what decoder and
    encoder know. Empty slots stay empty.

    Args:
        codes: Codes of N grids that know their codec.
        factor: 1, 2, 3, ... or 1 / 2, 1 / 3, ...
        objects: Which ones; see :data:`arcvae.operations.Objects`.
        max_objects: Slots of the result, if codes have fewer; None: as many as they have.
        refine: Moves of a search for numbers that draw the new shapes better, see
            :meth:`arcvae.grid.codec.Codec.encode`; 0: those that the encoder gives.
        via: ``"pixels"`` or ``"codes"``; the latter needs what ``python -m arcvae.operate`` leaves beside a model.

    Raises:
        ValueError: Another factor, more objects than slots, codes without a codec, or, for ``via="codes"``, without
            operators.

    Example:
        >>> from arcvae import operations as ops
        >>> empty = ObjectCodes(np.zeros((1, 2, 11), dtype=np.float32))
        >>> ops.scale(empty, 1.5)
        Traceback (most recent call last):
        ValueError: factor=1.5 must be 1, 2, 3, ... or 1/2, 1/3, ...
    """
    times, parts = _ratio(factor)
    direct = by_codes(via, refine)
    if times == parts:
        return widened(codes, max_objects)
    if direct:
        if (times, parts) not in RATIOS:
            raise ValueError(f"factor={factor!r} has no operator; use 2, 3 or 1/2, or via='pixels'")
        change = f"scale({times if parts == 1 else f'{times}/{parts}'})"
        return reshaped(codes, change, chosen(codes, objects), "scale", max_objects)
    block: Cells = np.indices((times, times)).reshape(2, -1).T  # (f f, 2)

    def scaled(cells: Cells) -> Cells:
        corner = cells.min(0)
        blocks = (cells - corner) // parts * times
        larger: Cells = np.unique((blocks[:, None] + block).reshape(-1, 2), axis=0) + corner
        return larger

    return _reshaped(codes, scaled, objects, "scale", max_objects, refine)


def symmetrize(
    codes: ObjectCodes,
    axis: Literal["x", "y"] = "y",
    about: About = "object",
    objects: Objects = None,
    max_objects: int | None = None,
    refine: int = 0,
    via: Via = "pixels",
) -> ObjectCodes:
    """Add to objects their mirror image.

    About ``"object"``, in pixels: the union of each shape and its mirror image in the same bounding box. On codes,
    ``via="pixels"``: the shape is drawn, changed in pixels and coded again, as exactly as the model codes such a shape;
    parts and what is lost as in :func:`scale`. ``via="codes"``: a trained operator changes the numbers of the shape,
    faster and less exactly; what no slot can hold is lost. About ``"grid"``: mirrored copies on the other side of the
    grid, in the slots after the objects, which they cover where they fall on them; exact on codes. Empty slots stay
    empty.

    Args:
        codes: Codes of N grids; about ``"object"``, codes that know their codec.
        axis: ``"x"``: horizontal, as in :func:`reflect_x`. ``"y"``: vertical, as in :func:`reflect_y`.
        about: ``"object"`` or ``"grid"``.
        objects: Which ones; see :data:`arcvae.operations.Objects`.
        max_objects: Slots of the result, if codes have fewer; None: as many as they have.
        refine: Moves of a search for numbers that draw the new shapes better, see
            :meth:`arcvae.grid.codec.Codec.encode`; 0: those that the encoder gives.
        via: ``"pixels"`` or ``"codes"``; means nothing about the grid; ``"codes"`` needs what
            ``python -m arcvae.operate`` leaves beside a model.

    Raises:
        ValueError: Another word, more objects than slots, or codes without a codec, operators or a size.

    Example:
        >>> codes = ObjectCodes(np.array([[[2, 6, 3, *range(8)]]], dtype=np.float32), size=(16, 16))
        >>> symmetrize(codes, "x", about="grid", max_objects=2).row.tolist()
        [[2.0, 13.0]]
    """
    one_of("axis", axis, ("x", "y"))
    which = chosen(codes, objects)
    direct = by_codes(via, refine)
    if one_of("about", about, ABOUT) == "grid":
        mirrored = (reflect_x if axis == "x" else reflect_y)(codes)
        numbers = np.concatenate([codes.numbers, mirrored.numbers], 1)
        kept = np.concatenate([codes.filled, which], 1)
        part_of = np.concatenate([heads(codes), heads(codes) + codes.slots], 1)
        return packed(codes, numbers, kept, part_of, "symmetrize", max_objects)
    if direct:
        return reshaped(codes, f"symmetrize({axis})", which, "symmetrize", max_objects)
    line = "xy".index(axis)

    def symmetric(cells: Cells) -> Cells:
        mirror = cells.copy()
        mirror[:, line] = cells[:, line].min() + cells[:, line].max() - cells[:, line]
        return np.unique(np.concatenate([cells, mirror]), axis=0)

    return _reshaped(codes, symmetric, objects, "symmetrize", max_objects, refine)


def _ratio(factor: float) -> tuple[int, int]:
    """``(f, 1)`` for a factor f, ``(1, f)`` for 1 / f.

    Raises:
        ValueError: Any other factor.
    """
    problem = ValueError(f"factor={factor!r} must be 1, 2, 3, ... or 1/2, 1/3, ...")
    if isinstance(factor, bool) or not isinstance(factor, int | float | np.number) or not 0 < factor < np.inf:
        raise problem
    ratio = Fraction(float(factor)).limit_denominator(1000)
    if 1 not in (ratio.numerator, ratio.denominator) or float(ratio) != float(factor):
        raise problem
    return ratio.numerator, ratio.denominator


def _reshaped(
    codes: ObjectCodes,
    change: Callable[[Cells], Cells],
    objects: Objects,
    operation: str,
    max_objects: int | None,
    refine: int,
) -> ObjectCodes:
    """Codes in which the chosen objects have the cells that ``change`` makes of theirs."""
    found = whole_objects(codes, chosen(codes, objects), operation)
    cells = {place: change(old) if len(old) else old for place, old in found.items()}
    colors = {place: int(codes.color[place].round()) for place in found}
    return redrawn(codes, cells, colors, operation, max_objects, refine)
