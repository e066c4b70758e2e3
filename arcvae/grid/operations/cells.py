"""From codes to the cells of objects and back: how operations that change shapes do it in pixels.

Cells are rows and columns of the grid and may lie outside of it: what has left the grid is still there.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from arcvae.grid.codec import Codec
from arcvae.grid.codes.object_codes import Numbers, ObjectCodes
from arcvae.grid.models.slots import COLUMN, ROW
from arcvae.grid.operations.checks import whole
from arcvae.grid.operations.slots import heads, replaced, together

Cells = NDArray[np.int64]
"""``(P, 2)``, row and column of each cell of an object, row by row."""

_TOUCHING = np.ones((3, 3), dtype=bool)
_BATCH = 4096
"""Shapes that are drawn at a time."""


def codec_of(codes: ObjectCodes, purpose: str) -> Codec:
    """The codec that codes are of.

    Raises:
        ValueError: Codes that know none.
    """
    if not isinstance(codes.codec, Codec) or codes.codec.model.slots is None:
        raise ValueError(f"{purpose} draws shapes and needs a codec; take the codes from codec.codes(grids)")
    return codes.codec


@torch.no_grad()
def drawn(codes: ObjectCodes, which: NDArray[np.bool_], purpose: str) -> list[Cells]:
    """The cells of some objects, as the decoder draws each alone.

    Args:
        codes: Codes of N grids, K slots each.
        which: ``(N, K)``, the M objects that are wanted.
        purpose: What they are for, for messages.

    Returns:
        M lists of cells, grid by grid, slot by slot; one may be empty.

    Raises:
        ValueError: Codes without a codec.
    """
    objects = torch.from_numpy(codes.numbers[which & codes.filled])
    if not len(objects):
        return []
    codec = codec_of(codes, purpose)
    codec.require("decoder", purpose)
    found: list[Cells] = []
    for piece in objects.to(codec.device).split(_BATCH):
        masks, corners = codec.model.object_masks(piece)  # (M, F, F), (M, 2)
        for mask, corner in zip(masks.cpu().numpy(), corners.cpu().numpy(), strict=True):
            found.append(np.argwhere(mask) + corner)
    return found


def whole_objects(codes: ObjectCodes, which: NDArray[np.bool_], purpose: str) -> dict[tuple[int, int], Cells]:
    """The cells of some objects, those of all their parts together, by grid and first slot.

    Args:
        codes: Codes of N grids, K slots each.
        which: ``(N, K)``, all slots of the objects that are wanted.
        purpose: What they are for, for messages.

    Raises:
        ValueError: Codes without a codec.
    """
    owners = heads(codes)
    parts: dict[tuple[int, int], list[Cells]] = {}
    for (grid, slot), cells in zip(np.argwhere(which & codes.filled), drawn(codes, which, purpose), strict=True):
        parts.setdefault((int(grid), int(owners[grid, slot])), []).append(cells)
    return {
        place: found[0] if len(found) == 1 else np.unique(np.concatenate(found), axis=0)
        for place, found in sorted(parts.items())
    }


def centers(codes: ObjectCodes, purpose: str) -> tuple[Numbers, Numbers]:
    """Row and column of the centre of the object that each slot is a part of, ``(N, K)`` each.

    Raises:
        ValueError: Codes without a codec, and an object with parts.
    """
    row, column, owners = codes.row.copy(), codes.column.copy(), heads(codes)
    parts = codes.filled & (owners != np.arange(codes.slots))
    if parts.any():
        for (grid, slot), cells in whole_objects(codes, together(codes, parts), purpose).items():
            if len(cells):
                here = owners[grid] == slot
                row[grid, here], column[grid, here] = (cells.min(0) + cells.max(0)) / 2
    return row, column


def coded(
    codes: ObjectCodes, objects: list[Cells], colors: list[int], purpose: str, refine: int = 0
) -> tuple[list[list[Numbers]], list[int]]:
    """Codes of some objects, each coded as if it were alone.

    Args:
        codes: Says which codec codes them.
        objects: M lists of cells; an empty one is no object.
        colors: M colours, in [1, C).
        purpose: What they are for, for messages.
        refine: Moves of a search for better numbers; see :meth:`arcvae.grid.codec.Codec.encode`.

    Returns:
        M lists of components, in the order of their first cells, each ``(P, 3 + S)``: a row, or several where it is too
        large for a shape and has to be cut. And M counts of components that no code can hold.

    Raises:
        ValueError: Codes without a codec.
    """
    parts = [(index, part) for index, cells in enumerate(objects) for part in components(cells)]
    rows: list[list[Numbers]] = [[] for _ in objects]
    lost = [0] * len(objects)
    if parts:
        codec = codec_of(codes, purpose)
        height, width = np.max([np.ptp(part, axis=0) + 1 for _, part in parts], axis=0)
        grids = np.zeros((len(parts), height, width), dtype=np.uint8)
        for grid, (index, part) in zip(grids, parts, strict=True):
            grid[tuple((part - part.min(0)).T)] = colors[index]
        found = codec.codes(grids, refine)
        for which, (index, part) in enumerate(parts):
            numbers = found.numbers[which, found.filled[which]].copy()
            numbers[:, [ROW, COLUMN]] += part.min(0)
            rows[index] += [numbers] if len(numbers) else []
            lost[index] += 0 if found.left_out is None else int(found.left_out[which])
    return rows, lost


def redrawn(
    codes: ObjectCodes,
    cells: Mapping[tuple[int, int], Cells],
    colors: Mapping[tuple[int, int], int],
    operation: str,
    max_objects: int | None,
    refine: int,
) -> ObjectCodes:
    """Codes in which some slots hold objects that are drawn anew.

    Args:
        codes: What the operation was given.
        cells: For some grids and slots, the cells of what comes in the place of their objects, perhaps none; at slots
            from K on, of what comes after all others.
        colors: The colour of each.
        operation: Its name, for messages.
        max_objects: See :func:`arcvae.grid.operations.slots.packed`.
        refine: See :func:`coded`.

    Raises:
        ValueError: A grid with more objects than slots, or codes without a codec.
    """
    places = list(cells)
    moves = whole("refine", refine, 0)
    parts, shades = [cells[place] for place in places], [colors[place] for place in places]
    rows, lost = coded(codes, parts, shades, operation, moves)
    missing: dict[int, int] = {}
    for (grid, _), number in zip(places, lost, strict=True):
        if number:
            missing[grid] = missing.get(grid, 0) + number
    return replaced(codes, dict(zip(places, rows, strict=True)), missing, operation, max_objects)


def components(cells: Cells) -> list[Cells]:
    """Parts of an object that do not touch each other, over edges or corners, in the order of their first cells.

    Example:
        >>> [len(part) for part in components(np.array([[0, 0], [900, 7], [1, 1]]))]
        [2, 1]
    """
    if not len(cells):
        return []
    # Lines without cells between two others tell as much as a single one.
    near = [_closed_up(cells[:, axis]) for axis in (0, 1)]
    mask = np.zeros((near[0].max() + 1, near[1].max() + 1), dtype=bool)
    mask[near[0], near[1]] = True
    labels, count = ndimage.label(mask, _TOUCHING)
    label = labels[near[0], near[1]]
    order = np.lexsort((cells[:, 1], cells[:, 0]))
    parts = [cells[order[label[order] == index + 1]] for index in range(count)]
    return sorted(parts, key=lambda part: tuple(part[0]))


def _closed_up(lines: Cells) -> Cells:
    """Lines ``(P,)`` with every gap between neighbours narrowed to one line, from 0 on."""
    used, index = np.unique(lines, return_inverse=True)
    near: Cells = np.concatenate([[0], np.minimum(np.diff(used), 2).cumsum()])[index]
    return near
