"""Refined codes: closer to the grids, never further away, and still codes."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from arcvae.grid.codes.refinement import refine
from arcvae.grid.models.packing import BOUND, codes_of_latents, latent_steps, latents_of_codes
from arcvae.grid.models.spatial import SpatialVAE


def colorful(latent_dim: int, digits: int = 1) -> SpatialVAE:
    """An untrained model whose decoder draws something, instead of the background everywhere."""
    torch.manual_seed(0)
    vae = SpatialVAE(latent_dim, width=8, patch_width=16, digits=digits)
    network = vae.decoder if digits == 1 else vae.decoder.latents
    last = network.convolutions[-2]
    with torch.no_grad():
        last.weight.mul_(100)
        last.bias.zero_()
    return vae.eval()


@torch.no_grad()
def cost(vae: SpatialVAE, z: Tensor, grids: Tensor) -> Tensor:
    return nn.functional.cross_entropy(vae.decoder(z), grids.long(), reduction="none").sum((1, 2))


@pytest.mark.parametrize(("latent_dim", "digits", "moves"), [(48, 1, 8), (16, 3, 1)])
def test_codes_that_are_a_few_moves_away_are_found(latent_dim: int, digits: int, moves: int) -> None:
    vae = colorful(latent_dim, digits)
    step, _ = latent_steps(vae.decoder)
    generator = torch.Generator().manual_seed(0)
    right = latents_of_codes(vae.decoder, torch.randn(100, latent_dim, generator=generator))
    with torch.no_grad():
        grids = vae.decoder(codes_of_latents(vae.decoder, right)).argmax(1).to(torch.uint8)
    start = right.clone()
    start[:, 3] += moves * step * right[:, 3].sign().neg()  # inwards, where there is room for packed ones
    start[:, 12] += moves * step * right[:, 12].sign().neg()
    z = codes_of_latents(vae.decoder, start)
    given = z.clone()
    found = refine(vae.decoder, z, grids, 30)
    assert torch.equal(z, given)
    assert (cost(vae, found, grids) <= cost(vae, z, grids) + 1e-3).all()
    with torch.no_grad():
        before, after = ((vae.decoder(codes).argmax(1) != grids).sum().item() for codes in (z, found))
    assert after < before / 4  # with the slope the wrong way up, about as many wrong cells as before


def test_a_round_is_one_move_of_one_latent_that_lowers_the_cost() -> None:
    vae = colorful(16, 3)
    right = latents_of_codes(vae.decoder, torch.randn(50, 16, generator=torch.Generator().manual_seed(0)))
    with torch.no_grad():
        grids = vae.decoder(codes_of_latents(vae.decoder, right)).argmax(1)
    start = right.clone()
    start[:, [2, 9]] -= 0.5 * right[:, [2, 9]].sign()
    z = codes_of_latents(vae.decoder, start)
    found = refine(vae.decoder, z, grids, 1)
    moves = latents_of_codes(vae.decoder, found) - latents_of_codes(vae.decoder, z)
    changed = moves.abs() > 1e-3
    assert changed.sum(1).max().item() == 1
    assert (changed.any(1) == (cost(vae, found, grids) < cost(vae, z, grids))).all()
    torch.testing.assert_close(moves[changed].abs(), torch.full((int(changed.sum()),), 0.5))
    # Most often it is one of the two moves that lead back.
    assert changed[:, [2, 9]].any(1).float().mean().item() > 0.6


def test_codes_of_grids_that_are_right_stay_as_they_are() -> None:
    vae = colorful(16, 2)
    z = torch.randn(5, 16)
    with torch.no_grad():
        grids = vae.decoder(z).argmax(1)
    assert torch.equal(refine(vae.decoder, z, grids, 5), z)  # not even rounded
    assert refine(vae.decoder, z, 9 - grids, 0) is z
    assert refine(vae.decoder, z[:0], grids[:0], 5).shape == (0, 16)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_refining_works_in_inference_mode_and_in_double_precision(dtype: torch.dtype) -> None:
    vae = colorful(16, 8).to(dtype)
    grids = torch.randint(10, (6, 16, 16), dtype=torch.uint8)
    with torch.inference_mode():
        z, _ = vae.encoder(grids)
        found = refine(vae.decoder, z, grids, 2)
    assert found.dtype == dtype
    assert (cost(vae, found, grids) < cost(vae, z, grids)).any()


def test_negative_rounds_are_refused() -> None:
    with pytest.raises(ValueError, match="0 rounds or more, got -1"):
        refine(colorful(16).decoder, torch.zeros(1, 16), torch.zeros(1, 16, 16), -1)


def test_refined_packed_codes_hold_levels_within_bounds() -> None:
    vae = colorful(16, 8)
    grids = torch.randint(10, (20, 16, 16), dtype=torch.uint8)
    with torch.no_grad():
        z, _ = vae.encoder(grids)
    found = refine(vae.decoder, z, grids, 20, batch_size=7)
    assert (cost(vae, found, grids) < cost(vae, z, grids)).all()
    latents = latents_of_codes(vae.decoder, found)
    assert latents.abs().max().item() < BOUND
    levels = (latents + BOUND - 0.25) / 0.5
    torch.testing.assert_close(levels, levels.round(), atol=1e-4, rtol=0)
    # What was searched is what the code says: packing did not change the latents that were kept.
    moves = (latents - latents_of_codes(vae.decoder, z)).abs() / 0.5
    assert moves.sum(1).max().item() <= 20 + 1e-3


def test_parameters_and_gradients_of_the_decoder_are_left_alone() -> None:
    vae = colorful(16)
    before = {name: tensor.clone() for name, tensor in vae.state_dict().items()}
    with torch.no_grad():
        refine(vae.decoder, torch.randn(2, 16), torch.randint(10, (2, 16, 16)), 2)
    assert all(torch.equal(tensor, before[name]) for name, tensor in vae.state_dict().items())
    assert all(p.grad is None for p in vae.parameters())
