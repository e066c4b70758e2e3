"""Several latents in one number: nothing lost but the rounding, and the prior stays the prior."""

from __future__ import annotations

import math

import pytest
import torch
from scipy.stats import kstest, norm
from torch import Tensor, nn

from arcvae.grid.elbo import gaussian_kl
from arcvae.grid.packing import PackedDecoder, PackedEncoder, networks_of_latents, pack, packed_logvar, unpack
from arcvae.grid.spatial import SpatialVAE

STEP = 0.1


def latents(count: int, digits: int, size: int = 10) -> Tensor:
    return torch.randn(count, digits, size, generator=torch.Generator().manual_seed(0))


def test_two_digits_equal_the_formula_worked_by_hand() -> None:
    # 0.52 rounds to 0.5; all of 1.3 lies at Phi(1.3) = 0.9032 of the way from 0.45 to 0.55.
    z = pack(torch.tensor([[[0.52, -0.52], [1.3, 0.0]]]), STEP)
    torch.testing.assert_close(z, torch.tensor([[0.45 + 0.1 * norm.cdf(1.3), -0.5]], dtype=torch.float32))


def test_one_digit_is_the_latent_itself() -> None:
    one = latents(3, 1)
    z = pack(one, STEP)
    assert torch.equal(z, one[:, 0])
    assert torch.equal(unpack(z, 1, STEP), one)


@pytest.mark.parametrize(
    ("digits", "step", "kept", "rounding"),
    [(2, 0.1, 0.997, 1e-5), (3, 0.1, 0.997, 5e-4), (6, 0.3, 0.997, 0.1), (8, 0.5, 0.98, 0.6)],
)
def test_unpacking_gives_back_what_was_packed(digits: int, step: float, kept: float, rounding: float) -> None:
    packed = latents(5000, digits)
    z = pack(packed, step)
    assert z.shape == (5000, 10)
    assert z.dtype == torch.float32
    found = unpack(z, digits, step)
    assert (found[:, :-1] - packed[:, :-1]).abs().le(step / 2 + 1e-2).float().mean().item() > kept
    # The last is not rounded, but float32 runs out of places for it, most of all far from the middle.
    assert (found[:, -1] - packed[:, -1]).abs().flatten().quantile(0.9).item() < rounding


@pytest.mark.parametrize("digits", [2, 3])
def test_codes_of_the_prior_are_latents_of_the_prior_and_back(digits: int) -> None:
    # Were the fine digit uniform, or the interval too wide, samples from N(0, I) would decode to something else.
    z = pack(latents(20_000, digits, 1), STEP)
    assert kstest(z.flatten(), "norm").statistic < 0.02
    drawn = torch.randn(20_000, 1, generator=torch.Generator().manual_seed(1))
    found = unpack(drawn, digits, STEP)
    assert kstest(found[:, -1].flatten(), "norm").statistic < 0.02
    first, last = found[:, 0].flatten(), found[:, -1].flatten()
    assert abs(torch.corrcoef(torch.stack([first, last]))[0, 1].item()) < 0.05  # of the order of the step


@pytest.mark.parametrize("z", [-50.0, 50.0, 0.05, -0.05])
def test_any_finite_code_can_be_unpacked(z: float) -> None:
    assert torch.isfinite(unpack(torch.full((1, 2), z), 3, STEP)).all()


@pytest.mark.parametrize("digits", [2, 3])
def test_log_variance_is_that_of_the_derivative(digits: int) -> None:
    packed = latents(20, digits).double()
    logvar = torch.full((20, 10), math.log(0.2**2), dtype=torch.float64)
    moved = packed.clone()
    moved[:, -1] += 1e-4
    slope = (pack(moved, STEP) - pack(packed, STEP)) / 1e-4
    central = packed[:, 1:].abs().amax(1) < 3  # beyond, the margin flattens the slope
    expected = (slope * 0.2).log() * 2
    torch.testing.assert_close(packed_logvar(packed, logvar, STEP)[central], expected[central], rtol=1e-3, atol=1e-2)


def test_rate_of_a_code_counts_every_digit() -> None:
    # A first digit of step 0.1 costs -log(0.1) - log phi; noise of the last adds to it. A code that hid its second
    # latent for free would report the 2.3 nats of one.
    packed = latents(4000, 2)
    logvar = torch.full((4000, 10), 2 * math.log(0.1))
    rate = gaussian_kl(pack(packed, STEP), packed_logvar(packed, logvar, STEP)).mean().item()
    last = gaussian_kl(packed[:, 1], logvar).mean().item()
    entropy_of_first = 0.5 * math.log(2 * math.pi * math.e) - math.log(STEP)
    assert rate == pytest.approx(last + entropy_of_first, abs=0.1)


def test_packed_model_trains_the_networks_inside_and_shows_codes_of_its_size() -> None:
    vae = SpatialVAE(8, width=4, patch_width=8, digits=2)
    assert isinstance(vae.encoder, PackedEncoder)
    assert isinstance(vae.decoder, PackedDecoder)
    grids = torch.randint(10, (3, 16, 16), generator=torch.Generator().manual_seed(0))
    encoder, decoder = networks_of_latents(vae.encoder, vae.decoder)
    mu, _ = encoder(grids)
    code, logvar = vae.encoder(grids)
    assert mu.shape == (3, 16)
    assert code.shape == logvar.shape == (3, 8)
    rounded = mu.clone()
    rounded[:, :8] = (mu[:, :8] / vae.encoder.step).round() * vae.encoder.step
    torch.testing.assert_close(vae.decoder(code), decoder(rounded), rtol=1e-3, atol=1e-4)
    plain = nn.Identity(), nn.Identity()
    assert networks_of_latents(*plain) == plain
