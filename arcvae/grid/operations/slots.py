"""Objects that come and go: slots are filled from the first on, and more objects than slots are refused.

An object that is too large for a slot takes several. Operations treat its parts as one: :func:`together`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from arcvae.grid.codes.object_codes import Numbers, ObjectCodes
from arcvae.grid.operations.checks import require_codes, whole


def heads(codes: ObjectCodes) -> NDArray[np.int64]:
    """For each slot the one with the first part of its object, ``(N, K)``; most often the same."""
    own = np.broadcast_to(np.arange(codes.slots), codes.filled.shape)
    return own if codes.part_of is None else codes.part_of


def together(codes: ObjectCodes, which: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The slots of all objects of which ``which`` ``(N, K)`` has a part.

    Example:
        >>> codes = ObjectCodes(np.ones((1, 3, 11), dtype=np.float32), part_of=np.array([[0, 1, 0]]))
        >>> together(codes, np.array([[False, False, True]])).tolist()
        [[True, False, True]]
    """
    if codes.part_of is None:
        return which
    grids = np.arange(len(codes))[:, None]
    found = np.zeros_like(which)
    np.logical_or.at(found, (grids, codes.part_of), which)
    return found[grids, codes.part_of] & codes.filled


def packed(
    codes: ObjectCodes,
    numbers: Numbers,
    kept: NDArray[np.bool_],
    part_of: NDArray[np.int64],
    operation: str,
    max_objects: int | None,
    left_out: NDArray[np.int64] | None = None,
) -> ObjectCodes:
    """Codes of some objects, in their order, in the first slots of each grid; the slots after them are empty.

    Args:
        codes: What the operation was given: it says how many slots there are.
        numbers: ``(N, P, 3 + S)``, candidates.
        kept: ``(N, P)``, which of them are objects of the result; all parts of one, or none.
        part_of: ``(N, P)``, the candidate that is the first part of the same object.
        operation: Its name, for the message.
        max_objects: The result has as many slots, or as many as ``codes`` has if these are more; None: the latter.
        left_out: ``(N,)``, objects that the result lacks beyond those that ``codes`` lacks; None: none.

    Raises:
        ValueError: A grid with more objects than slots.
    """
    slots = max(codes.slots, whole("max_objects", max_objects, 1) if max_objects is not None else 0)
    count = kept.sum(1)
    if len(count) and count.max() > slots:
        grid = int(count.argmax())
        raise ValueError(
            f"{operation} makes {count[grid]} objects of grid {grid}, and codes have {slots} slots; "
            f"give max_objects={count.max()} or more"
        )
    result = np.zeros((len(numbers), slots, codes.numbers.shape[2]), dtype=np.float32)
    grid_of, candidate = np.nonzero(kept)
    places = kept.cumsum(1) - 1
    slot = places[grid_of, candidate]
    result[grid_of, slot] = numbers[grid_of, candidate]
    owners = np.tile(np.arange(slots), (len(numbers), 1))
    owners[grid_of, slot] = places[grid_of, part_of[grid_of, candidate]]
    lost = codes.left_out
    if left_out is not None:
        lost = left_out + (0 if lost is None else lost)
    return replace(codes, numbers=result, left_out=lost, part_of=owners)


def replaced(
    codes: ObjectCodes,
    new: Mapping[tuple[int, int], Sequence[Numbers]],
    lost: Mapping[int, int],
    operation: str,
    max_objects: int | None,
) -> ObjectCodes:
    """Codes in which other objects come in the place of some, any number of them each, or none.

    Args:
        codes: What the operation was given.
        new: For the first slots of some objects, what comes in the place of all their parts: for each new object its
            parts, ``(P, 3 + S)``; at slots from K on, objects that come after all others.
        lost: Objects of some grids that no code can hold.
        operation: Its name, for the message.
        max_objects: See :func:`packed`.

    Raises:
        ValueError: A grid with more objects than slots.
    """
    filled, owners = codes.filled, heads(codes)
    touched: dict[int, dict[int, Sequence[Numbers]]] = {}
    for (grid, slot), objects in new.items():
        touched.setdefault(grid, {})[slot] = objects
    rows = [numbers[here] for numbers, here in zip(codes.numbers, filled, strict=True)]
    parts = [(here.cumsum() - 1)[owner[here]] for owner, here in zip(owners, filled, strict=True)]
    for grid, slots in touched.items():
        rows[grid], parts[grid] = _with_replaced(codes.numbers[grid], owners[grid], filled[grid], slots)
    count = np.array([len(row) for row in rows], dtype=np.int64)
    kept = np.arange(count.max(initial=0)) < count[:, None]
    numbers = np.zeros((*kept.shape, codes.numbers.shape[2]), dtype=np.float32)
    numbers[kept] = np.concatenate([numbers[:0].reshape(0, numbers.shape[2]), *rows])
    part_of = np.zeros(kept.shape, dtype=np.int64)
    part_of[kept] = np.concatenate([part_of[:0].reshape(-1), *parts])
    left_out = np.array([lost.get(grid, 0) for grid in range(len(codes))], dtype=np.int64)
    return packed(codes, numbers, kept, part_of, operation, max_objects, left_out if lost else None)


def _with_replaced(
    numbers: Numbers, owners: NDArray[np.int64], filled: NDArray[np.bool_], new: Mapping[int, Sequence[Numbers]]
) -> tuple[Numbers, NDArray[np.int64]]:
    """Objects of one grid ``(P, 3 + S)`` after some are replaced, and the row of the first part of each, ``(P,)``."""
    rows: list[Numbers] = [numbers[:0]]
    parts: list[int] = []
    moved: dict[int, int] = {}  # rows of the first parts of objects that stay
    old = [slot for slot in np.flatnonzero(filled).tolist() if owners[slot] not in new]
    for slot in sorted({*old, *new}):
        if slot in new:
            for found in new[slot]:
                parts += [len(parts)] * len(found)
                rows.append(found)
        else:
            parts.append(moved.setdefault(int(owners[slot]), len(parts)))
            rows.append(numbers[slot : slot + 1])
    return np.concatenate(rows), np.array(parts, dtype=np.int64)


def widened(codes: ObjectCodes, max_objects: int | None) -> ObjectCodes:
    """The same codes with ``max_objects`` slots, or as many as they have if these are more.

    Example:
        >>> widened(ObjectCodes(np.ones((1, 2, 11), dtype=np.float32)), 4).filled.tolist()
        [[True, True, False, False]]
    """
    require_codes(codes)
    if max_objects is None or whole("max_objects", max_objects, 1) <= codes.slots:
        return codes
    room = np.zeros((len(codes), max_objects - codes.slots, codes.numbers.shape[2]), dtype=np.float32)
    numbers = np.concatenate([codes.numbers, room], 1)
    owners = np.tile(np.arange(max_objects), (len(codes), 1))
    owners[:, : codes.slots] = heads(codes)
    return replace(codes, numbers=numbers, part_of=owners)
