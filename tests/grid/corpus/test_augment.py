"""Symmetries of the square against NumPy."""

from __future__ import annotations

import numpy as np
import torch

from arcvae.grid.corpus.augment import augment, dihedral, permute_colors

GRID = torch.arange(16).view(1, 4, 4)


def test_dihedral_gives_the_eight_symmetries_once_each() -> None:
    ours = {tuple(dihedral(GRID, torch.tensor([k])).flatten().tolist()) for k in range(8)}
    square = GRID[0].numpy()
    turns = [np.rot90(square, k) for k in range(4)]
    oracle = {tuple(grid.ravel().tolist()) for turn in turns for grid in (turn, turn.T)}
    assert ours == oracle
    assert len(oracle) == 8


def test_each_grid_gets_its_own_symmetry() -> None:
    symmetry = torch.arange(8)
    together = dihedral(GRID.expand(8, 4, 4), symmetry)
    for index in range(8):
        assert torch.equal(together[index], dihedral(GRID, symmetry[index : index + 1])[0])


def test_permutation_renames_colors() -> None:
    grids = torch.tensor([[[0, 1], [2, 1]]], dtype=torch.uint8)
    renamed = permute_colors(grids, torch.tensor([[0, 2, 1]]))
    assert renamed.tolist() == [[[0, 2], [1, 2]]]
    assert renamed.dtype == torch.uint8


def test_augmentation_keeps_background_and_the_partition_into_colors() -> None:
    grids = torch.randint(10, (64, 6, 6), dtype=torch.uint8)
    changed = augment(grids, torch.Generator().manual_seed(0), symmetries=False, colors=True)
    assert torch.equal(changed == 0, grids == 0)
    assert not torch.equal(changed, grids)
    for before, after in zip(grids, changed, strict=True):
        pairs = set(zip(before.flatten().tolist(), after.flatten().tolist(), strict=True))
        assert len(pairs) == len(before.unique()) == len(after.unique())


def test_augmentation_depends_on_the_generator_alone() -> None:
    grids = torch.randint(10, (32, 6, 6), dtype=torch.uint8)
    draws = [augment(grids, torch.Generator().manual_seed(s), symmetries=True, colors=True) for s in (1, 1, 2)]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


def test_colors_and_symmetries_are_drawn_uniformly() -> None:
    grid = torch.tensor([[[1, 0], [0, 0]]], dtype=torch.uint8).expand(8000, 2, 2)
    changed = augment(grid, torch.Generator().manual_seed(0), symmetries=True, colors=True)
    colors = np.bincount(changed.amax((1, 2)), minlength=10)[1:] / 8000
    corners = (changed > 0).float().mean(0).flatten().numpy()
    assert np.abs(colors - 1 / 9).max() < 0.02
    assert np.abs(corners - 1 / 4).max() < 0.03
