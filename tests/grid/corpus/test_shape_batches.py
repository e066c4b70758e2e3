"""Grids that are tiled with the shapes of a corpus: whole, in all orientations, rare ones more often."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor

from arcvae.grid.corpus import shape_batches
from arcvae.grid.corpus.generator import generate_grids
from arcvae.grid.corpus.shape_batches import ShapeBatches, move_one_cell
from arcvae.grid.models.dihedral import frame_of
from arcvae.grid.models.parsing import find_objects

GRIDS = torch.from_numpy(generate_grids("atomic", 300, seed=5)[0])
FRAME = frame_of(8)


def batches(power: float, grids: Tensor = GRIDS) -> ShapeBatches:
    return ShapeBatches(grids, num_colors=10, frame=8, max_cells=15, power=power, seed=1)


def shapes_of(grids: Tensor) -> Counter[bytes]:
    """How often each shape occurs, whatever its orientation."""
    found = find_objects(grids.numpy(), 10, 8, 15)
    cells, parity = torch.from_numpy(found.shapes), torch.from_numpy(found.parity)
    upright, classes = FRAME.turn(cells, parity, FRAME.canonical(cells, parity)[0])
    return Counter(a.numpy().tobytes() + bytes([int(b)]) for a, b in zip(upright, classes, strict=True))


def test_batches_hold_the_shapes_of_the_corpus_and_no_others() -> None:
    drawn = batches(0.5)[(0, torch.arange(500))]
    assert drawn.shape == (500, 16, 16)
    assert drawn.dtype == torch.uint8
    assert set(shapes_of(drawn)) <= set(shapes_of(GRIDS))
    assert sum(shapes_of(drawn).values()) == 500 * 4  # none touches another of its colour


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_shapes_are_drawn_by_a_power_of_their_counts(power: float) -> None:
    counts = shapes_of(GRIDS)
    drawn: Counter[bytes] = Counter()
    for number in range(10):
        drawn += shapes_of(batches(power)[(number, torch.arange(500))])
    expected = {shape: count**power for shape, count in counts.items()}
    total = sum(expected.values())
    frequent = counts.most_common(5)
    for shape, _ in frequent:
        share = expected[shape] / total
        assert drawn[shape] / 20_000 == pytest.approx(share, abs=4 * (share / 20_000) ** 0.5)


def test_orientations_are_equally_frequent() -> None:
    line = torch.zeros(1, 16, 16, dtype=torch.uint8)
    line[0, 3, 3:7] = 2
    drawn = batches(1.0, line)[(0, torch.arange(1000))]
    found = find_objects(drawn.numpy(), 10, 8, 15)
    upright = (found.parity == 2 * 0 + 1).mean()  # four rows, one column
    assert upright == pytest.approx(0.5, abs=0.03)
    assert set(found.parity) == {1, 2}


def test_batch_depends_on_its_number_alone() -> None:
    some = batches(0.5)
    first = some[(7, torch.arange(20))]
    some[(8, torch.arange(20))]
    assert torch.equal(some[(7, torch.arange(20))], first)
    assert torch.equal(batches(0.5)[(7, torch.arange(20))], first)
    assert not torch.equal(some[(8, torch.arange(20))], first)


@pytest.mark.parametrize("grids", [torch.zeros(3, 16, 16, dtype=torch.uint8), GRIDS[:, :6, :6]], ids=["empty", "small"])
def test_grids_without_shapes_or_room_are_refused(grids: Tensor) -> None:
    with pytest.raises(ValueError, match=r"grids of \d+ x \d+ cells have no shapes for frames of 8 x 8"):
        batches(0.5, grids)


def test_colours_of_a_grid_differ() -> None:
    drawn = batches(0.5)[(0, torch.arange(100))].numpy()
    assert all(len(np.unique(grid[grid > 0])) == 4 for grid in drawn)


@pytest.mark.slow
@pytest.mark.parametrize("side", [6, 8])
def test_one_cell_is_moved_and_the_shape_stays_one(side: int) -> None:
    frame = frame_of(side)
    found = find_objects(GRIDS.numpy(), 10, side, 15)
    shapes, parity = torch.from_numpy(found.shapes), torch.from_numpy(found.parity)
    moved, classes = move_one_cell(shapes, parity, frame, torch.Generator().manual_seed(0))
    changed = 0
    for before, after, old, new in zip(shapes, moved, parity, classes, strict=True):
        cells = after.view(side, side).numpy()
        _, parts = ndimage.label(cells, np.ones((3, 3)))
        assert (cells.sum(), parts) == (before.sum(), 1)
        again = find_objects(cells[None].astype(np.uint8), 10, side, 15)  # an oracle of parity and of the place
        assert (int(again.parity[0]), again.shapes[0].tolist()) == (int(new), after.tolist())
        positions = [
            {(int(y), int(x)) for y, x in np.argwhere(part.view(side, side).numpy())} for part in (before, after)
        ]
        shifts = range(-side, side + 1)
        common = max(len(positions[0] & {(y + dy, x + dx) for y, x in positions[1]}) for dy in shifts for dx in shifts)
        assert common >= before.sum() - 1
        changed += not (torch.equal(before, after) and old == new)
    assert changed > 0.6 * len(shapes)


def test_mutated_share_brings_shapes_that_the_corpus_does_not_have() -> None:
    def new(mutation: float) -> float:
        made = ShapeBatches(GRIDS, num_colors=10, frame=8, max_cells=15, power=1.0, mutation=mutation, seed=1)
        drawn, known = shapes_of(made[(0, torch.arange(300))]), set(shapes_of(GRIDS))
        assert sum(drawn.values()) == 300 * 4
        return sum(count for shape, count in drawn.items() if shape not in known) / (300 * 4)

    assert new(0.0) == 0
    assert new(0.4) == pytest.approx(0.4 * new(1.0), abs=0.06)
    assert new(1.0) > 0.4


def test_changed_share_brings_what_operations_make_and_parts_of_what_is_too_large(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shape_batches, "_LARGE", 100)  # to cut a thousand takes a minute
    some = ShapeBatches(GRIDS, num_colors=10, frame=8, max_cells=15, power=0.5, changes=0.5, seed=1)
    drawn = some[(0, torch.arange(200))]
    known, found = shapes_of(GRIDS), shapes_of(drawn)
    new = sum(count for shape, count in found.items() if shape not in known) / sum(found.values())
    assert 0.2 < new < 0.6  # some shapes are changed into others that the corpus has, and some into several
    assert torch.equal(drawn, some[(0, torch.arange(200))])
    # Shapes of blocks of 2 x 2 cells or more, which count as cells do, are the only ones with more than fifteen cells.
    assert find_objects(drawn.numpy(), 10, 8, 15).shapes.sum(1).max() > 15
