"""Shapes of objects: what each kind is, and how often its forms occur."""

from __future__ import annotations

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


def test_blobs_are_connected_over_edges_and_lie_at_the_top_left() -> None:
    shapes = draw_shapes(np.full(2000, KINDS.index("blob")), Draws(5))
    for index in range(2000):
        cells = cells_of(shapes, index)
        grid = np.zeros((16, 16))
        grid[tuple(np.array(sorted(cells)).T)] = 1
        assert ndimage.label(grid)[1] == 1  # 4-connected
        assert grid[0].any()
        assert grid[:, 0].any()
        assert len(cells) == shapes.cells[index]
        assert max(r for r, _ in cells) + 1 == shapes.height[index]
        assert max(c for _, c in cells) + 1 == shapes.width[index]
    assert shapes.cells.min() == 2
    assert shapes.cells.max() == 15


def test_blobs_prefer_cells_that_touch_twice() -> None:
    # An L of three cells has seven frontier cells; the one in its corner touches two and has weight 3 of 9. An
    # I of three has eight, none of which touches twice. Three-cell blobs: from a domino, four of six frontier
    # cells give an L. So squares make up (4/6)(3/9) = 2/9 of all four-cell blobs; without the preference 2/21.
    shapes = draw_shapes(np.full(120_000, KINDS.index("blob")), Draws(11))
    four = shapes.cells == 4
    square = (shapes.height == 2) & (shapes.width == 2)
    assert (square & four).sum() / four.sum() == pytest.approx(2 / 9, abs=0.02)


def test_rectangles_are_full_and_near_square() -> None:
    shapes = draw_shapes(np.full(3000, KINDS.index("rectangle")), Draws(5))
    assert (shapes.cells == shapes.height * shapes.width).all()
    longer, shorter = np.maximum(shapes.height, shapes.width), np.minimum(shapes.height, shapes.width)
    assert (longer < 3 * shorter).all()


def test_lines_are_straight_with_directions_as_specified() -> None:
    shapes = draw_shapes(np.full(20_000, KINDS.index("line")), Draws(5))
    flat, tall = shapes.height == 1, shapes.width == 1
    diagonal = (shapes.height == shapes.cells) & (shapes.width == shapes.cells)
    assert (flat | tall | diagonal).all()
    falling = diagonal & (shapes.rows[:, 0] == 1)
    shares = [group.mean() for group in (flat, tall, falling, diagonal & ~falling)]
    assert shares == pytest.approx([0.3, 0.3, 0.2, 0.2], abs=0.015)


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
        "zigzag": {"##./.#", "##/.#", "##./.##", "##./.##/..#", "##../.##./..##", "##../.##./..##/...#"},
    }
    assert set(pictures) <= set.union(*families.values())
    for forms in families.values():
        assert np.mean([picture in forms for picture in pictures]) == pytest.approx(0.2, abs=0.012)


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
