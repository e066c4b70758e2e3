"""Draws of codes: from the prior N(0, I), from posteriors of grids, and from distributions that are fitted to these."""

from __future__ import annotations

import warnings
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from torch import Tensor, nn

from arcvae.errors import DataError
from arcvae.grid.codes.object_prior import ORIENTATIONS, PARITIES, ObjectPrior
from arcvae.grid.models.base import GridModel
from arcvae.grid.models.dihedral import INVERSE
from arcvae.grid.models.objects import ObjectsVAE
from arcvae.grid.models.shapes import upright_code
from arcvae.grid.models.slots import COLOR, PLACE, parity_of
from arcvae.io.waiting import waiting

MAX_FITTED: Final = 20_000
"""Most training grids that a mixture is fitted to."""
MAX_OBJECTS: Final = 60_000
"""Most objects of these grids that a mixture of shapes is fitted to."""
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
    points = posterior_latents(model, chosen, device=device, generator=generator).double().numpy()
    with waiting(f"Fitting a mixture to the codes of {len(chosen)} grids"):
        mixture.fit(points)
    latents, _ = mixture.sample(count)
    latents = np.random.default_rng(seed).permutation(latents)  # they come sorted by component
    codes: NDArray[np.float32] = model.pack(torch.from_numpy(latents)).numpy().astype(np.float32)
    return codes


def fitted_object_prior(
    model: ObjectsVAE, grids: Tensor, *, components: int = 256, seed: int, device: torch.device
) -> ObjectPrior:
    """The distribution of codes of objects of a corpus; takes seconds.

    Numbers of objects and colours are counted; a mixture with diagonal covariances is fitted to the upright codes of
    shapes, one posterior sample for each object of at most 20,000 grids.

    Args:
        model: In evaluation mode.
        grids: Train split, ``(N, S, S)`` uint8.
        components: Gaussians of the mixture, >= 1; fewer if there are fewer objects.
        seed: Seed of the choice of grids and of the fit.
        device: Of the model.

    Raises:
        DataError: Grids with fewer than two objects in all.
    """
    generator = torch.Generator().manual_seed(seed)
    chosen = grids[torch.randperm(len(grids), generator=generator)[:MAX_FITTED]]
    slots = model.slot_numbers(posterior_latents(model, chosen, device=device, generator=generator))
    filled = slots[..., COLOR] > 0  # (N, K)
    objects = slots[filled][:MAX_OBJECTS]  # (M, 3 + S)
    if len(objects) < 2:
        raise DataError(f"the train split has {len(objects)} objects; a prior needs two at least")
    upright, orientation = upright_code(objects[:, PLACE:])
    parity = model.frame.parity[parity_of(objects), INVERSE[orientation]]
    mixture = GaussianMixture(
        min(components, len(objects)), covariance_type="diag", init_params="k-means++", max_iter=50, tol=1e-3,
        reg_covar=1e-4, random_state=seed,
    )  # fmt: skip
    points = upright.double().numpy()
    with warnings.catch_warnings(), waiting(f"Fitting a prior to {len(points)} objects of the train split"):
        warnings.simplefilter(
            "ignore", ConvergenceWarning
        )  # the last per mille of the likelihood is not worth the wait
        mixture.fit(points)
    responsibilities = torch.from_numpy(mixture.predict_proba(points))
    prior = ObjectPrior(model.slots, model.num_colors, model.shape_numbers, mixture.n_components)
    kinds = F.one_hot(parity * ORIENTATIONS + orientation, PARITIES * ORIENTATIONS).double()
    found = {
        "numbers": _log_shares(torch.bincount(filled.sum(1), minlength=model.slots + 1), 1.0),
        "colors": _log_shares(torch.bincount(objects[:, COLOR].long(), minlength=model.num_colors)[1:], 1.0),
        "weights": torch.from_numpy(mixture.weights_).log(),
        "means": torch.from_numpy(mixture.means_),
        "variances": torch.from_numpy(mixture.covariances_),
        "kinds": _log_shares(responsibilities.T @ kinds, 0.01).unflatten(1, (PARITIES, ORIENTATIONS)),
    }
    prior.load_state_dict(found)
    return prior.eval()


def _log_shares(counts: Tensor, smoothing: float) -> Tensor:
    """Log of shares along the last axis; ``smoothing`` is added to each count, so that none is 0."""
    smoothed = counts.double() + smoothing
    return (smoothed / smoothed.sum(-1, keepdim=True)).log()
