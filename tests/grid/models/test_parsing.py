"""Objects of grids: painted back they are the grid, they follow its symmetries, and no grid takes long."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable

import numpy as np
import pytest
from scipy import ndimage

from arcvae.grid.corpus.generator import generate_grids
from arcvae.grid.models.dihedral import ORDER, turned
from arcvae.grid.models.parsing import Objects, cut, find_objects

FRAME, CELLS = 8, 15
GRIDS = generate_grids("atomic", 200, seed=3)[0]


def found(grids: np.ndarray) -> Objects:
    return find_objects(grids, 10, FRAME, CELLS)


def painted(objects: Objects, grids: np.ndarray) -> np.ndarray:
    """The grids that objects make, by a loop over objects."""
    canvas = np.zeros_like(grids)
    for k in range(len(objects.grid)):
        top = objects.row[k] - (FRAME - 1 - objects.parity[k] // 2) / 2
        left = objects.column[k] - (FRAME - 1 - objects.parity[k] % 2) / 2
        for y, x in np.argwhere(objects.shapes[k].reshape(FRAME, FRAME)):
            canvas[objects.grid[k], int(top + y), int(left + x)] = objects.color[k]
    return canvas


def blocks(mask: np.ndarray) -> int:
    """Cells of a shape, or of the smallest one of which it is an enlargement."""
    rows, columns = np.nonzero(mask)
    mask = mask[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    counts = [
        mask[::k, ::k].sum() for k in range(1, 9) if np.array_equal(np.kron(mask[::k, ::k], np.ones((k, k))), mask)
    ]
    return int(min(counts))


def test_objects_painted_back_are_the_grid() -> None:
    objects = found(GRIDS)
    assert np.array_equal(painted(objects, GRIDS), GRIDS)
    assert not objects.dropped.any()
    sizes = objects.shapes.sum(1)
    assert sizes.min() >= 1
    assert max(blocks(shape.reshape(FRAME, FRAME)) for shape in objects.shapes) <= CELLS
    cells = np.zeros(len(GRIDS), dtype=int)
    np.add.at(cells, objects.grid, sizes)
    assert np.array_equal(cells, (GRIDS > 0).sum((1, 2)))  # no cell is in two objects


def test_components_that_fit_are_whole() -> None:
    # Two diagonal neighbours are one object, cells of other colours are not.
    grid = np.zeros((1, 6, 6), dtype=np.uint8)
    grid[0, 1, 1] = grid[0, 2, 2] = 4
    grid[0, 2, 3] = 5
    objects = found(grid)
    assert objects.color.tolist() == [4, 5]
    assert objects.row.tolist() == [1.5, 2.0]
    assert objects.column.tolist() == [1.5, 3.0]
    assert objects.parity.tolist() == [0, 3]


def test_objects_come_grid_by_grid_in_the_order_of_their_first_cells() -> None:
    objects = found(GRIDS)
    assert (np.diff(objects.grid) >= 0).all()
    one = found(GRIDS[:1])
    first = [np.flatnonzero(painted(_only(one, k), GRIDS[:1]))[0] for k in range(len(one.grid))]
    assert first == sorted(first)


def _only(objects: Objects, k: int) -> Objects:
    names = ("grid", "color", "row", "column", "parity", "shapes", "whole")
    parts = {name: getattr(objects, name)[k : k + 1] for name in names}
    return Objects(**parts, dropped=objects.dropped)


@pytest.mark.parametrize("g", range(ORDER))
def test_cutting_follows_the_symmetries_of_the_mask(g: int) -> None:
    mask = np.zeros((9, 7), dtype=bool)
    mask[:, 2:4] = True
    mask[4, :] = True
    mask[2, 4] = True  # a mask that no symmetry leaves as it is
    parts, after = cut(mask, FRAME, CELLS), cut(turned(mask, g), FRAME, CELLS)  # type: ignore[arg-type]
    assert parts is not None
    assert after is not None
    expected = {np.ascontiguousarray(turned(part, g)).tobytes() for part in parts}
    assert {np.ascontiguousarray(part).tobytes() for part in after} == expected


def test_parts_are_connected_fit_and_make_up_the_whole() -> None:
    rng = np.random.default_rng(0)
    tried = 0
    for _ in range(60):
        rough = ndimage.binary_dilation(rng.random((11, 11)) > 0.94, np.ones((3, 3), dtype=bool))
        labels, count = ndimage.label(rough, np.ones((3, 3)))
        if not count:
            continue
        box = ndimage.find_objects(labels)[0]
        mask = labels[box] == 1
        parts = cut(mask, FRAME, CELLS)
        if parts is None:
            continue
        tried += len(parts) > 1
        assert np.array_equal(np.sum(parts, 0), mask)  # each cell once
        for part in parts:
            assert blocks(part) <= CELLS
            assert ndimage.label(part, np.ones((3, 3)))[1] == 1
            assert max(np.ptp(np.argwhere(part), 0)) < FRAME
    assert tried > 5


def drawn(height: int, width: int, lit: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> np.ndarray:
    """A mask of the cells whose row and column pass a test."""
    return np.asarray(lit(*np.indices((height, width))), dtype=bool)


DIAGONALS = drawn(16, 16, lambda y, x: (y == x) | (y + x == 15))
ARMS = drawn(25, 18, lambda y, x: (x == 0) | (x == 17) | (y == 8))


def test_large_thin_masks_are_cut_where_they_can_be() -> None:
    # Its quadrants are four parts of eight cells, yet after a cut along one of them 24 cells look like two parts more.
    parts = cut(DIAGONALS, FRAME, CELLS)
    assert parts is not None
    assert len(parts) <= 6
    assert np.array_equal(np.sum(parts, 0), DIAGONALS)
    for part in parts:
        assert part.sum() <= CELLS
        assert ndimage.label(part, np.ones((3, 3)))[1] == 1
        assert max(np.ptp(np.argwhere(part), 0)) < FRAME
    assert found(DIAGONALS[None].astype(np.uint8)).dropped.tolist() == [0]


def test_masks_whose_cells_lie_too_far_apart_are_given_up_at_once() -> None:
    # 66 cells, for which five parts look enough; but of nine of them no two are in one window of 8 x 8.
    far = [(y, x) for y in (0, 8, 16, 24) for x in (0, 17)] + [(8, 8)]
    assert all(ARMS[cell] for cell in far)
    assert all(max(abs(a - c), abs(b - d)) >= FRAME for (a, b) in far for (c, d) in far if (a, b) != (c, d))
    started = time.process_time()
    assert cut(ARMS, FRAME, CELLS) is None
    assert time.process_time() - started < 0.3  # by the search it takes ten times as long


def test_cuts_stay_what_they_are() -> None:
    # Figures and models depend on them: another search may only cut what this one gives up.
    rng, content, count = np.random.default_rng(7), hashlib.sha256(), 0
    for share in (0.9, 0.94) * 10:
        rough = ndimage.binary_dilation(rng.random((13, 13)) > share, rng.random((3, 3)) < 0.7)
        labels, _ = ndimage.label(rough, np.ones((3, 3)))
        for number, box in enumerate(ndimage.find_objects(labels), 1):
            parts = cut(labels[box] == number, FRAME, CELLS)
            if parts is not None and len(parts) > 1:
                count += 1
                content.update(b"".join(part.tobytes() for part in parts))
    assert (count, content.hexdigest()[:16]) == (16, "a5029c8fd0810473")


@pytest.mark.parametrize("times", [2, 3, 4])
def test_enlarged_masks_are_cut_along_their_blocks(times: int) -> None:
    small = np.array([[1, 0, 1, 0, 0], [1, 1, 1, 1, 1], [0, 0, 1, 0, 0]], dtype=bool)
    large = np.kron(small, np.ones((times, times))).astype(bool)
    parts = cut(large, FRAME, CELLS)
    assert parts is not None
    assert len(parts) > 1
    assert np.array_equal(np.sum(parts, 0), large)
    for part in parts:
        assert np.array_equal(np.kron(part[::times, ::times], np.ones((times, times))), part)
        assert max(np.ptp(np.argwhere(part), 0)) < FRAME


def test_enlarged_masks_that_fit_are_whole() -> None:
    square = np.ones((8, 8), dtype=bool)
    assert [part.sum() for part in cut(square, FRAME, CELLS) or []] == [64]
    square[0, 0] = False
    assert len(cut(square, FRAME, CELLS) or []) > 4


def checkerboard() -> np.ndarray:
    return (np.indices((16, 16)).sum(0) % 2 + 1)[None].astype(np.uint8)


@pytest.mark.parametrize(
    ("grids", "objects", "dropped"),
    [
        (np.zeros((2, 16, 16), dtype=np.uint8), 0, 0),
        (np.full((1, 30, 30), 3, dtype=np.uint8), 0, 1),
        (checkerboard(), 0, 2),
        (np.zeros((0, 16, 16), dtype=np.uint8), 0, 0),
    ],
    ids=["empty", "full", "checkerboard", "none"],
)
def test_grids_that_no_slots_can_hold_are_counted_and_take_no_time(
    grids: np.ndarray, objects: int, dropped: int
) -> None:
    started = time.perf_counter()
    result = found(grids)
    assert len(result.grid) == objects
    assert result.dropped.sum() == dropped
    assert time.perf_counter() - started < 1
