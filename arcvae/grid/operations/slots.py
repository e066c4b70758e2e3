"""Objects that come and go: slots are filled from the first on, and more objects than slots are refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from arcvae.grid.codes.object_codes import Numbers, ObjectCodes
from arcvae.grid.operations.checks import whole


def packed(
    codes: ObjectCodes,
    numbers: Numbers,
    kept: NDArray[np.bool_],
    operation: str,
    max_objects: int | None,
    left_out: NDArray[np.int64] | None = None,
) -> ObjectCodes:
    """Codes of some objects, in their order, in the first slots of each grid; the slots after them are empty.

    Args:
        codes: What the operation was given: it says how many slots there are.
        numbers: ``(N, P, 3 + S)``, candidates.
        kept: ``(N, P)``, which of them are objects of the result.
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
    slot = (kept.cumsum(1) - 1)[grid_of, candidate]
    result[grid_of, slot] = numbers[grid_of, candidate]
    lost = codes.left_out
    if left_out is not None:
        lost = left_out + (0 if lost is None else lost)
    return replace(codes, numbers=result, left_out=lost)


def replaced(
    codes: ObjectCodes,
    new: Mapping[tuple[int, int], Numbers],
    lost: Mapping[int, int],
    operation: str,
    max_objects: int | None,
) -> ObjectCodes:
    """Codes in which some slots hold other objects, any number of them each, or none.

    Args:
        codes: What the operation was given.
        new: For some grids and slots, the ``(P, 3 + S)`` objects that come in the place of theirs; at slots from K
            on, objects that come after all others.
        lost: Objects of some grids that no code can hold.
        operation: Its name, for the message.
        max_objects: See :func:`packed`.

    Raises:
        ValueError: A grid with more objects than slots.
    """
    filled = codes.filled
    touched: dict[int, dict[int, Numbers]] = {}
    for (grid, slot), objects in new.items():
        touched.setdefault(grid, {})[slot] = objects
    rows = [numbers[here] for numbers, here in zip(codes.numbers, filled, strict=True)]
    for grid, slots in touched.items():
        old = {slot: codes.numbers[grid, slot : slot + 1] for slot in np.flatnonzero(filled[grid]).tolist()}
        here = old | slots
        rows[grid] = np.concatenate([here[slot] for slot in sorted(here)])
    count = np.array([len(row) for row in rows], dtype=np.int64)
    kept = np.arange(count.max(initial=0)) < count[:, None]
    numbers = np.zeros((*kept.shape, codes.numbers.shape[2]), dtype=np.float32)
    numbers[kept] = np.concatenate([numbers[:0].reshape(0, numbers.shape[2]), *rows])
    left_out = np.array([lost.get(grid, 0) for grid in range(len(codes))], dtype=np.int64)
    return packed(codes, numbers, kept, operation, max_objects, left_out if lost else None)


def widened(codes: ObjectCodes, max_objects: int | None) -> ObjectCodes:
    """The same codes with ``max_objects`` slots, or as many as they have if these are more.

    Example:
        >>> widened(ObjectCodes(np.ones((1, 2, 11), dtype=np.float32)), 4).filled.tolist()
        [[True, True, False, False]]
    """
    if max_objects is None or whole("max_objects", max_objects, 1) <= codes.slots:
        return codes
    room = np.zeros((len(codes), max_objects - codes.slots, codes.numbers.shape[2]), dtype=np.float32)
    return replace(codes, numbers=np.concatenate([codes.numbers, room], 1))
