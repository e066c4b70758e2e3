"""Codes of objects: named numbers that move, recolour and turn things exactly, on grids of any size."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from arcvae.grid.corpus.generator import generate_grids
from arcvae.grid.models.dihedral import turn_code
from arcvae.grid.models.objects import ObjectsVAE
from arcvae.grid.models.slots import COLOR, COLUMN, PLACE, ROW
from tests.grid.models.perfect import codes_of, drawn, perfect_vae

GRIDS = torch.from_numpy(generate_grids("atomic", 40, seed=2)[0])


@pytest.fixture(scope="module")
def vae() -> ObjectsVAE:
    return perfect_vae(GRIDS)


def test_code_draws_the_grid_whatever_the_order_of_its_slots(vae: ObjectsVAE) -> None:
    slots = codes_of(vae, GRIDS)
    assert torch.equal(drawn(vae, slots), GRIDS)
    order = torch.randperm(slots.shape[1], generator=torch.Generator().manual_seed(0))
    assert torch.equal(drawn(vae, slots[:, order]), GRIDS)


def test_adding_one_moves_every_object_by_one_cell(vae: ObjectsVAE) -> None:
    room = torch.zeros(len(GRIDS), 24, 24, dtype=torch.uint8)
    room[:, 4:20, 4:20] = GRIDS
    slots = codes_of(vae, room)
    for down, right in ((1, 0), (0, -1), (-3, 4)):
        moved = slots.clone()
        moved[..., ROW] += down
        moved[..., COLUMN] += right
        moved = torch.where(slots[..., COLOR:PLACE] > 0, moved, slots)
        assert torch.equal(drawn(vae, moved, 24), room.roll((down, right), (1, 2)))


def test_colour_is_a_number_of_its_own(vae: ObjectsVAE) -> None:
    slots = codes_of(vae, GRIDS)
    slots[..., COLOR] = torch.where(slots[..., COLOR] > 0, 10 - slots[..., COLOR], 0)
    assert torch.equal(drawn(vae, slots), torch.where(GRIDS > 0, 10 - GRIDS, 0))


def test_emptied_slot_draws_nothing(vae: ObjectsVAE) -> None:
    slots = codes_of(vae, GRIDS)
    slots[..., COLOR] = 0
    assert not drawn(vae, slots).any()


@torch.no_grad()
def test_masks_of_objects_laid_at_their_corners_are_the_grids(vae: ObjectsVAE) -> None:
    slots = codes_of(vae, GRIDS)
    filled = slots[..., COLOR] > 0
    masks, corners = vae.object_masks(slots[filled])
    laid = torch.zeros_like(GRIDS)
    for (grid, slot), mask, corner in zip(filled.nonzero(), masks, corners, strict=True):
        row, column = (mask.nonzero() + corner).T
        laid[grid, row, column] = slots[grid, slot, COLOR].byte()
    assert torch.equal(laid, GRIDS)


def test_quarter_turn_of_the_code_is_the_quarter_turn_of_the_grid(vae: ObjectsVAE) -> None:
    slots = codes_of(vae, GRIDS)
    turned = slots.clone()
    turned[..., ROW], turned[..., COLUMN] = 15 - slots[..., COLUMN], slots[..., ROW]
    numbers = slots[..., PLACE:].flatten(0, 1)
    turned[..., PLACE:] = turn_code(numbers, torch.ones(len(numbers), dtype=torch.long)).view_as(slots[..., PLACE:])
    turned = torch.where(slots[..., COLOR:PLACE] > 0, turned, slots)
    assert torch.equal(drawn(vae, turned), GRIDS.rot90(1, (1, 2)))


@pytest.mark.parametrize("size", [10, 30])
def test_grids_of_other_sizes_are_encoded_and_drawn(vae: ObjectsVAE, size: int) -> None:
    grids = torch.zeros(len(GRIDS), size, size, dtype=torch.uint8)
    part = min(size, 16)
    grids[:, :part, :part] = GRIDS[:, :part, :part]
    if size > 16:
        assert torch.equal(vae(grids).argmax(1), grids)
    assert vae(grids).shape == (len(GRIDS), 10, size, size)


def test_posterior_draws_move_shapes_alone_and_cost_their_kl(vae: ObjectsVAE) -> None:
    mu, logvar = vae.encoder(GRIDS)
    z = vae.sample_posterior(mu, logvar, torch.randn_like(mu))
    moved = vae.slot_numbers((z != mu).float())
    filled = vae.slot_numbers(mu)[..., COLOR] > 0
    assert not moved[..., :PLACE].any()
    assert moved[filled][:, PLACE:].all()
    assert not moved[~filled].any()


def test_nats_of_a_code_are_those_of_its_choices_and_shapes(vae: ObjectsVAE) -> None:
    mu, logvar = vae.encoder(GRIDS)
    nats = vae.kl(mu, logvar).sum(1)
    slots, log_variances = vae.slot_numbers(mu), vae.slot_numbers(logvar)
    for grid in range(len(GRIDS)):
        objects = [k for k in range(6) if slots[grid, k, COLOR] > 0]
        # 7 numbers of objects, 16 x 16 places and 9 colours each, in any order; and the Gaussians in closed form.
        expected = math.log(7) - math.lgamma(len(objects) + 1) + len(objects) * math.log(31 * 31 * 9)
        for k in objects:
            m, v = slots[grid, k, PLACE:], log_variances[grid, k, PLACE:]
            expected += float(0.5 * (m**2 + v.exp() - 1 - v).sum())
        assert float(nats[grid]) == pytest.approx(expected, rel=1e-4)


def test_mean_log_weight_is_minus_the_kl(vae: ObjectsVAE) -> None:
    mu, logvar = (part[:4].repeat_interleave(4000, 0) for part in vae.encoder(GRIDS))
    noise = torch.randn(mu.shape, generator=torch.Generator().manual_seed(0))
    weight = vae.log_weight(vae.sample_posterior(mu, logvar, noise), logvar, noise).view(4, -1)
    torch.testing.assert_close(-weight.mean(1), vae.kl(mu, logvar).sum(1).view(4, -1)[:, 0], rtol=0.02, atol=0.3)


def test_prior_draws_are_codes_that_decode() -> None:
    vae = ObjectsVAE(width=16)
    codes = vae.sample_prior(200, torch.Generator().manual_seed(0))
    slots = vae.slot_numbers(codes)
    filled = slots[..., COLOR] > 0
    assert set(filled.sum(1).tolist()) == set(range(7))
    assert not slots[~filled].any()
    assert slots[filled][:, PLACE:].std().item() == pytest.approx(1, abs=0.05)
    assert vae.decoder(codes).shape == (200, 10, 16, 16)


def test_fewer_numbers_than_symmetries_are_refused() -> None:
    with pytest.raises(ValueError, match="shape_numbers=7 must be at least 8"):
        ObjectsVAE(shape_numbers=7)


def test_encoding_does_not_depend_on_the_batch(vae: ObjectsVAE) -> None:
    whole = codes_of(vae, GRIDS)
    one_by_one = torch.cat([codes_of(vae, grid[None]) for grid in GRIDS])
    np.testing.assert_allclose(whole.numpy(), one_by_one.numpy(), atol=1e-5)


def test_traversals_move_by_cells_name_each_colour_and_span_the_prior_of_shapes() -> None:
    vae = ObjectsVAE(width=16)
    code = np.arange(66, dtype=np.float32)
    steps = np.linspace(-2.5, 2.5, 9)
    second = 11  # the first number of the second slot
    assert vae.traversal(code, second + ROW, steps).tolist() == [7, 8, 9, 10, 11, 12, 13, 14, 15]
    assert vae.traversal(code, second + COLOR, steps).tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert vae.traversal(code, second + PLACE, steps) is steps
    assert len(vae.kl_names) == 11


def test_way_between_codes_moves_by_cells_and_changes_colour_halfway(vae: ObjectsVAE) -> None:
    slots = codes_of(vae, GRIDS[:1])[0]
    end = slots.flip(0).clone()  # the order means nothing
    filled = end[:, COLOR] > 0
    end[filled, ROW] += 4
    end[filled, COLUMN] -= 2
    shares = torch.linspace(0, 1, 5)
    way = vae.slot_numbers(vae.between(slots.flatten(), end.flatten(), shares))
    assert torch.equal(drawn(vae, way[:1]), drawn(vae, slots[None]))
    assert torch.equal(drawn(vae, way[-1:]), drawn(vae, end[None]))
    for step, between in enumerate(way):
        here = between[between[:, COLOR] > 0]
        start = slots[slots[:, COLOR] > 0]
        for code in here:
            origin = start[torch.cdist(code[None, COLOR:], start[:, COLOR:]).argmin()]
            assert code[ROW] - origin[ROW] == step
            assert (code[COLUMN] - origin[COLUMN]).item() in (-(step // 2), -((step + 1) // 2))


def test_objects_without_a_partner_come_and_go_where_they_are(vae: ObjectsVAE) -> None:
    slots = codes_of(vae, GRIDS)
    many = slots[(slots[..., COLOR] > 0).sum(1) >= 3][0]
    fewer = many.clone()
    fewer[1] = 0
    way = vae.slot_numbers(vae.between(many.flatten(), fewer.flatten(), torch.linspace(0, 1, 5)))
    for index, code in enumerate((many, many, fewer, fewer, fewer)):
        assert torch.equal(drawn(vae, way[index : index + 1]), drawn(vae, code[None]))
    back = vae.slot_numbers(vae.between(fewer.flatten(), many.flatten(), torch.tensor([0.25, 0.75])))
    assert torch.equal(drawn(vae, back[1:]), drawn(vae, many[None]))
    assert torch.equal(drawn(vae, back[:1]), drawn(vae, fewer[None]))


@pytest.mark.parametrize("colors", [(1, 2), (3, 3)])
def test_places_of_another_parity_are_reached_without_half_cells(vae: ObjectsVAE, colors: tuple[int, int]) -> None:
    first, second = torch.zeros(2, vae.slots, PLACE + vae.shape_numbers)
    first[0, :3], second[0, :3] = torch.tensor([2.0, 3.5, colors[0]]), torch.tensor([6.5, 3.0, colors[1]])
    way = vae.slot_numbers(vae.between(first.flatten(), second.flatten(), torch.linspace(0, 1, 11)))[:, 0]
    assert way[:, COLOR].tolist() == [colors[0]] * 5 + [colors[1]] * 6
    assert (way[:5, ROW] % 1 == 0).all()
    assert (way[5:, ROW] % 1 == 0.5).all()
    assert (way[1:, ROW] >= way[:-1, ROW]).all()


def test_a_share_of_the_objects_is_drawn_from_the_mean_in_training() -> None:
    vae, mu = ObjectsVAE(width=8, mean_share=0.25), torch.zeros(500, 66)
    torch.manual_seed(0)
    noise = vae.slot_numbers(vae.training_noise(mu))
    silent = (noise == 0).all(2)
    assert silent.float().mean().item() == pytest.approx(0.25, abs=0.03)
    assert noise[~silent].std().item() == pytest.approx(1, abs=0.02)
    none = ObjectsVAE(width=8, mean_share=0)
    torch.manual_seed(0)
    drawn = none.training_noise(mu)
    torch.manual_seed(0)
    assert torch.equal(drawn, torch.randn_like(mu))
