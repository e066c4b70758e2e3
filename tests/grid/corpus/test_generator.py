"""The generated corpus: what each object is, and what the whole looks like."""

from __future__ import annotations

import hashlib
from collections import Counter

import numpy as np
import pytest
from scipy import ndimage

from arcvae.grid.corpus.generator import CORPUS_KINDS, FACTORS, generate_grids

EIGHT = np.ones((3, 3))
COLUMN = {name: index for index, name in enumerate(FACTORS)}


@pytest.fixture(scope="module")
def atomic() -> tuple[np.ndarray, np.ndarray]:
    return generate_grids("atomic", 30_000, seed=7)


@pytest.mark.parametrize(
    ("kind", "grids_hash", "factors_hash"),
    [("atomic", "bc8419d3e04ab572", "2d90f697287c67e1"), ("simplified", "c2eeea0bcd3cfe27", "98e8f580067a21c7")],
)
def test_seed_gives_the_same_bits_on_every_machine(kind: str, grids_hash: str, factors_hash: str) -> None:
    grids, factors = generate_grids(kind, 500, seed=42)
    assert hashlib.sha256(grids.tobytes()).hexdigest()[:16] == grids_hash
    assert hashlib.sha256(factors.tobytes()).hexdigest()[:16] == factors_hash


def test_other_seed_and_other_kind_give_other_grids() -> None:
    first = generate_grids("atomic", 50, seed=1)[0]
    assert not np.array_equal(first, generate_grids("atomic", 50, seed=2)[0])
    assert not np.array_equal(first, generate_grids("simplified", 50, seed=1)[0])


@pytest.mark.parametrize("kind", CORPUS_KINDS)
def test_factors_rebuild_what_is_in_the_grid(kind: str) -> None:
    grids, factors = generate_grids(kind, 400, seed=3)
    for grid, objects in zip(grids, factors, strict=True):
        painted = np.zeros_like(grid, dtype=bool)
        expected = Counter[int]()
        for kind_, color, size, row, column, height, width in objects.tolist():
            if not kind_:
                continue
            box = grid[row : row + height, column : column + width] == color
            assert box.shape == (height, width)
            assert box[0].any()
            assert box[-1].any()
            assert box[:, 0].any()
            assert box[:, -1].any()
            assert box.sum() >= size
            painted[row : row + height, column : column + width] |= box
            expected[color] += size
        assert np.array_equal(painted, grid > 0)
        assert {c: int((grid == c).sum()) for c in expected} == dict(expected)


def test_absent_objects_are_rows_of_zeros_at_the_end(atomic: tuple[np.ndarray, np.ndarray]) -> None:
    present = atomic[1][..., COLUMN["kind"]] > 0
    assert (np.diff(present.astype(int), axis=1) <= 0).all()
    assert not atomic[1][~present].any()


def test_objects_have_2_to_15_cells_and_kinds_as_specified(atomic: tuple[np.ndarray, np.ndarray]) -> None:
    objects = atomic[1][atomic[1][..., COLUMN["kind"]] > 0]
    assert objects[:, COLUMN["size"]].min() == 2
    assert objects[:, COLUMN["size"]].max() == 15
    kinds = np.bincount(objects[:, COLUMN["kind"]], minlength=5)[1:] / len(objects)
    np.testing.assert_allclose(kinds, [0.4, 0.2, 0.2, 0.2], atol=0.01)
    colors = np.bincount(objects[:, COLUMN["color"]], minlength=10)[1:] / len(objects)
    np.testing.assert_allclose(colors, 1 / 9, atol=0.01)
    counts = np.bincount((atomic[1][..., COLUMN["kind"]] > 0).sum(1), minlength=5) / len(atomic[1])
    np.testing.assert_allclose(counts, [0, 0.25, 0.25, 0.25, 0.25], atol=0.012)


# Measured on all 80,000 train grids of each reference corpus. Shares of components are those of all 8-connected
# components of one colour; a shape with its mirror images and quarter turns is a form.
REFERENCE = {
    "atomic": {
        "background": 0.9315,
        "cells": [17.52, 4, 16, 35],  # mean; 5th, 50th, 95th percentile
        "colors": [.281, .315, .288, .116],
        "components": [.254, .256, .260, .230],
        "occupancy": [.009, .030, .103],  # corner, middle of an edge, centre
        "sizes": [.0960, .0972, .1051, .1371, .0949, .0772, .0772, .0582, .0489, .0281, .0485, .0478, .0289, .0480],
        "shapes": {
            "#./.#": .0313, ".#/#.": .0110, "##": .0273, "##/#.": .0164, "##/##": .0133, "#####": .0195,
            "#/#/#/#/#": .0195, "#####/#####": .0103, "########": .0098, "###/#../#..": .0132,
            "..#../..#../#####/..#../..#..": .0193,
        },
        "forms": {"##/##/#.": .0081, ".#./###/##.": .0030, ".#./###/.#.": .0010},
    },
    "simplified": {
        "background": 0.9177,
        "cells": [21.07, 4, 20, 42],
        "colors": [.187, .214, .242, .224, .115, .018],
        "components": [.169, .171, .172, .176, .175, .137],
        "occupancy": [.016, .046, .119],
        "sizes": [.1141, .1158, .1265, .1801, .1073, .0810, .0789, .0502, .0347, .0019, .0347, .0329, .0015, .0335],
        "shapes": {
            "#./.#": .0414, ".#/#.": .0082, "##": .0324, "##/#.": .0218, "##/##": .0166, "#####": .0324,
            "#/#/#/#/#": .0318, "#####/#####": .0166, "########": .0155, "###/#../#..": .0220,
            "..#../..#../#####/..#../..#..": .0322,
        },
        "forms": {"##/##/#.": .0000, ".#./###/##.": .0000, ".#./###/.#.": .0000},
    },
}  # fmt: skip


def drawings_of(grids: np.ndarray) -> tuple[list[str], np.ndarray]:
    """Each 8-connected component of one colour as a drawing, and the number of components of each grid."""
    drawings, components = [], np.zeros(len(grids), dtype=int)
    for color in range(1, 10):
        # Components of all grids at once: a structure that does not reach into the next grid.
        labels, _ = ndimage.label(grids == color, np.stack([0 * EIGHT, EIGHT, 0 * EIGHT]))
        for label, box in enumerate(ndimage.find_objects(labels), 1):
            components[box[0].start] += 1
            drawings.append("/".join("".join(".#"[cell] for cell in row) for row in (labels[box][0] == label).tolist()))
    return drawings, components


def images_of(drawing: str) -> set[str]:
    """A drawing, mirrored and turned."""
    cells = np.array([list(row) for row in drawing.split("/")])
    turned = [np.rot90(image, turns) for image in (cells, cells.T) for turns in range(4)]
    return {"/".join("".join(row) for row in image) for image in turned}


@pytest.mark.slow
@pytest.mark.parametrize("kind", CORPUS_KINDS)
def test_statistics_match_the_reference_corpus(kind: str, atomic: tuple[np.ndarray, np.ndarray]) -> None:
    expected = REFERENCE[kind]
    grids = atomic[0] if kind == "atomic" else generate_grids(kind, 30_000, seed=7)[0]
    assert (grids == 0).mean() == pytest.approx(expected["background"], abs=0.001)
    cells = (grids > 0).sum((1, 2))
    assert cells.mean() == pytest.approx(expected["cells"][0], abs=0.25)
    np.testing.assert_allclose(np.percentile(cells, [5, 50, 95]), expected["cells"][1:], atol=1)
    colors = sum((grids == c).any((1, 2)).astype(int) for c in range(1, 10))
    np.testing.assert_allclose(np.bincount(colors)[1:] / len(grids), expected["colors"], atol=0.01)
    occupied = (grids > 0).mean(0)
    places = ([0, 0, -1, -1], [0, -1, 0, -1]), ([0, 0, 15, 15, 7, 8, 7, 8], [7, 8, 7, 8, 0, 0, 15, 15])
    found = [*(occupied[place].mean() for place in places), occupied[7:9, 7:9].mean()]
    np.testing.assert_allclose(found, expected["occupancy"], atol=0.003)
    drawings, components = drawings_of(grids)
    np.testing.assert_allclose(np.bincount(components)[1:] / len(grids), expected["components"], atol=0.01)
    sizes = Counter(drawing.count("#") for drawing in drawings)
    shares = np.array([sizes[size] for size in range(2, 16)]) / len(drawings)
    np.testing.assert_allclose(shares, expected["sizes"], atol=0.004)
    counts = Counter(drawings)
    for drawing, share in expected["shapes"].items():
        assert counts[drawing] / len(drawings) == pytest.approx(share, abs=0.0025), drawing
    for drawing, share in expected["forms"].items():
        assert sum(counts[image] for image in images_of(drawing)) / len(drawings) == pytest.approx(share, abs=0.0008)


def test_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown corpus kind 'arc'; choose one of atomic, simplified"):
        generate_grids("arc", 1, 0)


@pytest.mark.parametrize(
    ("size", "fewest", "most"), [(8, 1, None), (10, 0, 2), (16, 6, 6), (17, 3, 3), (30, 6, 9), (32, 1, None)]
)
def test_size_and_number_of_objects_can_be_chosen(size: int, fewest: int, most: int | None) -> None:
    grids, factors = generate_grids("atomic", 400, 3, grid_size=size, min_objects=fewest, max_objects=most)
    assert grids.shape == (400, size, size)
    numbers = (factors[..., 0] > 0).sum(1)
    assert numbers.max() == (most or 4)
    if size > 16:  # there is room for all
        assert numbers.min() == fewest
    for grid, objects in zip(grids, factors, strict=True):
        for _, color, cells, row, column, height, width in objects[objects[:, 0] > 0].astype(int):
            box = grid[row : row + height, column : column + width]
            assert box.shape == (height, width)  # inside
            assert (box == color).sum() >= cells
        assert (grid > 0).sum() == objects[:, 2].sum()  # nothing overlaps


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"grid_size": 7}, "grid_size must be between 8 and 32, got 7"),
        ({"grid_size": 33}, "grid_size must be between 8 and 32, got 33"),
        ({"min_objects": 5}, "min_objects=5 must be between 0 and max_objects=4"),
        ({"min_objects": -1}, "min_objects=-1 must be between 0 and max_objects=4"),
    ],
)
def test_limits_out_of_range_are_refused(limits: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        generate_grids("atomic", 1, 0, **limits)
