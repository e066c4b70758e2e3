"""Operations that change shapes by their numbers: what ``via="codes"`` does, without a drawing."""

from __future__ import annotations

from typing import Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from arcvae.grid.codec import Codec
from arcvae.grid.codes.object_codes import Numbers, ObjectCodes
from arcvae.grid.codes.operators import CHANGES, NOTHING, ONE, OTHER, SETS, Changed, ShapeOperators
from arcvae.grid.models.slots import COLOR, PLACE, parity_of
from arcvae.grid.operations.cells import codec_of
from arcvae.grid.operations.checks import one_of
from arcvae.grid.operations.selection import Chosen
from arcvae.grid.operations.slots import heads, replaced

Kinds = NDArray[np.int64]
Via = Literal["pixels", "codes"]
"""Whether an operation draws shapes and codes new ones, or has a trained operator change their numbers."""
VIA: Final = ("pixels", "codes")
_BATCH: Final = 4096
"""Shapes that are changed at a time."""


def by_codes(via: object, refine: int) -> bool:
    """Whether an operation is to go by numbers alone.

    Raises:
        ValueError: Another word, or codes to refine that nothing was drawn for.
    """
    wanted = one_of("via", via, VIA) == "codes"
    if wanted and refine:
        raise ValueError(f"refine={refine} needs via='pixels': via='codes' has no drawing to come closer to")
    return wanted


def reshaped(codes: ObjectCodes, change: str, which: Chosen, operation: str, max_objects: int | None) -> ObjectCodes:
    """Codes in which some objects have the shape that an operator makes of theirs.

    Args:
        codes: What the operation was given.
        change: One of ``arcvae.grid.codes.operators.CHANGES``.
        which: ``(N, K)``, the M objects that are changed.
        operation: Its name, for messages.
        max_objects: See :func:`arcvae.grid.operations.slots.packed`.

    Raises:
        ValueError: Codes without a codec, or whose codec has no operators.
    """
    places, several = _objects(codes, which)
    first = which & codes.first
    rows, kinds = _changed(codes, codes.numbers[first], change, operation)
    new, lost = {}, dict[int, int]()
    for place, row, kind in zip(places, rows, kinds, strict=True):
        kind = OTHER if place in several else kind
        new[place] = [row[None]] if kind == ONE else []
        if kind == OTHER:
            lost[place[0]] = lost.get(place[0], 0) + 1
    return replaced(codes, new, lost, operation, max_objects)


def combined(codes: ObjectCodes, which: Chosen, operation: str, aligned: bool, max_objects: int | None) -> ObjectCodes:
    """Codes in which one object comes in the place of the chosen ones of each grid, combined one after the other.

    Of a union, objects that do not become one with the first keep their slots, in its colour.

    Args:
        codes: What the operation was given.
        which: ``(N, K)``, the objects that are combined.
        operation: One of ``arcvae.grid.codes.operators.SETS``.
        aligned: Whether the corners of the others are laid on that of the first.
        max_objects: See :func:`arcvae.grid.operations.slots.packed`.

    Raises:
        ValueError: Codes without a codec, or whose codec has no operators.
    """
    places, several = _objects(codes, which)
    members: dict[int, list[int]] = {}
    for grid, slot in places:
        members.setdefault(grid, []).append(slot)
    new: dict[tuple[int, int], list[Numbers]] = {place: [] for place in places}
    lost = {grid: 1 for grid, _ in several}
    left = {grid: codes.numbers[grid, slots[0]] for grid, slots in members.items() if grid not in lost}  # so far
    for turn in range(1, codes.slots):
        pairs = [(grid, slots[turn]) for grid, slots in members.items() if len(slots) > turn and grid in left]
        if not pairs:
            break
        first = np.stack([left[grid] for grid, _ in pairs])
        second = np.stack([codes.numbers[pair] for pair in pairs])
        rows, kinds = _paired(codes, first, second, operation, aligned)
        for (grid, slot), row, other, kind in zip(pairs, rows, second, kinds, strict=True):
            if kind == ONE:
                left[grid] = row
            elif operation == "union" and not aligned:
                new[grid, slot] = [np.where(np.arange(len(other)) == COLOR, left[grid], other)[None]]
            else:
                del left[grid]
                lost |= {grid: 1} if kind == OTHER else {}
    new |= {(grid, members[grid][0]): [row[None]] for grid, row in left.items()}
    return replaced(codes, new, lost, operation, max_objects)


def _objects(codes: ObjectCodes, which: Chosen) -> tuple[list[tuple[int, int]], set[tuple[int, int]]]:
    """Grid and first slot of some objects, and those that have several parts: no operator changes these as one."""
    places = [(int(grid), int(slot)) for grid, slot in np.argwhere(which & codes.first)]
    owners = heads(codes)
    parts = {(int(grid), int(owners[grid, slot])) for grid, slot in np.argwhere(which & ~codes.first)}
    return places, parts


def operators_of(codes: ObjectCodes, operation: str) -> tuple[ShapeOperators, Codec]:
    """The operators of the model that codes are of, and its codec.

    Raises:
        ValueError: Codes without a codec, or a model without operators.
    """
    codec = codec_of(codes, operation)
    if codec.operators is None:
        run = codec.path.parent
        checkpoint = codec.path if codec.path.suffix == ".ckpt" else run / "checkpoints" / "best.ckpt"
        word = checkpoint if checkpoint.is_file() else "CHECKPOINT, that of its run,"
        raise ValueError(
            f"{operation} with via='codes' needs operators, and {codec.path} has none; "
            f"python -m arcvae.operate ckpt_path={word} makes them"
        )
    return codec.operators, codec


@torch.no_grad()
def _changed(codes: ObjectCodes, objects: Numbers, change: str, operation: str) -> tuple[Numbers, Kinds]:
    """Objects ``(M, 3 + S)`` after a change of their shapes, and what is left of each, ``(M,)``."""
    rows, kinds = [objects[:0]], [np.zeros(0, dtype=np.int64)]
    for piece in torch.from_numpy(objects).split(_BATCH) if len(objects) else ():
        operators, codec = operators_of(codes, operation)
        which = torch.full((len(piece),), CHANGES.index(change), device=codec.device)
        found = operators.change(piece[:, PLACE:].to(codec.device), parity_of(piece).to(codec.device), which)
        rows.append(_moved(piece, found))
        kinds.append(found.kind().cpu().numpy())
    return np.concatenate(rows), np.concatenate(kinds)


@torch.no_grad()
def _paired(
    codes: ObjectCodes, first: Numbers, second: Numbers, operation: str, aligned: bool
) -> tuple[Numbers, Kinds]:
    """What pairs of objects ``(M, 3 + S)`` become, and what that is, ``(M,)``; all in the colour of the first."""
    operators, codec = operators_of(codes, operation)
    reach = 2 * operators.frame.size
    one, two = torch.from_numpy(first), torch.from_numpy(second)
    offset = (2 * (two[:, :COLOR] - one[:, :COLOR])).round().long()  # (M, 2)
    apart = torch.zeros(len(one), dtype=torch.bool) if aligned else (offset.abs() > reach).any(1)
    rows, kinds = first.copy(), np.full(len(one), _APART[operation])
    near = (~apart).nonzero()[:, 0]
    for index in near.split(_BATCH) if len(near) else ():
        a, b = (part[index].to(codec.device) for part in (one, two))
        shapes = ((a[:, PLACE:], parity_of(a)), (b[:, PLACE:], parity_of(b)))
        which = torch.full((len(index),), SETS.index(operation), device=codec.device)
        lies = torch.full((len(index),), aligned, device=codec.device)
        within = offset[index].clamp(-reach, reach).to(codec.device)
        found = operators.combine(*shapes, which, within, lies)
        rows[index.numpy()] = _moved(one[index], found)
        kinds[index.numpy()] = found.kind().cpu().numpy()
    return rows, kinds


_APART: Final = {"union": OTHER, "intersection": NOTHING, "difference": ONE}
"""What is left of two objects that are too far apart to touch; of a difference, the first as it was."""


def _moved(objects: Tensor, found: Changed) -> Numbers:
    """Objects ``(M, 3 + S)`` with the shapes and at the places that an operator has found."""
    place = objects[:, :COLOR] + found.shift().cpu() / 2
    rows: Numbers = torch.cat([place, objects[:, COLOR:PLACE], found.shapes.cpu()], 1).numpy()
    return rows
