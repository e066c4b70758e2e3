"""What every model of grids owes to the rest of the package, checked for each file of conf/model."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Normal

from arcvae.grid.corpus.generator import generate_grids
from arcvae.grid.models.base import GridModel

Make = Callable[[], GridModel]


def grids(count: int = 4) -> Tensor:
    return torch.randint(10, (count, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_codes_and_logits_have_the_sizes_that_the_model_names(make_model: Make) -> None:
    model = make_model()
    mu, logvar = model.encoder(grids())
    assert mu.shape == logvar.shape == (4, model.latent_dim)
    logits = model(grids())
    assert logits.shape == (4, model.num_colors, model.grid_size, model.grid_size)
    assert torch.equal(logits, model.decoder(mu))
    assert model.accepts(16, 16)
    assert model.accepts(16, 15) is (model.slots is not None)  # objects have no size of grid


def test_latents_hold_what_a_code_holds(make_model: Make) -> None:
    # Latents in another order than the digits would still have the right shape.
    model = make_model().eval()
    with torch.no_grad():
        z = model.sample_prior(50, torch.Generator().manual_seed(0))
        latents = model.latents(z)
        _, decoder = model.latent_networks()
        assert latents.shape == (50, model.num_latents)
        assert torch.equal(decoder(latents), model.decoder(z))
        torch.testing.assert_close(model.latents(model.pack(latents)), latents)
    assert model.num_latents == model.digits * model.latent_dim
    assert model.num_latents % model.latent_groups == 0
    assert model.pack(latents[:0]).shape == (0, model.latent_dim)


def test_every_parameter_gets_a_gradient(make_model: Make) -> None:
    model = make_model()
    with torch.no_grad():
        for parameter in model.parameters():  # a layer that starts at 0 passes no gradient on
            parameter.add_(0.01 * torch.randn_like(parameter))
    encoder, decoder = model.latent_networks()
    mu, logvar = encoder(torch.from_numpy(generate_grids("atomic", 64, seed=0)[0]))
    assert mu.shape == logvar.shape == (64, model.num_latents)
    decoder(model.sample_posterior(mu, logvar, torch.randn_like(mu))).square().mean().backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_logits_are_differentiable_in_every_latent(make_flat: Make) -> None:
    # Refinement follows this gradient.
    model = make_flat()
    _, decoder = model.latent_networks()
    latents = torch.randn(3, model.num_latents, requires_grad=True)
    (gradient,) = torch.autograd.grad(decoder(latents).square().sum(), latents)
    assert torch.isfinite(gradient).all()
    assert (gradient != 0).any(0).all()


def test_an_ignored_cell_is_seen_as_no_colour_at_all(make_flat: Make) -> None:
    # Not as colour 0: an encoder could not tell padding from background. Which value it has is not seen either.
    model = make_flat()
    first, other, background = grids(), grids(), grids()
    first[:, 10:], other[:, 10:], background[:, 10:] = 255, 10, 0
    assert torch.equal(model.encoder(first)[0], model.encoder(other)[0])
    assert not torch.equal(model.encoder(first)[0], model.encoder(background)[0])


def test_steps_of_refinement_are_those_between_levels_or_a_quarter(make_flat: Make) -> None:
    model = make_flat()
    step, limit = model.latent_steps()
    assert step.shape == limit.shape == (model.num_latents,)
    if model.levels is None:
        assert (step == 0.25).all()
        assert (limit == math.inf).all()
    else:
        assert (step == 4 / model.levels).all()
        # The outermost level is the middle of the last bin, half a step from the bound of 2.
        assert (limit == 2 - 2 / model.levels).all()
        latents = model.latents(torch.tensor([[-9.0], [9.0]]).expand(2, model.latent_dim))
        assert latents.abs().max().item() == limit[0].item()


def test_whole_model_works_in_double_precision(make_model: Make) -> None:
    assert make_model().double()(grids(1)).dtype == torch.float64


def test_draws_of_the_prior_are_standard_normal_and_follow_the_generator(make_flat: Make) -> None:
    model = make_flat()
    z = model.sample_prior(4000, torch.Generator().manual_seed(3))
    assert z.shape == (4000, model.latent_dim)
    assert z.dtype == torch.float32
    assert z.mean(0).abs().max().item() < 0.08
    assert (z.var(0) - 1).abs().max().item() < 0.12
    assert torch.equal(z, model.sample_prior(4000, torch.Generator().manual_seed(3)))


class Nothing(GridModel):
    """Sizes alone, for what needs no networks."""

    def __init__(self) -> None:
        super().__init__(latent_dim=2, num_colors=3, grid_size=2)
        self.encoder, self.decoder = nn.Identity(), nn.Identity()


def test_posterior_and_its_weight_are_those_of_torch_distributions() -> None:
    model = Nothing().double()
    mu, logvar, noise = torch.randn(3, 6, 2, dtype=torch.float64)
    z = model.sample_posterior(mu, logvar, noise)
    posterior, prior = Normal(mu, (0.5 * logvar).exp()), Normal(torch.zeros_like(mu), 1.0)
    torch.testing.assert_close(z, posterior.mean + noise * posterior.stddev)
    expected = (prior.log_prob(z) - posterior.log_prob(z)).sum(1)
    torch.testing.assert_close(model.log_weight(z, logvar, noise), expected)
    torch.testing.assert_close(model.kl(mu, logvar), torch.distributions.kl_divergence(posterior, prior))


def test_codes_without_objects_have_no_masks_of_objects(make_flat: Make) -> None:
    model = make_flat()
    with pytest.raises(TypeError, match=f"a {type(model).__name__} has no codes of objects"):
        model.object_masks(torch.zeros(1, model.latent_dim))


def test_latents_that_are_not_packed_are_the_code_itself() -> None:
    z = torch.randn(3, 2)
    assert Nothing().latents(z) is z
    assert Nothing().pack(z) is z
    assert Nothing().latent_groups == 2
