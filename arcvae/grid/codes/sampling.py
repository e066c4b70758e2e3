"""Draws of codes: from the prior N(0, I), from posteriors of grids, and from a mixture that is fitted to these."""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.mixture import GaussianMixture
from torch import Tensor, nn

from arcvae.grid.models.base import GridModel

MAX_FITTED: Final = 20_000
"""Most training grids that a mixture is fitted to."""
BATCH: Final = 1000
"""Grids that are encoded at once."""


def normal_codes(count: int, latent_dim: int, seed: int) -> NDArray[np.float32]:
    """``(count, latent_dim)`` draws of N(0, I)."""
    return np.random.default_rng(seed).standard_normal((count, latent_dim), dtype=np.float32)


def posterior_codes(
    model: GridModel, grids: Tensor, count: int, *, seed: int, device: torch.device
) -> NDArray[np.float32]:
    """``(count, D)`` codes, each drawn from the posterior q(z | x) of a random grid.

    They decode to versions of these grids. This shows how well the decoder reads codes that occur, and makes nothing
    new. Takes the arguments of :func:`mixture_codes`.
    """
    generator = torch.Generator().manual_seed(seed)
    chosen = grids[torch.randint(len(grids), (count,), generator=generator)]
    return _posterior_samples(model, model.encoder, chosen, device, generator).numpy()


def posterior_latents(model: GridModel, grids: Tensor, *, device: torch.device, generator: torch.Generator) -> Tensor:
    """What distributions of codes are fitted to: latents ``(N, L)``, one posterior sample for each grid, on the CPU.

    Of packed codes, the posterior means of the latents: packing itself adds the rounding that their noise stands for.

    Args:
        model: In evaluation mode.
        grids: ``(N, S, S)``, any integer type.
        device: Of the model.
        generator: Source of the noise, on the CPU.
    """
    encoder, _ = model.latent_networks()
    return _posterior_samples(model, encoder, grids, device, None if model.digits > 1 else generator)


@torch.no_grad()
def _posterior_samples(
    model: GridModel, encoder: nn.Module, grids: Tensor, device: torch.device, generator: torch.Generator | None
) -> Tensor:
    """One sample of the posterior of each grid; without a generator, its mean."""
    samples = []
    for start in range(0, max(1, len(grids)), BATCH):
        mu, logvar = (part.float().cpu() for part in encoder(grids[start : start + BATCH].to(device)))
        if generator is not None:
            mu = model.sample_posterior(mu, logvar, torch.randn(mu.shape, generator=generator))
        samples.append(mu)
    return torch.cat(samples)


def mixture_codes(
    model: GridModel, grids: Tensor, count: int, *, components: int, seed: int, device: torch.device
) -> NDArray[np.float32]:
    """``(count, D)`` new codes from a model of the aggregate posterior, the mean of q(z | x) over the corpus.

    A Gaussian mixture with full covariances is fitted to :func:`posterior_latents` of at most 20,000 grids.

    Args:
        model: In evaluation mode.
        grids: Train split, ``(N, S, S)`` uint8.
        count: Codes to draw, >= 1.
        components: Gaussians of the mixture, >= 1; fewer if there are fewer grids.
        seed: Seed of the choice of grids, the fit and the draw.
        device: Of the model.
    """
    generator = torch.Generator().manual_seed(seed)
    chosen = grids[torch.randperm(len(grids), generator=generator)[:MAX_FITTED]]
    mixture = GaussianMixture(
        min(components, len(chosen)), init_params="k-means++", max_iter=50, tol=1e-2, reg_covar=1e-4, random_state=seed
    )
    mixture.fit(posterior_latents(model, chosen, device=device, generator=generator).double().numpy())
    latents, _ = mixture.sample(count)
    latents = np.random.default_rng(seed).permutation(latents)  # they come sorted by component
    codes: NDArray[np.float32] = model.pack(torch.from_numpy(latents)).numpy().astype(np.float32)
    return codes
