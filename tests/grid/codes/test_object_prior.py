"""Priors of objects: probabilities by an oracle, and draws that look like the corpus."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.distributions import Normal

import arcvae
from arcvae.grid.analysis.validity import Reference
from arcvae.grid.codes.object_prior import ObjectPrior
from arcvae.grid.codes.sampling import fitted_object_prior
from arcvae.grid.corpus.generator import generate_grids
from arcvae.grid.models.beta_vae import BetaVAE
from arcvae.grid.models.dihedral import INVERSE, ORDER, turn_code
from arcvae.grid.models.objects import ObjectsVAE
from arcvae.grid.models.slots import COLOR, PLACE
from tests.elsewhere import elsewhere
from tests.grid.models.perfect import perfect_vae

GRIDS = torch.from_numpy(generate_grids("atomic", 300, seed=8)[0])


@pytest.fixture(scope="module")
def vae() -> ObjectsVAE:
    return perfect_vae(GRIDS)


@pytest.fixture(scope="module")
def prior(vae: ObjectsVAE) -> ObjectPrior:
    return fitted_object_prior(vae, GRIDS, components=20, seed=0, device=torch.device("cpu"))


@torch.no_grad()
def codes_of(vae: ObjectsVAE, grids: Tensor) -> Tensor:
    """Samples of the posteriors: in the means of symmetric shapes, several numbers are the largest."""
    mu, logvar = vae.encoder(grids)
    return vae.sample_posterior(mu, logvar, torch.randn(mu.shape, generator=torch.Generator().manual_seed(0)))


def log_shape(prior: ObjectPrior, vae: ObjectsVAE, shape: Tensor, parity: int) -> float:
    """The density of a shape and its parity class, Gaussian by Gaussian and turn by turn."""
    total = 0.0
    for g in range(ORDER):  # the symmetry that made the shape from its upright version
        upright = turn_code(shape[None], INVERSE[torch.tensor([g])])[0]
        if upright[:ORDER].argmax() != 0:
            continue
        before = int(vae.frame.parity[parity, INVERSE[g]])
        for k in range(len(prior.weights)):
            density = Normal(prior.means[k], prior.variances[k].sqrt()).log_prob(upright).sum()
            total += math.exp(prior.weights[k] + density + prior.kinds[k, before, g])
    return math.log(total)


def log_place(vae: ObjectsVAE, code: Tensor) -> float:
    """The places that an object can have on the grid, counted by moving it about a larger one."""
    slots = torch.zeros(1, vae.slots, len(code))
    slots[0, 0] = code
    slots[0, 0, :2] += 20
    large = vae.draw(slots.flatten(1), 60, 60).argmax(1)[0].numpy()
    rows, columns = np.nonzero(large)
    size = vae.grid_size
    positions = (size - np.ptp(rows)) * (size - np.ptp(columns))
    inside = min(rows.min(), columns.min()) >= 20 and max(rows.max(), columns.max()) < 20 + size
    return math.log(0.99 * inside / positions + 0.01 / size**2)


def test_log_probability_is_that_of_an_oracle(vae: ObjectsVAE, prior: ObjectPrior) -> None:
    codes = codes_of(vae, GRIDS[:30])
    expected = []
    for slots in vae.slot_numbers(codes):
        filled = slots[slots[:, COLOR] > 0]
        total = float(prior.numbers[len(filled)]) + math.lgamma(len(filled) + 1)
        for code in filled:
            parity = 2 * (code[0] % 1 == 0).int() + (code[1] % 1 == 0).int()
            total += log_shape(prior, vae, code[PLACE:], int(parity)) + log_place(vae, code)
            total += float(prior.colors[int(code[COLOR]) - 1])
        expected.append(total)
    assert prior.log_prob(vae, codes).tolist() == pytest.approx(expected, rel=1e-3)
    moved = codes.clone()
    moved[:, 0] += 20  # far outside
    loss = prior.log_prob(vae, codes) - prior.log_prob(vae, moved)
    assert loss.min() >= 0
    assert loss.mean() > 2


def test_counted_shares_are_those_of_the_corpus(vae: ObjectsVAE, prior: ObjectPrior) -> None:
    slots = vae.slot_numbers(codes_of(vae, GRIDS))
    filled = slots[..., COLOR] > 0
    numbers = np.bincount(filled.sum(1), minlength=7) + 1
    colors = np.bincount(slots[filled][:, COLOR].int(), minlength=10)[1:] + 1
    assert prior.numbers.exp().tolist() == pytest.approx((numbers / numbers.sum()).tolist(), rel=1e-4)
    assert prior.colors.exp().tolist() == pytest.approx((colors / colors.sum()).tolist(), rel=1e-4)
    for table in (prior.weights[None], prior.kinds.flatten(1)):
        assert table.exp().sum(1).tolist() == pytest.approx([1.0] * len(table), abs=1e-4)


@torch.no_grad()
def test_codes_of_other_grids_are_likelier_than_under_the_prior_of_the_model(vae: ObjectsVAE) -> None:
    prior = fitted_object_prior(vae, GRIDS, components=1, seed=0, device=torch.device("cpu"))
    grids = torch.from_numpy(generate_grids("atomic", 200, seed=9)[0])
    codes, (_, logvar) = codes_of(vae, grids), vae.encoder(grids)
    noise = torch.randn(codes.shape, generator=torch.Generator().manual_seed(0))
    gain = prior.log_weight(vae, codes, logvar, noise) - vae.log_weight(codes, logvar, noise)
    assert gain.mean() > 10


@pytest.mark.slow
def test_draws_look_like_the_corpus(vae: ObjectsVAE, prior: ObjectPrior) -> None:
    codes = prior.codes(vae, 2000, seed=3)
    slots = vae.slot_numbers(codes)
    filled = slots[..., COLOR] > 0
    numbers = torch.bincount(filled.sum(1), minlength=7) / 2000
    assert numbers.tolist() == pytest.approx(prior.numbers.exp().tolist(), abs=0.045)  # four standard errors
    grids = vae.draw(codes, 16, 16).argmax(1).to(torch.uint8).numpy()
    cells = np.zeros(len(grids), dtype=int)
    for slot in range(vae.slots):
        alone = torch.zeros_like(slots)
        alone[:, 0] = slots[:, slot]
        cells += (vae.draw(alone.flatten(1), 16, 16).argmax(1) > 0).flatten(1).sum(1).numpy()
    assert (cells == (grids > 0).sum((1, 2))).all()  # nothing overlaps
    scores = Reference.of(GRIDS.numpy()).score(grids)
    assert scores["valid"] > 0.9
    assert max(scores["objects_js"], scores["colors_js"]) < 0.1


def test_the_same_seed_draws_the_same_codes_and_temperature_narrows_them(vae: ObjectsVAE, prior: ObjectPrior) -> None:
    first, again, other = (prior.codes(vae, 20, seed) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    turned = torch.stack([turn_code(prior.means, torch.full((len(prior.means),), g)) for g in range(ORDER)])
    spread = []  # about the mean of the nearest Gaussian
    for temperature in (1.0, 1e-3):
        slots = vae.slot_numbers(prior.codes(vae, 50, 0, temperature=temperature))
        shapes = slots[slots[..., COLOR] > 0][:, PLACE:]
        spread.append(torch.cdist(shapes, turned.flatten(0, 1)).amin(1).mean().item())
    assert spread[1] == pytest.approx(spread[0] * 1e-3**0.5, rel=0.2)  # of a standard deviation


@pytest.mark.parametrize("temperature", [0.0, -1.0, 9e-4, float("nan")])
def test_temperature_has_the_bound_of_the_other_prior(vae: ObjectsVAE, prior: ObjectPrior, temperature: float) -> None:
    with pytest.raises(ValueError, match=r"temperature must be at least 0\.001, got"):
        prior.codes(vae, 1, 0, temperature)


def test_draws_are_the_same_wherever_the_model_is() -> None:
    codec = arcvae.load("atomic-objects")
    prior, model = codec.code_prior, codec.model
    assert isinstance(prior, ObjectPrior)
    here = prior.codes(model, 6, 3)
    assert (model.slot_numbers(here)[..., COLOR] > 0).sum() > 6
    with elsewhere() as device:
        assert torch.equal(prior.to(device).codes(model.to(device), 6, 3), here)


def test_other_models_are_refused(prior: ObjectPrior) -> None:
    with pytest.raises(TypeError, match="a BetaVAE has no codes of objects"):
        prior.codes(BetaVAE(latent_dim=3), 1, 0)
