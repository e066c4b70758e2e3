"""Many programs at once on codes: steps of one kind run together, whichever objects each of them takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from arcvae.grid.codec import Codec
from arcvae.grid.codes.object_codes import ObjectCodes
from arcvae.grid.operations.program import OPERATIONS, Step
from arcvae.grid.operations.selection import chosen
from arcvae.grid.operations.slots import heads, widened
from arcvae.grid.tasks.drafts import MAX_OBJECTS, Part
from arcvae.grid.tasks.space import Choice

Grids = NDArray[np.uint8]

_ROOM: Final = 3 * MAX_OBJECTS
"""Slots to work with: an object that is too large for a slot is cut into up to three parts."""


def outputs_on_codes(
    codec: Codec, programs: Sequence[Sequence[Part]], inputs: Grids
) -> tuple[Grids, NDArray[np.bool_]]:
    """What programs make of inputs when they compute on codes: as ``codec.decode(program(codec.codes(inputs)))``.

    Args:
        codec: Of a model of objects.
        programs: One for each input, of any lengths.
        inputs: ``(N, H, W)`` uint8.

    Returns:
        ``(N, H, W)`` uint8; and which of them could be computed, ``(N,)``: the others need more slots than there are,
        and are empty.
    """
    codes = codec.codes(inputs)
    done = np.ones(len(inputs), dtype=bool)
    for depth in range(max(map(len, programs), default=0)):
        groups: dict[Step, list[int]] = {}
        for row, program in enumerate(programs):
            if depth < len(program) and done[row]:
                groups.setdefault(program[depth][0], []).append(row)
        for step, rows in groups.items():
            codes = _stepped(codes, step, rows, [programs[row][depth][1] for row in rows], done)
    found: Grids = np.zeros_like(inputs)
    if done.any():
        found[done] = codec.decode(codes[done])
    return found, done


def _stepped(
    codes: ObjectCodes, step: Step, rows: list[int], choices: list[Choice], done: NDArray[np.bool_]
) -> ObjectCodes:
    """Codes in which some rows have made a step; rows that cannot make it are struck off ``done``."""
    try:
        after = _performed(codes[rows], step, choices)
    except ValueError:
        if len(rows) > 1:
            for row, choice in zip(rows, choices, strict=True):
                codes = _stepped(codes, step, [row], [choice], done)
            return codes
        done[rows] = False
        return codes
    slots = max(codes.slots, after.slots)
    codes, after = widened(codes, slots), widened(after, slots)
    numbers, part_of = codes.numbers.copy(), heads(codes).copy()
    numbers[rows], part_of[rows] = after.numbers, heads(after)
    return replace(codes, numbers=numbers, part_of=part_of)


def _performed(codes: ObjectCodes, step: Step, choices: list[Choice]) -> ObjectCodes:
    """Codes after a step that takes other objects in each row; no more slots than are filled."""

    def taken(now: ObjectCodes) -> NDArray[np.bool_]:
        which = np.zeros(now.filled.shape, dtype=bool)
        for choice in dict.fromkeys(choices):
            rows = np.flatnonzero([other == choice and type(other) is type(choice) for other in choices])
            which[rows] = chosen(now[rows], choice)
        return which

    after = OPERATIONS[step.name](widened(codes, _ROOM), **dict(step.arguments), objects=taken)
    used = int(np.flatnonzero(after.filled.any(0)).max(initial=0)) + 1
    return replace(after, numbers=after.numbers[:, :used], part_of=heads(after)[:, :used])
