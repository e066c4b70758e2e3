"""Several latents in one number: nothing lost but the rounding, and the prior stays the prior."""

from __future__ import annotations

import math

import pytest
import torch
from scipy.stats import kstest, norm
from torch import Tensor

from arcvae.grid.elbo import gaussian_kl
from arcvae.grid.models.packing import (
    BOUND,
    PackedDecoder,
    PackedEncoder,
    bounded,
    level_of,
    middle_of,
    pack,
    packed_logvar,
    unpack,
)
from arcvae.grid.models.spatial import SpatialVAE
from arcvae.grid.settings import MAX_CODES

FITTING = [(1, 8), (8, 8), (24, 2), (15, 3), (2, 4096)]
"""Digits and levels, up to what float32 holds."""


def latents(count: int, digits: int, size: int = 10) -> Tensor:
    """Uniform over the range of packed latents."""
    return BOUND * (2 * torch.rand(count, digits, size, generator=torch.Generator().manual_seed(0)) - 1)


def test_two_digits_equal_the_formula_worked_by_hand() -> None:
    # Levels of 4 are 1 wide, from -2: 0.52 is digit 2, -1.3 digit 0. The middle of 2 0 in base 4 is (8 + 1/2) / 16.
    z = pack(torch.tensor([[[0.52, -9.0], [-1.3, 9.0]]]), 4)
    expected = torch.tensor([[norm.ppf(8.5 / 16), norm.ppf(3.5 / 16)]], dtype=torch.float32)
    torch.testing.assert_close(z, expected)
    torch.testing.assert_close(unpack(z, 2, 4), torch.tensor([[[0.5, -1.5], [-1.5, 1.5]]]))


@pytest.mark.parametrize(("digits", "levels"), FITTING)
def test_unpacking_gives_back_every_level(digits: int, levels: int) -> None:
    packed = latents(20_000, digits)
    z = pack(packed, levels)
    assert z.shape == (20_000, 10)
    assert z.dtype == torch.float32
    found = unpack(z, digits, levels)
    assert (found - packed).abs().max().item() <= BOUND / levels + 1e-6
    assert torch.equal(pack(found, levels), z)


def test_float32_tells_all_codes_apart() -> None:
    # Every seventh: a margin too small somewhere between the middle and the tails would lose digits there.
    code = torch.arange(0, MAX_CODES, 7, dtype=torch.float64)
    z = torch.special.ndtri((code + 0.5) / MAX_CODES).float()
    values = 8 ** torch.arange(7, -1, -1)
    levels = ((unpack(z[:, None], 8, 8)[..., 0].double() + BOUND) * 2).floor().long()  # (M, 8)
    assert torch.equal((levels * values).sum(1), code.long())


@pytest.mark.parametrize(("digits", "levels"), [(1, 64), (3, 8), (8, 8)])
def test_codes_of_uniform_latents_are_the_prior_and_back(digits: int, levels: int) -> None:
    # Were the digits written in a wrong base, samples from N(0, I) would decode to something else.
    z = pack(latents(20_000, digits, 1), levels)
    assert kstest(z.flatten(), "norm").statistic < 0.02
    drawn = torch.randn(20_000, 1, generator=torch.Generator().manual_seed(1))
    found = unpack(drawn, digits, levels)[..., 0]  # (M, K)
    for digit in found.T:
        shares = torch.unique(digit, return_counts=True)[1] / len(drawn)
        torch.testing.assert_close(shares, torch.full((levels,), 1 / levels), atol=0.02, rtol=0)
    if digits > 1:
        assert torch.corrcoef(found.T).fill_diagonal_(0).abs().max().item() < 0.03


@pytest.mark.parametrize("z", [-50.0, 50.0, 0.0])
def test_any_finite_code_can_be_unpacked(z: float) -> None:
    assert unpack(torch.full((1, 2), z), 8, 8).abs().max().item() < BOUND


def test_log_variance_is_that_of_the_codes_with_the_same_digits() -> None:
    digits, levels = 3, 4
    packed = latents(50, digits)
    z = pack(packed, levels)
    inside = torch.special.ndtr(z.double())[..., None] + (torch.rand(1000, dtype=torch.float64) - 0.5) / levels**digits
    same = torch.special.ndtri(inside)  # (50, 10, 1000) codes, spread evenly over the cell in probability
    central = z.abs() < 1.5  # further out a bin is too wide to be taken as linear
    torch.testing.assert_close(
        same.var(-1).log()[central], packed_logvar(z, digits, levels).double()[central], atol=0.15, rtol=0
    )


def test_rate_of_a_code_is_that_of_all_its_digits() -> None:
    # A code that hid some of its digits for free would report less than log 8^8 = 16.6 nats a number.
    z = pack(latents(100, 8), 8)
    rate = gaussian_kl(z, packed_logvar(z, 8, 8))
    expected = 8 * math.log(8) + (math.log(12) - 1 - math.log(2 * math.pi)) / 2
    torch.testing.assert_close(rate, torch.full_like(rate, expected), atol=1e-3, rtol=0)


def test_bounded_latents_keep_their_order_and_small_ones_their_value() -> None:
    y = torch.linspace(-6, 6, 101)
    squeezed = bounded(y)
    assert (squeezed.diff() > 0).all()
    assert squeezed.abs().max().item() < BOUND
    torch.testing.assert_close(bounded(torch.tensor(0.1)), torch.tensor(0.1), atol=1e-3, rtol=0)


def test_more_digits_than_float32_holds_are_refused() -> None:
    with pytest.raises(ValueError, match=r"digits=9 with levels=8 make 8\^9 codes .* lower one of them"):
        SpatialVAE(16, digits=9, levels=8)
    with pytest.raises(ValueError, match="2 levels at least, got levels=1"):
        SpatialVAE(16, digits=2, levels=1)


def test_codes_survive_half_precision() -> None:
    vae = SpatialVAE(16, width=4, patch_width=8, digits=8)
    grids = torch.randint(10, (3, 16, 16), generator=torch.Generator().manual_seed(0))
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        z, logvar = vae.encoder(grids)
        latents, _ = vae.encoder.latents(grids)
    assert z.dtype == logvar.dtype == torch.float32
    found = unpack(z, 8, 8).flatten(1)
    assert (found - latents.float()).abs().max().item() <= 0.25 + 1e-2


def test_packed_model_trains_the_wrapped_networks_and_gives_codes_of_its_size() -> None:
    vae = SpatialVAE(8, width=4, patch_width=8, digits=2)
    assert isinstance(vae.encoder, PackedEncoder)
    assert isinstance(vae.decoder, PackedDecoder)
    grids = torch.randint(10, (3, 16, 16), generator=torch.Generator().manual_seed(0))
    encoder, decoder = vae.latent_networks()
    mu, noise = encoder(grids)
    code, logvar = vae.encoder(grids)
    assert mu.shape == (3, 16)
    assert code.shape == logvar.shape == (3, 8)
    assert mu.abs().max().item() < BOUND
    # Trained with as much noise as the rounding to levels of width 1/2 adds.
    torch.testing.assert_close(noise.exp(), torch.full_like(mu, 0.5**2 / 12))
    torch.testing.assert_close(vae.decoder(code), decoder(((mu + BOUND) * 2).floor() / 2 + 0.25 - BOUND))


def test_levels_are_the_bins_between_the_bounds() -> None:
    latents = torch.tensor([-9.0, -2.0, -1.51, -1.49, 0.0, 1.99, 2.0, 9.0])
    assert level_of(latents, 8).tolist() == [0, 0, 0, 1, 4, 7, 7, 7]
    assert level_of(latents, 2, bound=4.0).tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert middle_of(torch.arange(4), 4).tolist() == [-1.5, -0.5, 0.5, 1.5]
    every = torch.arange(128)
    assert torch.equal(level_of(middle_of(every, 128, 4.0), 128, 4.0), every.float())
