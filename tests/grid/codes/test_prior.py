"""Autoregressive priors: probabilities sum to one, draws follow them."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from arcvae.grid.codes.prior import CodePrior
from arcvae.grid.codes.quantization import LatentQuantizer
from arcvae.grid.models.spatial import SpatialVAE

SMALL = LatentQuantizer(groups=2, channels=2, levels=2, bound=2.0, discrete=True)


def packed_model() -> SpatialVAE:
    return SpatialVAE(latent_dim=8, width=8, patch_width=16, digits=4, levels=5)


def prior_of(quantizer: LatentQuantizer, width: int = 8, scale: float = 0.0) -> CodePrior:
    """A small prior; with a scale, one that is far from uniform."""
    prior = CodePrior(quantizer, width=width, layers=1)
    with torch.no_grad():
        for parameter in prior.parameters() if scale else ():
            parameter += scale * torch.randn_like(parameter)
    return prior.eval()


def all_codes(quantizer: LatentQuantizer) -> torch.Tensor:
    """Every code that there is, ``(N, groups, channels)``."""
    length = quantizer.groups * quantizer.channels
    codes = torch.tensor(list(itertools.product(range(quantizer.levels), repeat=length)))
    return codes.view(-1, quantizer.groups, quantizer.channels)


def test_logits_depend_on_earlier_tokens_alone() -> None:
    prior = prior_of(LatentQuantizer.of(packed_model()), scale=0.3)
    tokens = torch.randint(0, 5, (3, 16, 2))
    before = prior(tokens).flatten(1, 2)
    for group, channel in ((0, 0), (0, 1), (7, 0), (15, 1)):
        changed = tokens.clone()
        changed[:, group, channel] = (changed[:, group, channel] + 1) % 5
        differs = ((prior(changed).flatten(1, 2) - before).abs().amax((0, 2)) > 1e-5).tolist()
        position = 2 * group + channel
        assert differs == [False] * (position + 1) + [True] * (31 - position)


def test_probabilities_of_all_codes_sum_to_one() -> None:
    probabilities = prior_of(SMALL, scale=0.5).log_prob(all_codes(SMALL)).exp()
    assert probabilities.sum().item() == pytest.approx(1, abs=1e-5)
    assert probabilities.std() > 0.02  # those of a uniform distribution sum to one too


def test_draws_are_as_frequent_as_the_prior_says() -> None:
    prior = prior_of(SMALL, scale=0.5)
    drawn = prior.sample(40_000, torch.Generator().manual_seed(0)).flatten(1)
    frequency = torch.bincount((drawn * torch.tensor([8, 4, 2, 1])).sum(1), minlength=16) / len(drawn)
    # Four standard errors of the rarest and the most frequent ones: 4 sqrt(.25 / 40000) = .01.
    assert frequency.tolist() == pytest.approx(prior.log_prob(all_codes(SMALL)).exp().tolist(), abs=0.01)


def test_temperature_sharpens_every_choice() -> None:
    quantizer = LatentQuantizer(groups=1, channels=1, levels=3, bound=2.0, discrete=True)
    prior = prior_of(quantizer, scale=0.5)
    log_p = prior.log_prob(all_codes(quantizer))
    drawn = prior.sample(40_000, torch.Generator().manual_seed(0), temperature=0.5).flatten()
    frequency = torch.bincount(drawn, minlength=3) / len(drawn)
    assert frequency.tolist() == pytest.approx((2 * log_p).softmax(0).tolist(), abs=0.01)


def test_probability_is_that_of_the_softmax_of_the_logits() -> None:
    prior = prior_of(LatentQuantizer.of(packed_model()), scale=0.3)
    tokens = torch.randint(0, 5, (3, 16, 2))
    chosen = prior(tokens).log_softmax(3).gather(3, tokens[..., None])[..., 0]
    torch.testing.assert_close(prior.log_prob(tokens), chosen.sum((1, 2)))


def test_the_same_seed_draws_the_same_codes() -> None:
    model = packed_model()
    prior = prior_of(LatentQuantizer.of(model))
    first, again, other = (prior.codes(model, 6, seed) for seed in (0, 0, 1))
    assert first.shape == (6, 8)
    assert (first == again).all()
    assert (first != other).any()


def test_none_one_and_many_codes_can_be_drawn_and_temperature_is_checked() -> None:
    model = packed_model()
    prior = prior_of(LatentQuantizer.of(model))
    for count in (0, 1, 2001):  # more than two batches
        assert prior.codes(model, count, 0).shape == (count, 8)
    for temperature in (1e-9, 0.0, -1.0, math.nan):
        with pytest.raises(ValueError, match=r"temperature must be at least 0\.001"):
            prior.sample(1, torch.Generator(), temperature)
