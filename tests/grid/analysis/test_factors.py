"""Factors of a generated corpus, found again in codes of objects."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from arcvae.grid.analysis.factors import recovered_factors
from arcvae.grid.codes.object_codes import ObjectCodes
from arcvae.grid.corpus.generator import generate_grids
from arcvae.grid.models.objects import ObjectsVAE

GRIDS, FACTORS = generate_grids("atomic", 200, seed=6)


@pytest.fixture(scope="module")
def codes() -> ObjectCodes:
    model = ObjectsVAE(width=8)
    with torch.no_grad():
        return ObjectCodes(model.slot_numbers(model.encoder(torch.from_numpy(GRIDS))[0]).numpy())


def test_every_object_that_stands_alone_is_found(codes: ObjectCodes) -> None:
    found = recovered_factors(GRIDS, FACTORS, codes)
    assert 450 < found["objects"] <= (FACTORS[..., 0] > 0).sum()
    assert found["recovered"] == 1


@pytest.mark.parametrize("name", ["row", "column", "color"])
def test_each_number_counts(codes: ObjectCodes, name: str) -> None:
    off = codes.replace(**{name: getattr(codes, name) + 1})
    assert recovered_factors(GRIDS, FACTORS, off)["recovered"] < 0.05


def test_objects_that_touch_one_of_their_colour_are_left_out() -> None:
    grid, factors = np.zeros((1, 16, 16), np.uint8), np.zeros((1, 3, 7), np.uint8)
    grid[0, 2, 2:5], grid[0, 3, 5:8], grid[0, 9, 9:11] = 4, 4, 4  # the first two touch over a corner
    factors[0] = [[3, 4, 3, 2, 2, 1, 3], [3, 4, 3, 3, 5, 1, 3], [3, 4, 2, 9, 9, 1, 2]]
    codes = ObjectCodes(np.zeros((1, 6, 11), np.float32))
    assert recovered_factors(grid, factors, codes) == {"objects": 1, "recovered": 0.0}
    codes.numbers[0, 3, :3] = 9, 9.5, 4
    assert recovered_factors(grid, factors, codes) == {"objects": 1, "recovered": 1.0}
    assert recovered_factors(grid, 0 * factors, codes) == {"objects": 0, "recovered": 0.0}
