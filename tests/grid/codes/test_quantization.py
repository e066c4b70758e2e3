"""Tokens of latents: nothing is lost that a code holds, and each group of latents is read together."""

from __future__ import annotations

import math

import pytest
import torch

from arcvae.grid.codes.quantization import LatentQuantizer
from arcvae.grid.models.beta_vae import BetaVAE
from arcvae.grid.models.spatial import SpatialVAE


def packed_model() -> SpatialVAE:
    return SpatialVAE(latent_dim=8, width=8, patch_width=16, digits=4, levels=5)


def test_tokens_of_packed_codes_are_their_digits_and_nothing_is_lost() -> None:
    model = packed_model()
    quantizer = LatentQuantizer.of(model)
    latents = 2 * torch.randn(50, 32)
    z = model.pack(latents)
    tokens = quantizer.tokens(model.latents(z))
    assert tokens.shape == (50, 16, 2)
    assert set(tokens.unique().tolist()) == {0, 1, 2, 3, 4}
    again = model.pack(quantizer.latents(tokens, torch.Generator()))
    assert (again == z).all()


def test_tokens_of_a_patch_are_those_of_its_latents() -> None:
    # Latents are a map of channels: number 16 c + p belongs to patch p. The wrong order is that of a plain view.
    latents = torch.zeros(1, 32)
    latents[0, 16 + 3] = 1.9
    tokens = LatentQuantizer.of(packed_model()).tokens(latents)
    assert (tokens == 4).nonzero().tolist() == [[0, 3, 1]]


def test_bins_of_continuous_latents_are_filled_evenly_and_hold_what_is_far_out() -> None:
    quantizer = LatentQuantizer.of(BetaVAE(latent_dim=2, widths=[4, 4, 4], hidden=8))
    latents = torch.tensor([[0.3, -9.0]]).repeat(2000, 1)
    found = quantizer.latents(quantizer.tokens(latents), torch.Generator().manual_seed(0))
    near = found[:, 0]  # 0.3 lies in the bin from 0.25 to 0.3125
    assert 0.25 <= near.min() <= near.max() <= 0.3125
    assert near.mean().item() == pytest.approx(0.28125, abs=0.002)
    assert near.std().item() == pytest.approx(0.0625 / math.sqrt(12), abs=0.001)
    assert -4 <= found[:, 1].min() <= found[:, 1].max() <= -3.9375


def test_latents_of_a_model_without_packing_are_binned_and_read_by_its_groups() -> None:
    flat = LatentQuantizer.of(BetaVAE(latent_dim=3, widths=[4, 4, 4], hidden=8))
    assert flat == LatentQuantizer(groups=3, channels=1, levels=128, bound=4.0, discrete=False)
    patches = LatentQuantizer.of(SpatialVAE(latent_dim=32, width=8, patch_width=16))
    assert patches == LatentQuantizer(groups=16, channels=2, levels=128, bound=4.0, discrete=False)


@pytest.mark.parametrize("count", [0, 3])
def test_any_number_of_latents_can_be_quantised(count: int) -> None:
    quantizer = LatentQuantizer.of(packed_model())
    tokens = quantizer.tokens(torch.zeros(count, 32))
    assert tokens.shape == (count, 16, 2)
    assert quantizer.latents(tokens, torch.Generator()).shape == (count, 32)
