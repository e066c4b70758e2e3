"""Figures of grids against those that they should be: exact match, F1, errors by kind, and the gates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from arcvae.grid.operations.drawings import Drawing, objects_of

Grids = NDArray[np.uint8]
Flags = NDArray[np.bool_]
Kind = Literal["color", "place", "shape", "missing", "added"]

KINDS: Final[tuple[Kind, ...]] = ("color", "place", "shape", "missing", "added")
"""What can be wrong with an object."""
GO: Final = 0.85
ITERATE: Final = 0.70
"""Gates: with this exact match and more the plan goes on, between the two one tries again, below one stops."""
MOST_OBJECTS: Final = 4
"""Grids with more objects count with those that have so many."""


def gate(exact: float) -> str:
    """What follows from an exact match.

    Example:
        >>> gate(0.85), gate(0.7), gate(0.69)
        ('go', 'iterate', 'stop')
    """
    return "go" if exact >= GO else "iterate" if exact >= ITERATE else "stop"


def exact_match(target: Grids, found: Grids) -> Flags:
    """Which grids ``(M, H, W)`` are equal, ``(M,)``."""
    same: Flags = (target == found).all((1, 2))
    return same


def object_f1(target: Grids, found: Grids) -> float:
    """F1 of coloured cells over all grids ``(M, H, W)``, as in evaluation; 1 if there are none in either.

    Example:
        >>> object_f1(np.array([[[1, 2, 0]]], dtype=np.uint8), np.array([[[1, 3, 0]]], dtype=np.uint8))
        0.5
    """
    colored = int((target > 0).sum()) + int((found > 0).sum())
    return 2 * int(((target == found) & (target > 0)).sum()) / colored if colored else 1.0


def errors_by_kind(target: Grids, found: Grids) -> dict[Kind, int]:
    """What is wrong with the objects of grids ``(M, H, W)``.

    An object of the target that the other grid lacks is, in this order: of another ``color`` if the same cells are an
    object there, at another ``place`` if the same shape of the same colour is, of another ``shape`` if an object there
    has a cell of it, else ``missing``. Objects that are left over there are ``added``. Objects are connected cells of
    one colour, as one sees them; each is counted once.
    """
    counts: dict[Kind, int] = dict.fromkeys(KINDS, 0)
    for index in np.flatnonzero(~exact_match(target, found)):
        for kind in _errors(objects_of(target[index]), objects_of(found[index])):
            counts[kind] += 1
    return counts


def _errors(wanted: list[Drawing], there: list[Drawing]) -> list[Kind]:
    right = set(wanted) & set(there)
    wanted, there = ([one for one in objects if one not in right] for objects in (wanted, there))
    errors: list[Kind] = []
    for kind in ("color", "place", "shape"):
        for one in list(wanted):
            partner = next((other for other in there if _is(kind, one, other)), None)
            if partner is not None:
                wanted.remove(one)
                there.remove(partner)
                errors.append(kind)
    missing: list[Kind] = ["missing"] * len(wanted)
    added: list[Kind] = ["added"] * len(there)
    return errors + missing + added


def _is(kind: str, one: Drawing, other: Drawing) -> bool:
    if kind == "color":
        return one.cells == other.cells
    if kind == "place":
        return one.color == other.color and _at_corner(one) == _at_corner(other)
    return bool(one.cells & other.cells)


def _at_corner(one: Drawing) -> frozenset[tuple[int, int]]:
    top, left, _, _ = one.box
    return one.moved(-top, -left).cells


def figures(
    target: Grids, found: Grids, objects: NDArray[np.int64], masks: Mapping[str, Flags], *, detail: bool = True
) -> dict[str, Any]:
    """Figures of results against targets.

    Args:
        target: ``(M, H, W)``.
        found: ``(M, H, W)``.
        objects: ``(M,)``, objects of the sources.
        masks: Subsets of the cases by name, ``(M,)`` each, ``"clear"`` among them.
        detail: With errors by kind, and exact match by number of objects.

    Returns:
        For each subset ``exact`` and ``f1``, None if it is empty. With ``detail`` also, on the clear cases:
        ``by_objects``, exact match by number of objects from 1 on, :data:`MOST_OBJECTS` and more being one; and
        ``errors``, wrong objects per 1,000 grids by kind.
    """
    same = exact_match(target, found)
    result: dict[str, Any] = {}
    for name, mask in masks.items():
        some = bool(mask.any())
        result[name] = {
            "exact": float(same[mask].mean()) if some else None,
            "f1": object_f1(target[mask], found[mask]) if some else None,
        }
    clear = masks["clear"]
    if detail and clear.any():
        number = np.minimum(objects, MOST_OBJECTS)
        groups = {str(count): clear & (number == count) for count in range(1, MOST_OBJECTS + 1)}
        result["by_objects"] = {name: float(same[mask].mean()) if mask.any() else None for name, mask in groups.items()}
        errors = errors_by_kind(target[clear], found[clear])
        result["errors"] = {kind: 1000 * count / int(clear.sum()) for kind, count in errors.items()}
    return result
