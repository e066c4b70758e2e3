"""What users hand in: batches and single ones, NumPy and torch, and everything else refused in one line."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from arcvae.errors import DataError
from arcvae.grid.codes.object_codes import ObjectCodes
from arcvae.grid.inputs import as_given, batch_of_codes, batch_of_grids, batch_of_slots, batch_to_draw
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
    with pytest.raises(DataError, match=r"^grids have shape \(1, 1, 9, 30\), expected \(N, H, W\)$"):
        batch_of_grids(padded[None], OBJECTS, 255)


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        (np.zeros((2, 3), dtype=np.int64), "codes have dtype torch.int64, expected floating point"),
        (np.zeros((2, 4)), r"codes have shape \(2, 4\), expected \(N, 3\)"),
        (np.array([0.0, np.nan, 1.0]), "codes must be finite"),
        ([[0.5, 1.0, 2.0], [0.5]], r"codes cannot be read \(.*\); give rows of the same length of numbers"),
        ({"numbers": []}, r"codes cannot be read \(Could not infer dtype of dict\)"),
        (None, "codes cannot be read"),
    ],
)
def test_what_is_no_code_is_refused(codes: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        batch_of_codes(codes, 3)
    batch, single = batch_of_codes(np.zeros(3), 3)
    assert (batch.shape, batch.dtype, single) == ((1, 3), torch.float32, True)


SLOTS = np.random.default_rng(0).normal(size=(2, 6, 11)).astype(np.float32)


def test_codes_of_objects_are_as_good_as_their_numbers() -> None:
    batch, single = batch_of_codes(ObjectCodes(SLOTS), 66)
    assert (batch.numpy() == SLOTS.reshape(2, 66)).all()
    assert not single
    with pytest.raises(DataError, match=r"codes have shape \(2, 33\), expected \(N, 66\)"):
        batch_of_codes(ObjectCodes(SLOTS[:, :3]), 66)


def test_what_draws_codes_knows_their_slots_and_their_size() -> None:
    for codes, size, expected in (
        (SLOTS.reshape(2, 66), None, (16, 16)),
        (SLOTS.reshape(2, 66), (3, 4), (3, 4)),
        (ObjectCodes(SLOTS[:, :2], size=(9, 8)), None, (9, 8)),
        (ObjectCodes(SLOTS[:, :2], size=(9, 8)), (3, 4), (3, 4)),
    ):
        batch, _, found, draw = batch_to_draw(codes, OBJECTS, size)
        assert found == expected
        assert draw(batch, *found).shape == (2, 10, *expected)
    with pytest.raises(DataError, match=r"size=\(3, 4\): this model draws grids of 16 x 16"):
        batch_to_draw(np.zeros((1, 3)), FLAT, (3, 4))


@pytest.mark.parametrize("make", [np.asarray, torch.as_tensor, np.ndarray.tolist])
def test_plain_codes_become_codes_of_objects(make: Any) -> None:
    for given, count in ((SLOTS, 6), (SLOTS.reshape(2, 66), 6), (SLOTS[:, :2], 2), (SLOTS[:, :2].reshape(2, 22), 2)):
        codes = batch_of_slots(make(given), OBJECTS, None, None)
        assert (codes.shape, codes.numbers.dtype, codes.size) == ((2, 6, 11), np.float32, (16, 16))
        assert np.array_equal(codes.numbers[:, :count], SLOTS[:, :count])
        assert not codes.numbers[:, count:].any()  # empty slots, for what operations add
        assert (codes.part_of, codes.left_out) == (None, None)
    assert batch_of_slots(make(SLOTS[0].reshape(66)), OBJECTS, (4, 5), None).size == (4, 5)
    assert batch_of_slots(make(np.tile(SLOTS, (1, 2, 1))), OBJECTS, None, None).shape == (2, 12, 11)


def test_no_plain_codes_and_codes_of_no_objects() -> None:
    assert batch_of_slots(np.zeros((0, 66)), OBJECTS, None, None).shape == (0, 6, 11)
    assert batch_of_slots(SLOTS[:0], OBJECTS, None, np.zeros((0, 6), dtype=int)).shape == (0, 6, 11)
    assert not batch_of_slots([[]], OBJECTS, None, [[]]).filled.any()  # as the page saves an empty grid


def test_parts_and_what_codes_of_objects_know_are_kept() -> None:
    found = batch_of_slots(SLOTS[:, :3], OBJECTS, None, [[0, 0, 2], [0, 1, 1]])
    assert found.part_of is not None
    assert found.part_of.tolist() == [[0, 0, 2, 3, 4, 5], [0, 1, 1, 3, 4, 5]]
    known = ObjectCodes(SLOTS[:, :3], np.array([1, 0]), np.array([[0, 0, 2]] * 2), size=(7, 8))
    again = batch_of_slots(known, OBJECTS, None, None)
    assert again.part_of is not None
    assert (again.size, again.part_of[0].tolist(), again.left_out) == ((7, 8), [0, 0, 2, 3, 4, 5], known.left_out)


@pytest.mark.parametrize(
    ("codes", "part_of", "message"),
    [
        (SLOTS.astype(int), None, "codes have dtype torch.int64, expected floating point"),
        (GRIDS, None, "codes have dtype torch.uint8, expected floating point"),
        (SLOTS[..., :10], None, r"codes have shape \(2, 6, 10\), expected \(N, 66\) or \(N, K, 11\)"),
        (np.zeros((2, 65)), None, r"codes have shape \(2, 65\), expected \(N, 66\) or \(N, K, 11\)"),
        (SLOTS[None], None, r"codes have shape \(1, 2, 6, 11\)"),
        (np.float32(1), None, r"codes have shape \(\), expected"),
        (SLOTS * np.nan, None, "codes must be finite"),
        (SLOTS, [[0] * 6], r"part_of is int64 \(1, 6\), expected whole numbers \(2, 6\)"),
        (SLOTS, np.zeros((2, 6)), r"part_of is float64 \(2, 6\), expected whole numbers \(2, 6\)"),
        (SLOTS, [[6] * 6] * 2, r"part_of must name slots, 0 to 5"),
        (SLOTS, [[-1] * 6] * 2, r"part_of must name slots, 0 to 5"),
        (SLOTS, [[1, 0, 2, 3, 4, 5]] * 2, "part_of must name first parts, and each of these itself"),
    ],
)
def test_what_is_no_plain_code_of_objects_is_refused(codes: Any, part_of: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        batch_of_slots(codes, OBJECTS, None, part_of)
