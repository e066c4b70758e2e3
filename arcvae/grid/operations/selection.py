"""Which objects an operation takes: what the argument ``objects=`` may be."""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from arcvae.grid.codes.object_codes import ObjectCodes
from arcvae.grid.operations.cells import drawn, whole_objects
from arcvae.grid.operations.checks import require_codes, size_of, whole
from arcvae.grid.operations.slots import heads, together

Chosen = NDArray[np.bool_]
"""``(N, K)``."""


@dataclass(frozen=True)
class Selector:
    """A predicate of objects that has a name, so that programs can print and parse it.

    ``selector(codes)`` says which slots it chooses, ``(N, K)`` bool. Any other function of codes that returns as much
    serves as ``objects=`` as well, but not in a program.

    Args:
        name: A key of :data:`SELECTORS`.
        arguments: What it was called with.

    Example:
        >>> codes = ObjectCodes(np.array([[[0, 0, 3, *[0] * 8], [5, 5, 4, *[0] * 8]]], dtype=np.float32))
        >>> of_color(4)(codes).tolist(), str(of_color(4))
        ([[False, True]], 'of_color(4)')
    """

    name: str
    arguments: tuple[int, ...] = ()

    def __call__(self, codes: ObjectCodes) -> Chosen:
        require_codes(codes)
        return _CHOOSE[self.name](codes, *self.arguments) & codes.filled

    def __str__(self) -> str:
        return f"{self.name}({', '.join(map(str, self.arguments))})" if self.arguments else self.name

    __repr__ = __str__


Objects = None | int | Sequence[int] | Chosen | Callable[[ObjectCodes], Chosen]
"""All objects; that of one slot, or of some, counted from 0; those of a mask ``(N, K)``, such as ``codes.row > 5``; or
those for which a predicate such as :data:`largest`, :func:`of_color` or :data:`touching_border` is true."""

largest: Final = Selector("largest")
"""The object of each grid with the most cells; the first of several."""
smallest: Final = Selector("smallest")
"""The object of each grid with the fewest cells; the first of several."""
touching_border: Final = Selector("touching_border")
"""Objects with a cell in the first or last row or column of the grid, or outside of it."""


def of_color(color: int) -> Selector:
    """Objects of one colour, in [1, C)."""
    return Selector("of_color", (whole("color", color, 1),))


def chosen(codes: ObjectCodes, objects: Objects) -> Chosen:
    """Which slots ``(N, K)`` an operation takes; never empty ones, and all parts of an object or none.

    Args:
        codes: Codes of N grids.
        objects: See :data:`Objects`. The slot of an index may be empty in some grids: there it chooses nothing. The
            further parts of an object have no index.

    Raises:
        ValueError: An index without a slot, a value of another kind, or no codes of objects.
    """
    require_codes(codes)
    if objects is None:
        return codes.filled
    if callable(objects):
        return _masked(codes, np.asarray(objects(codes)), f"objects={objects!r} returned")
    if isinstance(objects, np.ndarray) and objects.dtype == bool:
        return _masked(codes, objects, "objects= is")
    first = heads(codes) == np.arange(codes.slots)
    number, which = first.cumsum(1) - 1, np.zeros(codes.filled.shape, dtype=bool)
    for index in indices(objects):
        if index >= codes.slots:
            raise ValueError(f"objects={objects!r}: codes have {codes.slots} slots, 0 to {codes.slots - 1}")
        which |= first & (number == index)
    return together(codes, which & codes.filled)


def _masked(codes: ObjectCodes, mask: NDArray[np.generic], said: str) -> Chosen:
    """The objects for which a mask is true, with all their parts; ``said`` begins the message about another array."""
    if mask.shape != codes.filled.shape or mask.dtype != bool:
        raise ValueError(f"{said} {mask.dtype} {mask.shape}, expected bool {codes.filled.shape}")
    return together(codes, mask.astype(bool) & codes.filled)


def indices(objects: object) -> tuple[int, ...]:
    """The slots that ``objects=`` names, which is an index or a sequence of them.

    Raises:
        ValueError: A value of another kind.
    """
    listed = objects if isinstance(objects, Sequence | np.ndarray) and not isinstance(objects, str) else [objects]
    try:
        return tuple(whole("index", index, 0) for index in listed)
    except (TypeError, ValueError):  # an array of several has an __index__ that raises a TypeError
        said = " ".join(reprlib.repr(objects).split())  # in one line, whatever it is
        raise ValueError(
            f"objects={said} must be None, an index from 0 on, a list of them, or a predicate such as largest"
        ) from None


def _first_of(values: NDArray[np.float64]) -> Chosen:
    """The first largest of each row, ``(N, K)``; -inf never is."""
    best = np.zeros(values.shape, dtype=bool)
    best[np.arange(len(values)), values.argmax(1)] = True
    return best


def _most_cells(codes: ObjectCodes, sign: int) -> Chosen:
    sizes = np.full(codes.filled.shape, -np.inf)
    for place, cells in whole_objects(codes, codes.filled, "objects=").items():
        sizes[place] = sign * len(cells)
    return _first_of(sizes)


def _at_border(codes: ObjectCodes) -> Chosen:
    which = codes.filled.copy()
    if which.any():
        last = np.array(size_of(codes, "touching_border")) - 1
        which[which] = [bool(((c <= 0) | (c >= last)).any()) for c in drawn(codes, codes.filled, "objects=")]
    return which


def _colored(codes: ObjectCodes, color: int) -> Chosen:
    same: Chosen = codes.color.round() == color
    return same


_CHOOSE: Final[dict[str, Callable[..., Chosen]]] = {
    "largest": lambda codes: _most_cells(codes, 1),
    "smallest": lambda codes: _most_cells(codes, -1),
    "touching_border": _at_border,
    "of_color": _colored,
}
SELECTORS: Final[dict[str, Selector | Callable[..., Selector]]] = {
    "largest": largest,
    "smallest": smallest,
    "touching_border": touching_border,
    "of_color": of_color,
}
"""Selectors by their names in programs; a function makes one."""
