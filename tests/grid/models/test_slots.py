"""Between grids and slots: what is left out, clipped and ignored, and gradients in place and shape."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch
from torch import Tensor

from arcvae.grid.corpus.generator import generate_grids
from arcvae.grid.models.objects import ObjectsVAE
from arcvae.grid.models.slots import COLOR, COLUMN, PLACE, ROW, parity_of
from tests.grid.models.perfect import codes_of, drawn, perfect_vae

GRIDS = torch.from_numpy(generate_grids("atomic", 40, seed=2)[0])


@pytest.fixture(scope="module")
def vae() -> ObjectsVAE:
    return perfect_vae(GRIDS)


def test_what_leaves_the_grid_is_clipped(vae: ObjectsVAE) -> None:
    slots = codes_of(vae, GRIDS)
    slots[..., ROW] -= 5
    expected = torch.zeros_like(GRIDS)
    expected[:, :-5] = GRIDS[:, 5:]
    assert torch.equal(drawn(vae, slots), expected)


def test_more_objects_than_slots_lose_the_smallest() -> None:
    grid = torch.zeros(1, 16, 16, dtype=torch.uint8)
    for index, length in enumerate((2, 5, 3, 4)):
        grid[0, 3 * index, :length] = index + 1
    vae = ObjectsVAE(slots=2, width=8)
    slots = codes_of(vae, grid)[0]
    assert slots[:, COLOR].tolist() == [2, 4]  # the longest two, in the order of the grid


def test_padding_belongs_to_no_object(vae: ObjectsVAE) -> None:
    padded = torch.full((len(GRIDS), 20, 20), 255, dtype=torch.uint8)
    padded[:, :16, :16] = GRIDS
    assert torch.equal(codes_of(vae, padded), codes_of(vae, GRIDS))


def test_logits_have_a_gradient_in_place_and_shape() -> None:
    torch.manual_seed(0)
    vae = ObjectsVAE(width=16)
    z = vae.encoder(GRIDS)[0].detach().requires_grad_()
    torch.nn.functional.cross_entropy(vae.decoder(z), GRIDS.long()).backward()
    gradient = vae.slot_numbers(z.grad)[vae.slot_numbers(z.detach())[..., COLOR] > 0]
    assert (gradient[:, [ROW, COLUMN]].abs().sum(0) > 0).all()
    assert (gradient[:, PLACE:].abs().sum(0) > 0).all()


def test_a_shift_within_a_cell_lowers_the_loss_in_the_direction_of_its_gradient(vae: ObjectsVAE) -> None:
    slots = codes_of(vae, GRIDS[:8])
    slots[..., ROW] += 0.2 * (slots[..., COLOR] > 0)
    z = slots.flatten(1).requires_grad_()
    torch.nn.functional.cross_entropy(vae.decoder(z), GRIDS[:8].long(), reduction="sum").backward()
    gradient = vae.slot_numbers(z.grad)[..., ROW][slots[..., COLOR] > 0]
    assert (gradient > 0).all()  # back to where it was


def grid_with(*boxes: tuple[int, int, int, int]) -> Tensor:
    """A grid with a rectangle of its own colour for each (top, left, height, width)."""
    grid = torch.zeros(16, 16, dtype=torch.uint8)
    for color, (top, left, height, width) in enumerate(boxes, start=1):
        grid[top : top + height, left : left + width] = color
    return grid


CHECKERBOARD = torch.from_numpy(np.indices((16, 16)).sum(0) % 2 + 1).to(torch.uint8)
SINGLES = torch.zeros(16, 16, dtype=torch.uint8)
SINGLES[::2, ::2] = 5  # 64 cells, none of which touch
MANY_COLORS = torch.from_numpy(np.add.outer(3 * np.arange(16), np.arange(16)) % 9 + 1).to(torch.uint8)
FULL = torch.full((16, 16), 3, dtype=torch.uint8)
BAD = {
    "empty": (grid_with(), 0, 0),
    "full": (FULL, 4, 0),  # of four blocks
    "full but for a corner": (FULL.masked_fill(torch.arange(256).view(16, 16) == 0, 0), 0, 1),
    "checkerboard of two colours": (CHECKERBOARD, 0, 2),
    "256 cells of nine colours": (MANY_COLORS, 6, None),
    "64 single cells": (SINGLES, 6, 58),
    "an object larger than the frame": (grid_with((0, 0, 16, 16), (3, 3, 2, 2)), 1, 1),
    "as many objects as slots": (grid_with(*((2 * i, 0, 1, 2) for i in range(6))), 6, 0),
    "one more than slots": (grid_with(*((2 * i, 0, 1, 2 + i) for i in range(7))), 6, 1),
    "an object that takes two slots": (grid_with((0, 0, 2, 12)), 2, 0),
}


@pytest.mark.parametrize(("grid", "slots", "left_out"), BAD.values(), ids=BAD)
def test_grids_beyond_the_slots_are_defined_and_counted(
    vae: ObjectsVAE, grid: Tensor, slots: int, left_out: int | None
) -> None:
    started = time.perf_counter()
    with torch.no_grad():
        mu, logvar, missing, _ = vae.encode(grid[None])
    assert mu.shape == logvar.shape == (1, 66)
    filled = vae.slot_numbers(mu)[0, :, COLOR] > 0
    assert filled.sum() == slots
    assert left_out is None or missing.tolist() == [left_out]
    assert mu.isfinite().all()
    assert logvar.isfinite().all()
    assert drawn(vae, vae.slot_numbers(mu)).shape == (1, 16, 16)
    assert vae.kl(mu, logvar).isfinite().all()
    assert time.perf_counter() - started < 2


@torch.no_grad()
def test_what_is_left_out_is_the_same_in_any_batch(vae: ObjectsVAE) -> None:
    grids = torch.stack([grid for grid, _, _ in BAD.values()])
    together = vae.encode(grids)
    for index, grid in enumerate(grids):
        alone = vae.encode(grid[None])
        assert torch.equal(alone[2], together[2][index : index + 1])
        torch.testing.assert_close(alone[0][0], together[0][index])


def test_half_cells_of_a_centre_tell_the_parity() -> None:
    objects = torch.tensor([[2.0, 3.5], [2.5, 3.0], [0.0, 0.0], [1.5, 1.5]])
    assert parity_of(objects).tolist() == [2 * 1 + 0, 2 * 0 + 1, 3, 0]
