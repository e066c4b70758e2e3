"""The importance-weighted bound against a likelihood that can be computed exactly."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from arcvae.grid.analysis.likelihood import bits_per_cell, independent_bits, log_likelihoods
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


def bound(mean: float, deviation: float, samples: int, slope: float = 3.0, color: int = 1) -> Tensor:
    grids = torch.full((400, 1, 1), color, dtype=torch.uint8)
    generator = torch.Generator().manual_seed(0)
    return log_likelihoods(
        Encoder(mean, deviation), Decoder(slope), grids, samples=samples, priors=[(PRIOR, 0.0)], generator=generator
    )[0]


def test_bound_is_exact_when_the_posterior_is_the_prior_and_the_code_says_nothing() -> None:
    torch.testing.assert_close(bound(0.0, 1.0, 5, slope=0.0), torch.full((400,), math.log(0.5)).double())


def test_bound_converges_to_the_integral_from_below() -> None:
    # p(x = 1) = integral of sigmoid(3 z) N(z; 0, 1) dz = 1/2 by symmetry, whatever the posterior is.
    exact = math.log(0.5)
    means = [bound(-0.5, 0.8, samples).mean().item() for samples in (1, 10, 1000)]
    assert means[0] < means[1] < means[2]
    assert means[2] == pytest.approx(exact, abs=0.01)
    assert means[0] < exact - 0.05


def test_prior_correction_changes_the_likelihood_of_the_cells() -> None:
    grids = torch.zeros(3, 1, 1, dtype=torch.uint8)
    prior = log_prior([3, 1])
    found = log_likelihoods(
        Encoder(0.0, 1.0), Decoder(0.0), grids, samples=2, priors=[(prior, 0.0), (prior, 1.0)],
        generator=torch.Generator(),
    )  # fmt: skip
    torch.testing.assert_close(found[:, 0], torch.tensor([0.5, 0.75]).double().log())


def test_bits_of_independent_cells_are_their_entropy() -> None:
    assert independent_bits([6, 2], [6, 2]) == pytest.approx(0.8113, abs=1e-4)
    assert independent_bits([1, 1], [8, 0]) == 1


def test_bits_per_cell_and_their_standard_error() -> None:
    bits, error = bits_per_cell(torch.tensor([-4.0, -8.0]) * math.log(2), 4)
    assert bits == pytest.approx(1.5)
    assert error == pytest.approx(0.5)  # standard deviation of (1, 2) is 0.7071, over the root of 2
