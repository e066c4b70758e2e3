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
    [("atomic", "3da824326f4d684c", "1fdc2249231732ca"), ("simplified", "a2a33e05faaccbfb", "5e2c3081f7dd2ada")],
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


# Measured on all 80,000 train grids of the reference atomic corpus: shares of components with 2 to 15 cells, and of
# grids with 1 to 4 colours and components.
SIZES = [.096, .097, .105, .137, .095, .077, .077, .058, .049, .028, .049, .048, .029, .048]  # fmt: skip
COLORS = [0.281, 0.315, 0.288, 0.116]
COMPONENTS = [0.254, 0.256, 0.260, 0.230]


def test_statistics_match_the_reference_corpus(atomic: tuple[np.ndarray, np.ndarray]) -> None:
    grids = atomic[0]
    assert (grids == 0).mean() == pytest.approx(0.9315, abs=0.002)
    cells = (grids > 0).sum((1, 2))
    assert cells.mean() == pytest.approx(17.52, abs=0.3)
    np.testing.assert_allclose(np.percentile(cells, [5, 50, 95]), [4, 16, 35], atol=1)
    colors = sum((grids == c).any((1, 2)).astype(int) for c in range(1, 10))
    np.testing.assert_allclose(np.bincount(colors)[1:] / len(grids), COLORS, atol=0.01)
    sizes, components = Counter[int](), np.zeros(len(grids), dtype=int)
    for color in range(1, 10):
        # Components of all grids at once: a structure that does not reach into the next grid.
        labels, number = ndimage.label(grids == color, np.stack([0 * EIGHT, EIGHT, 0 * EIGHT]))
        sizes.update(np.bincount(labels.ravel())[1:].tolist())
        where = ndimage.maximum(
            np.arange(len(grids))[:, None, None] + np.zeros((16, 16), int), labels, range(1, number + 1)
        )
        components += np.bincount(where.astype(int), minlength=len(grids))
    shares = np.array([sizes[size] for size in range(2, 16)]) / sum(sizes.values())
    np.testing.assert_allclose(shares, SIZES, atol=0.004)
    np.testing.assert_allclose(np.bincount(components)[1:5] / len(grids), COMPONENTS, atol=0.01)
    occupied = (grids > 0).mean(0)
    assert occupied[[0, 0, -1, -1], [0, -1, 0, -1]].mean() == pytest.approx(0.010, abs=0.004)
    assert occupied[[0, 0, 15, 15, 7, 8, 7, 8], [7, 8, 7, 8, 0, 0, 15, 15]].mean() == pytest.approx(0.033, abs=0.005)
    assert occupied[7:9, 7:9].mean() == pytest.approx(0.103, abs=0.005)


def test_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown corpus kind 'arc'; choose one of atomic, simplified"):
        generate_grids("arc", 1, 0)
