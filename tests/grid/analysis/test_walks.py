"""Objects that walk: the grids are right by an oracle, and a model is scored by what it draws."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from arcvae.grid.analysis.walks import STEPS, walk
from arcvae.grid.corpus.generator import generate_grids
from arcvae.grid.models.beta_vae import BetaVAE
from tests.grid.models.perfect import perfect_vae

GRIDS = generate_grids("atomic", 60, seed=4)[0]


def parts(grid: np.ndarray) -> list[tuple[int, frozenset[tuple[int, int]]]]:
    """Colour and cells of each component."""
    found = []
    for color in np.unique(grid[grid > 0]):
        labels, count = ndimage.label(grid == color, np.ones((3, 3)))
        found += [(int(color), frozenset(map(tuple, np.argwhere(labels == i + 1).tolist()))) for i in range(count)]
    return found


def test_one_object_of_each_grid_moves_in_a_straight_line() -> None:
    walks = walk(perfect_vae(torch.from_numpy(GRIDS)), GRIDS)
    known = {grid.tobytes() for grid in GRIDS}
    assert len(walks.true) > 40
    for path in walks.true:
        assert path[0].tobytes() in known
        first = set(parts(path[0]))
        steps = set()
        for index, grid in enumerate(path[1:], start=1):
            assert (np.bincount(grid.ravel(), minlength=10) == np.bincount(path[0].ravel(), minlength=10)).all()
            ((color, before),) = first - set(parts(grid))
            ((same, after),) = set(parts(grid)) - first
            assert color == same
            down, right = (int(np.subtract(min(after), min(before))[axis]) for axis in (0, 1))
            assert {(y + down, x + right) for y, x in before} == after
            steps.add((down / index, right / index))
        assert len(steps) == 1  # the same step each time, of one cell to one of eight sides
        assert max(map(abs, *steps)) == 1


def test_perfect_codes_walk_and_codes_without_places_do_not() -> None:
    perfect = walk(perfect_vae(torch.from_numpy(GRIDS)), GRIDS).figures()
    assert perfect["walks"] > 40
    assert (perfect["ends_exact"], perfect["between_exact"]) == (1, 1)
    torch.manual_seed(0)
    flat = walk(BetaVAE(latent_dim=3, widths=[4, 4, 4], hidden=8).eval(), GRIDS)
    assert flat.true.tobytes() == walk(perfect_vae(torch.from_numpy(GRIDS)), GRIDS).true.tobytes()
    assert flat.figures()["between_exact"] == 0
    assert flat.figure().axes


def test_grids_without_room_are_left_out() -> None:
    full = np.full((3, 16, 16), 2, dtype=np.uint8)
    walks = walk(perfect_vae(torch.from_numpy(GRIDS)), np.concatenate([full, np.zeros_like(full)]))
    assert walks.true.shape == (0, STEPS + 1, 16, 16)
    assert walks.figures() == {"walks": 0, "ends_exact": 0.0, "between_exact": 0.0}


@pytest.mark.parametrize("seed", [0, 1])
def test_walks_follow_the_seed(seed: int) -> None:
    model = perfect_vae(torch.from_numpy(GRIDS))
    assert (walk(model, GRIDS, seed).true == walk(model, GRIDS, seed).true).all()
    assert walk(model, GRIDS, seed).true.tobytes() != walk(model, GRIDS, seed + 5).true.tobytes()
