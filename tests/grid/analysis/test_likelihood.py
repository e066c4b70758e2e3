"""The importance-weighted bound against a likelihood that can be computed exactly."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from arcvae.grid.analysis.likelihood import bits_per_cell, independent_bits, log_likelihoods
from arcvae.grid.models.base import GridModel
from arcvae.grid.models.beta_vae import BetaVAE
from arcvae.imbalance.logit_adjustment import log_prior

PRIOR = log_prior([1, 1])


class Encoder(nn.Module):
    """The same posterior N(m, s^2) for every grid."""

    def __init__(self, mean: float, deviation: float) -> None:
        super().__init__()
        self.mean, self.logvar = mean, 2 * math.log(deviation)

    def forward(self, grids: Tensor) -> tuple[Tensor, Tensor]:
        return torch.full((len(grids), 1), self.mean), torch.full((len(grids), 1), self.logvar)


class Decoder(nn.Module):
    """One cell of two colours; the logit of colour 1 is ``slope * z``."""

    def __init__(self, slope: float) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(slope))

    def forward(self, z: Tensor) -> Tensor:
        logit = self.slope * z[:, 0]
        return torch.stack([torch.zeros_like(logit), logit], 1)[:, :, None, None]


class OneCell(GridModel):
    """A model of grids of one cell."""

    def __init__(self, mean: float = 0.0, deviation: float = 1.0, slope: float = 3.0) -> None:
        super().__init__(latent_dim=1, num_colors=2, grid_size=1)
        self.encoder, self.decoder = Encoder(mean, deviation), Decoder(slope)


class Shifted(OneCell):
    """The same with the prior N(1, 1)."""

    def log_weight(self, z: Tensor, logvar: Tensor, noise: Tensor) -> Tensor:
        """See the base class: ``log N(z; 1, 1) - log N(z; 0, 1) = z - 1/2``."""
        return super().log_weight(z, logvar, noise) + (z - 0.5).sum(1)


def bound(model: GridModel, samples: int, color: int = 1) -> Tensor:
    grids = torch.full((400, 1, 1), color, dtype=torch.uint8)
    generator = torch.Generator().manual_seed(0)
    return log_likelihoods(model, grids, samples=samples, adjustments=[(PRIOR, 0.0)], generator=generator)[0]


def test_bound_is_exact_when_the_posterior_is_the_prior_and_the_code_says_nothing() -> None:
    torch.testing.assert_close(bound(OneCell(slope=0.0), 5), torch.full((400,), math.log(0.5)).double())


def test_bound_converges_to_the_integral_from_below() -> None:
    # p(x = 1) = integral of sigmoid(3 z) N(z; 0, 1) dz = 1/2 by symmetry, whatever the posterior is.
    exact = math.log(0.5)
    means = [bound(OneCell(-0.5, 0.8), samples).mean().item() for samples in (1, 10, 1000)]
    assert means[0] < means[1] < means[2]
    assert means[2] == pytest.approx(exact, abs=0.01)
    assert means[0] < exact - 0.05


def test_bound_is_that_of_the_prior_that_the_model_has() -> None:
    # p(x = 1) = integral of sigmoid(3 z) N(z; 1, 1) dz, by a sum over a fine grid; under N(0, 1) it would be 1/2.
    z = torch.linspace(-9, 11, 20_001, dtype=torch.float64)
    exact = (torch.sigmoid(3 * z) * torch.distributions.Normal(1.0, 1.0).log_prob(z).exp()).sum().item() * 0.001
    assert exact > 0.8
    assert bound(Shifted(0.5, 1.2), 1000).mean().item() == pytest.approx(math.log(exact), abs=0.01)


def test_ignored_cells_have_no_part_in_the_likelihood() -> None:
    # The same bound as of a decoder that draws the counted cells alone.
    model = BetaVAE(latent_dim=3, widths=[4, 4, 4], hidden=8).eval()
    grids = torch.randint(10, (30, 16, 16), dtype=torch.uint8)
    grids[:, 9:] = 255
    adjustments = [(log_prior(range(1, 11)), 0.0), (log_prior(range(1, 11)), 0.5)]
    options = {"samples": 4, "adjustments": adjustments, "batch_size": 50}
    found = log_likelihoods(model, grids, generator=torch.Generator().manual_seed(0), ignore_index=255, **options)
    mu, logvar = (part.repeat_interleave(4, 0) for part in model.encoder(grids))
    generator = torch.Generator().manual_seed(0)
    noise = torch.cat([torch.randn(size, 3, generator=generator) for size in (48, 48, 24)])
    z = model.sample_posterior(mu, logvar, noise)
    for (prior, tau), row in zip(adjustments, found, strict=True):
        logits = (model.decoder(z) + tau * prior[:, None, None])[:, :, :9]
        target = grids[:, :9].long().repeat_interleave(4, 0)
        cells = -nn.functional.cross_entropy(logits, target, reduction="none").flatten(1).double().sum(1)
        weights = (cells + model.log_weight(z, logvar, noise)).view(30, 4)
        torch.testing.assert_close(row, weights.logsumexp(1) - math.log(4), atol=1e-3, rtol=1e-5)


def test_logit_adjustment_changes_the_likelihood_of_the_cells() -> None:
    grids = torch.zeros(3, 1, 1, dtype=torch.uint8)
    prior = log_prior([3, 1])
    found = log_likelihoods(
        OneCell(slope=0.0), grids, samples=2, adjustments=[(prior, 0.0), (prior, 1.0)], generator=torch.Generator()
    )
    torch.testing.assert_close(found[:, 0], torch.tensor([0.5, 0.75]).double().log())


def test_bits_of_independent_cells_are_their_entropy() -> None:
    assert independent_bits([6, 2], [6, 2]) == pytest.approx(0.8113, abs=1e-4)
    assert independent_bits([1, 1], [8, 0]) == 1


def test_bits_per_cell_and_their_standard_error() -> None:
    bits, error = bits_per_cell(torch.tensor([-4.0, -8.0]) * math.log(2), 4)
    assert bits == pytest.approx(1.5)
    assert error == pytest.approx(0.5)  # standard deviation of (1, 2) is 0.7071, over the root of 2


def test_bits_of_grids_with_different_numbers_of_cells_are_the_ratio_of_the_totals() -> None:
    # 4 bits for 4 cells and 3 for 1: 7 / 5 of a bit, where the mean of the ratios would be 2.
    log_likelihood, cells = torch.tensor([-4.0, -3.0]) * math.log(2), torch.tensor([4, 1])
    bits, error = bits_per_cell(log_likelihood, cells)
    assert bits == pytest.approx(1.4)
    # Residuals 4 - 1.4 * 4 = -1.6 and 3 - 1.4 = 1.6 over the mean of 2.5 cells: -.64 and .64, deviation .905.
    assert error == pytest.approx(0.905 / math.sqrt(2), abs=1e-3)
    same = torch.randn(50).double() * 20 - 100
    assert bits_per_cell(same, torch.full((50,), 256)) == bits_per_cell(same, 256)
