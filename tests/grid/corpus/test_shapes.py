"""Shapes of objects: what each kind is, and how often its forms occur."""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np
import pytest
from scipy import ndimage

from arcvae.grid.corpus.shapes import KINDS, Draws, Shapes, draw_shapes


def cells_of(shapes: Shapes, index: int) -> set[tuple[int, int]]:
    return {(r, c) for r in range(16) for c in range(16) if shapes.rows[index, r] >> c & 1}


def test_draws_below_a_bound_are_uniform() -> None:
    draws = Draws(3).below(7, 70_000)
    assert np.abs(np.bincount(draws, minlength=7) / 10_000 - 1).max() < 0.05
    weighted = Draws(3).weighted((1, 0, 3), 40_000)
    assert np.bincount(weighted).tolist()[1] == 0
    assert (weighted == 2).mean() == pytest.approx(0.75, abs=0.01)


def test_blobs_are_connected_over_edges_and_corners_and_lie_at_the_top_left() -> None:
    shapes = draw_shapes(np.full(2000, KINDS.index("blob")), Draws(5))
    over_edges = 0
    for index in range(2000):
        cells = cells_of(shapes, index)
        grid = np.zeros((16, 16))
        grid[tuple(np.array(sorted(cells)).T)] = 1
        assert ndimage.label(grid, np.ones((3, 3)))[1] == 1
        over_edges += ndimage.label(grid)[1] == 1
        assert grid[0].any()
        assert grid[:, 0].any()
        assert len(cells) == shapes.cells[index]
        assert max(r for r, _ in cells) + 1 == shapes.height[index]
        assert max(c for _, c in cells) + 1 == shapes.width[index]
    assert 0 < over_edges < 2000


def test_blobs_have_2_to_15_cells_equally_often() -> None:
    shapes = draw_shapes(np.full(70_000, KINDS.index("blob")), Draws(5))
    counts = np.bincount(shapes.cells, minlength=16)
    assert counts[:2].sum() == 0
    assert np.abs(counts[2:] / 5000 - 1).max() < 0.06
    assert np.abs(np.diff(shapes.cells[:1000])).mean() > 3  # in no order


Cells = frozenset[tuple[int, int]]
AROUND = [(r, c) for r in (-1, 0, 1) for c in (-1, 0, 1) if (r, c) != (0, 0)]


def grown(blobs: dict[Cells, float]) -> dict[Cells, float]:
    """Probabilities of all blobs with one cell more, by counting for each free cell the cells that it touches."""
    larger: dict[Cells, float] = defaultdict(float)
    for cells, probability in blobs.items():
        touched = Counter((r + dr, c + dc) for r, c in cells for dr, dc in AROUND)
        weights = {cell: k * (k + 1) // 2 for cell, k in touched.items() if cell not in cells}
        for cell, weight in weights.items():
            more = cells | {cell}
            top, left = min(r for r, _ in more), min(c for _, c in more)
            larger[frozenset((r - top, c - left) for r, c in more)] += probability * weight / sum(weights.values())
    return larger


def test_blobs_grow_towards_cells_that_touch_many() -> None:
    # By hand: a domino has ten free cells around it, four of which touch both of its cells and have weight 3, so that
    # it becomes an L with probability 12/18; a diagonal pair has twelve, two of weight 3, and does so with 6/16.
    blobs = {frozenset([(0, 0)]): 1.0}
    shapes = draw_shapes(np.full(140_000, KINDS.index("blob")), Draws(11))
    for size in range(2, 6):
        blobs = grown(blobs)
        drawn, counts = np.unique(shapes.rows[shapes.cells == size], axis=0, return_counts=True)
        found = {frozenset(cells_of(Shapes.of(drawn), index)): int(n) for index, n in enumerate(counts)}
        assert set(found) <= set(blobs)
        if size == 3:
            corner = sum(p for cells, p in blobs.items() if np.ptp(list(cells), axis=0).tolist() == [1, 1])
            assert corner == pytest.approx((12 / 18 + 6 / 16) / 2)
        total, free = sum(found.values()), len(blobs) - 1
        # With weight 3 wherever two or more cells touch, the blobs of four cells are off by 317; the limit is 59.
        chi_square = sum((found.get(cells, 0) - total * p) ** 2 / (total * p) for cells, p in blobs.items())
        assert abs(chi_square - free) < 4 * (2 * free) ** 0.5


def test_rectangles_are_full_with_sides_up_to_5_equally_often() -> None:
    shapes = draw_shapes(np.full(40_000, KINDS.index("rectangle")), Draws(5))
    assert (shapes.cells == shapes.height * shapes.width).all()
    sides = {(h, w) for h in range(1, 6) for w in range(1, 6) if 2 <= h * w <= 15}
    found = Counter(zip(shapes.height.tolist(), shapes.width.tolist(), strict=True))
    assert set(found) == sides
    assert len(sides) == 20
    assert all(abs(count / 2000 - 1) < 0.1 for count in found.values())


def test_lines_are_straight_with_directions_as_specified_and_2_to_8_cells_equally_often() -> None:
    shapes = draw_shapes(np.full(20_000, KINDS.index("line")), Draws(5))
    flat, tall = shapes.height == 1, shapes.width == 1
    diagonal = (shapes.height == shapes.cells) & (shapes.width == shapes.cells)
    assert (flat | tall | diagonal).all()
    falling = diagonal & (shapes.rows[:, 0] == 1)
    directions = (flat, tall, falling, diagonal & ~falling)
    assert [group.mean() for group in directions] == pytest.approx([1 / 3, 1 / 3, 1 / 6, 1 / 6], abs=0.015)
    for group in directions:
        lengths = np.bincount(shapes.cells[group], minlength=9)
        assert lengths[:2].sum() == 0
        assert lengths[2:] / group.sum() == pytest.approx(np.full(7, 1 / 7), abs=0.03)


def test_patterns_are_those_of_the_catalogue_and_equally_frequent() -> None:
    shapes = draw_shapes(np.full(20_000, KINDS.index("pattern")), Draws(5))
    pictures = [
        "/".join("".join("#" if shapes.rows[index, r] >> c & 1 else "." for c in range(shapes.width[index]))
                 for r in range(shapes.height[index]))
        for index in range(20_000)
    ]  # fmt: skip
    families = {
        "checkerboard": {"#./.#", "#.#/.#./#.#"},
        "L": {"##/#.", "###/#../#..", "####/#.../#.../#..."},
        "T": {"###/.#.", "###/.#./.#.", "####/..#.", "####/..#./..#."},
        "plus": {"..#../..#../#####/..#../..#..", "...#.../...#.../...#.../#######/...#.../...#.../...#..."},
        "zigzag": {"##/.#", "##./.##", "##./.##/..#", "##../.##./..##", "##../.##./..##/...#"},
    }
    assert set(pictures) <= set.union(*families.values())
    for forms in families.values():
        assert np.mean([picture in forms for picture in pictures]) == pytest.approx(0.2, abs=0.012)
        for form in forms:
            assert pictures.count(form) / 20_000 == pytest.approx(0.2 / len(forms), abs=0.01)


def test_mixed_kinds_keep_their_places() -> None:
    kinds = np.random.default_rng(0).integers(0, len(KINDS), 500)
    shapes = draw_shapes(kinds, Draws(1))
    full = shapes.cells == shapes.height * shapes.width
    assert full[kinds == KINDS.index("rectangle")].all()
    straight = (
        (shapes.height == 1) | (shapes.width == 1) | ((shapes.height == shapes.cells) & (shapes.width == shapes.cells))
    )
    assert straight[kinds == KINDS.index("line")].all()
    assert (shapes.rows.any(1)).all()
    assert len(draw_shapes(np.zeros(0, np.int64), Draws(1)).rows) == 0
