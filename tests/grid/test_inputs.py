"""What users hand in: batches and single ones, NumPy and torch, and everything else refused in one line."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from arcvae.errors import DataError
from arcvae.grid.inputs import as_given, batch_of_codes, batch_of_grids
from arcvae.grid.models.beta_vae import BetaVAE
from arcvae.grid.models.objects import ObjectsVAE

FLAT, OBJECTS = BetaVAE(latent_dim=3, widths=[4, 4, 4], hidden=8), ObjectsVAE(width=8)
GRIDS = np.arange(2 * 16 * 16).reshape(2, 16, 16).astype(np.uint8) % 10


@pytest.mark.parametrize("make", [np.asarray, torch.as_tensor, lambda grids: np.asarray(grids)[:, ::-1, ::-1]])
def test_batches_and_single_ones_come_as_tensors_and_go_as_they_came(make: Any) -> None:
    given = make(GRIDS)
    for array, single in ((given, False), (given[0], True)):
        batch, alone = batch_of_grids(array, FLAT, None)
        assert alone is single
        assert batch.shape == (1 if single else 2, 16, 16)
        back = as_given(array, batch, alone)
        assert type(back) is type(array)
        assert (np.asarray(back) == np.asarray(array)).all()


@pytest.mark.parametrize(
    ("grids", "message"),
    [
        (GRIDS / 10, r"grids have dtype torch.float64, expected whole numbers, colours 0-9"),
        (GRIDS > 0, r"grids have dtype torch.bool, expected whole numbers"),
        (GRIDS.astype(np.int64) - 1, "grids hold -1, expected colours 0-9"),
        (GRIDS.astype(np.int64) + 256, "grids hold 265, expected colours 0-9"),
        ([[0, 1], [2]], "grids cannot be read .*give rows of the same length"),
        (["ab", "cd"], "grids cannot be read"),
        (GRIDS[:, :8], r"grids have shape \(2, 8, 16\), expected \(N, 16, 16\)"),
        (GRIDS[None], r"grids have shape \(1, 2, 16, 16\)"),
        (GRIDS + 1, "grids hold 10, expected colours 0-9"),
    ],
)
def test_what_is_no_grid_is_refused(grids: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        batch_of_grids(grids, FLAT, None)


def test_size_and_ignored_cells_are_those_that_the_model_and_the_caller_name() -> None:
    padded = np.full((1, 9, 30), 255, dtype=np.uint8)
    padded[0, :4, :4] = 3
    assert batch_of_grids(padded, OBJECTS, 255)[0].shape == (1, 9, 30)
    with pytest.raises(DataError, match="grids hold 255"):
        batch_of_grids(padded, OBJECTS, None)


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        (np.zeros((2, 3), dtype=np.int64), "codes have dtype torch.int64, expected floating point"),
        (np.zeros((2, 4)), r"codes have shape \(2, 4\), expected \(N, 3\)"),
        (np.array([0.0, np.nan, 1.0]), "codes must be finite"),
    ],
)
def test_what_is_no_code_is_refused(codes: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        batch_of_codes(codes, 3)
    batch, single = batch_of_codes(np.zeros(3), 3)
    assert (batch.shape, batch.dtype, single) == ((1, 3), torch.float32, True)
