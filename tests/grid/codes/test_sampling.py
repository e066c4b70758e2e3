"""Draws of codes: distributed as they say, and the same for the same seed."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from arcvae.grid.codes.sampling import mixture_codes, normal_codes, posterior_codes, posterior_latents
from arcvae.grid.corpus.generator import generate_grids
from arcvae.grid.models.beta_vae import BetaVAE
from arcvae.grid.models.spatial import SpatialVAE

CPU = torch.device("cpu")


def small(noise: float = -8.0) -> BetaVAE:
    """A model whose posteriors all have the same log-variance."""
    model = BetaVAE(latent_dim=2, widths=[4, 4, 4], hidden=8).eval()
    with torch.no_grad():
        model.encoder.logvar.weight.zero_()  # type: ignore[union-attr, operator]
        model.encoder.logvar.bias.fill_(noise)  # type: ignore[union-attr, operator]
    return model


def corpus(count: int) -> torch.Tensor:
    return torch.from_numpy(generate_grids("atomic", count, seed=0)[0])


def test_normal_codes_are_standard_normal_and_follow_the_seed() -> None:
    z = normal_codes(20_000, 3, seed=0)
    assert z.dtype == np.float32
    np.testing.assert_allclose(z.mean(0), 0, atol=0.03)
    np.testing.assert_allclose(np.cov(z.T), np.eye(3), atol=0.03)
    assert (z == normal_codes(20_000, 3, seed=0)).all()
    assert (z != normal_codes(20_000, 3, seed=1)).any()


def test_posterior_codes_are_those_of_grids_with_their_noise() -> None:
    grids, model = corpus(50), small()
    with torch.no_grad():
        model.encoder.mu.weight *= 10_000  # type: ignore[union-attr, operator, assignment]
        codes = model.encoder(grids)[0].numpy()
    drawn = posterior_codes(model, grids, 4000, seed=0, device=CPU)
    away = drawn[:, None] - codes
    nearest = np.square(away).sum(-1).argmin(1)
    assert set(nearest) == set(range(50))  # every grid is drawn
    noise = np.take_along_axis(away, nearest[:, None, None], 1)
    assert noise.std() == pytest.approx(np.exp(-4), rel=0.05)


def test_latents_are_samples_of_the_posterior_of_every_grid() -> None:
    grids, model = corpus(2500), small(noise=-2.0)  # more than two batches
    with torch.no_grad():
        mu = model.encoder(grids)[0]
    latents = posterior_latents(model, grids, device=CPU, generator=torch.Generator().manual_seed(0))
    assert latents.shape == (2500, 2)
    noise = (latents - mu) / np.exp(-1)
    assert noise.mean().abs().item() < 0.05
    assert noise.std().item() == pytest.approx(1, abs=0.05)
    assert posterior_latents(model, grids[:0], device=CPU, generator=torch.Generator()).shape == (0, 2)


def test_latents_of_packed_codes_are_means_before_rounding() -> None:
    model = SpatialVAE(8, width=4, patch_width=8, digits=4).eval()
    grids = corpus(20)
    latents = posterior_latents(model, grids, device=CPU, generator=torch.Generator())
    encoder, _ = model.latent_networks()
    with torch.no_grad():
        assert torch.equal(latents, encoder(grids)[0])


def test_mixture_codes_follow_the_codes_of_the_corpus() -> None:
    grids, model = corpus(2000), small()
    with torch.no_grad():
        model.encoder.mu.bias += torch.tensor([3.0, -5.0])  # type: ignore[union-attr, operator, assignment]
        mean = model.encoder(grids)[0].mean(0).numpy()
    drawn = mixture_codes(model, grids, 4000, components=4, seed=0, device=CPU)
    assert drawn.dtype == np.float32
    np.testing.assert_allclose(drawn.mean(0), mean, atol=0.05)
    again = mixture_codes(model, grids, 4000, components=4, seed=0, device=CPU)
    assert (drawn == again).all()
    # They come in random order, not by component: halves are alike.
    np.testing.assert_allclose(drawn[:2000].mean(0), drawn[2000:].mean(0), atol=0.05)


def test_more_components_than_grids_are_as_many_as_there_are_grids() -> None:
    assert mixture_codes(small(), corpus(3), 5, components=32, seed=0, device=CPU).shape == (5, 2)


def test_mixture_of_packed_codes_draws_codes() -> None:
    model = SpatialVAE(8, width=4, patch_width=8, digits=4).eval()
    drawn = torch.from_numpy(mixture_codes(model, corpus(100), 10, components=2, seed=0, device=CPU))
    assert drawn.shape == (10, 8)
    torch.testing.assert_close(model.pack(model.latents(drawn)), drawn)
