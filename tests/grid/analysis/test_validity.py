"""Scores of samples against a corpus, and the distance that they use."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon

from arcvae.grid.analysis.validity import Reference, js_distance
from arcvae.grid.corpus.generator import generate_grids


def grid(*rows: str) -> np.ndarray:
    """An 8x8 grid from rows of digits; a dot is background, what is left out is too."""
    cells = np.zeros((8, 8), dtype=np.uint8)
    for y, row in enumerate(rows):
        for x, cell in enumerate(row):
            cells[y, x] = 0 if cell == "." else int(cell)
    return cells


def test_share_of_valid_grids_is_that_of_the_set() -> None:
    cells = np.stack([grid("11"), grid("1"), grid(), grid("22.33")])
    assert Reference.of(cells, 4).score(cells)["valid"] == 0.5


def test_most_objects_are_those_of_the_train_split_unless_given() -> None:
    cells = np.stack([grid("11.22.33"), grid("44")])
    assert Reference.of(cells).max_objects == 3
    assert Reference.of(cells, 2).score(cells)["valid"] == 0.5


def test_scores_of_the_corpus_itself_of_other_real_grids_and_of_black_ones() -> None:
    cells, _ = generate_grids("atomic", 6000, seed=0)
    train, other = cells[:4000], cells[4000:]
    reference = Reference.of(train, 4)
    itself, real, black = reference.score(train), reference.score(other), reference.score(np.zeros_like(other))
    assert (itself["objects_js"], itself["sizes_js"], itself["colors_js"], itself["novel"]) == (0, 0, 0, 0)
    assert real["valid"] == itself["valid"] == 1
    assert 0 < real["objects_js"] < 0.05
    assert real["novel"] > 0.9
    scores = [black[name] for name in ("valid", "objects_js", "sizes_js", "colors_js")]
    assert scores == pytest.approx([0, 1, 1, 1], abs=1e-12)
    assert (black["pair_distance"], black["distinct"]) == (0, 1 / len(other))


def test_distance_is_jensen_shannon_worked_by_hand() -> None:
    # All grids with one object against half of them with two: P = (1, 0), Q = (1/2, 1/2), M = (3/4, 1/4);
    # JSD = 1/2 (log2 4/3) + 1/2 (1/2 log2 2/3 + 1/2 log2 2) = 0.3113, and the distance is its root, 0.5579.
    one, two = grid("11"), grid("11.11")
    reference = Reference.of(np.stack([one, one]), 4)
    assert reference.score(np.stack([one, two]))["objects_js"] == pytest.approx(0.5579, abs=1e-4)


def test_distance_of_histograms_is_that_of_scipy_with_one_bin_for_what_is_large() -> None:
    first, second = np.array([0, 1, 1, 3, 9]), np.array([2, 2, 1, 40])
    expected = jensenshannon([1, 2, 0, 2], [0, 1, 2, 1], base=2)
    assert js_distance(first, second, bins=4) == pytest.approx(expected)
    assert js_distance(first, first, bins=4) == 0
    assert js_distance([], [1], bins=4) == js_distance([1], [], bins=4) == 1


def test_colored_cells_pairs_and_distinct_grids_worked_by_hand() -> None:
    cells = np.stack([grid("11"), grid("11"), grid("111")])
    scores = Reference.of(cells[:1]).score(cells)
    assert scores["colored_cells"] == pytest.approx(7 / 3)
    assert scores["distinct"] == pytest.approx(2 / 3)
    assert scores["novel"] == pytest.approx(1 / 3)
    # Of six ordered pairs of two of them four differ, by one cell each; 150 pairs are drawn.
    assert scores["pair_distance"] == pytest.approx(4 / 6, abs=0.13)
    assert Reference.of(cells[:1]).score(cells, seed=2) != scores


def test_no_grid_is_a_pair_with_itself() -> None:
    cells = np.stack([grid("11"), grid("222")])
    reference = Reference.of(cells)
    assert reference.score(cells)["pair_distance"] == 3  # not half of it
    assert np.isnan(reference.score(cells[:1])["pair_distance"])
    some, _ = generate_grids("atomic", 12, seed=0)
    every = (some[:, None] != some).sum((2, 3)).sum() / (12 * 11)
    found = np.mean([Reference.of(some).score(some, seed)["pair_distance"] for seed in range(20)])
    assert found == pytest.approx(every, rel=0.02)  # with replacement it would be 8 % less
