"""New grids from a trained model, and how much they resemble those of a corpus."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.distance import jensenshannon
from sklearn.mixture import GaussianMixture
from torch import Tensor, nn

from arcvae.grid.analysis.objects import LARGEST, Components, Grids, find_components
from arcvae.grid.models.packing import codes_of_latents, digits_of, networks_of_latents

FITTED = 20_000
"""Training grids that the mixture is fitted to."""
_PAIRS = 100_000
"""Pairs of grids of which the mean distance is taken."""


def prior_codes(count: int, latent_dim: int, seed: int) -> NDArray[np.float32]:
    """``(count, D)`` codes of the prior N(0, I)."""
    return np.random.default_rng(seed).standard_normal((count, latent_dim), dtype=np.float32)


def posterior_codes(
    encoder: nn.Module, grids: Tensor, count: int, *, seed: int, device: torch.device
) -> NDArray[np.float32]:
    """``(count, D)`` codes of the aggregate posterior itself: each is drawn from q(z | x) of a random grid.

    They decode to versions of these grids: this says how well the decoder reads codes that occur, and makes nothing
    new. Takes the arguments of :func:`aggregate_codes`.
    """
    generator = torch.Generator().manual_seed(seed)
    some = grids[torch.randint(len(grids), (count,), generator=generator)]
    return _drawn(encoder, some, device, generator).numpy()


def posterior_latents(encoder: nn.Module, grids: Tensor, *, device: torch.device, generator: torch.Generator) -> Tensor:
    """What a distribution of codes is fitted to: latents ``(N, L)``, one posterior sample of each grid, on the CPU.

    Of packed codes, the means of the latents: these are what is smooth, and packing adds the noise of rounding.
    """
    (latents,) = networks_of_latents(encoder)
    return _drawn(latents, grids, device, generator, noise=0.0 if digits_of(encoder) > 1 else 1.0)


@torch.no_grad()
def _drawn(
    encoder: nn.Module, grids: Tensor, device: torch.device, generator: torch.Generator, noise: float = 1.0
) -> Tensor:
    """One sample of the posterior of each grid; without noise, its mean."""
    samples = []
    for batch in grids.split(1000):
        mu, logvar = (part.float().cpu() for part in encoder(batch.to(device)))
        samples.append(mu + noise * torch.randn(mu.shape, generator=generator) * (0.5 * logvar).exp())
    return torch.cat(samples)


def aggregate_codes(
    encoder: nn.Module, grids: Tensor, count: int, *, components: int, seed: int, device: torch.device
) -> NDArray[np.float32]:
    """``(count, D)`` new codes like those of the aggregate posterior, the mean of q(z | x) over the corpus.

    A Gaussian mixture with full covariances is fitted to :func:`posterior_latents` of up to 20,000 grids.

    Args:
        encoder: Grids to mu and logvar.
        grids: Train split, ``(N, S, S)`` uint8.
        count: Codes to draw.
        components: Gaussians of the mixture; fewer if there are not so many grids.
        seed: Seed of the choice of grids, the fit and the draw.
        device: Of the encoder.
    """
    generator = torch.Generator().manual_seed(seed)
    some = grids[torch.randperm(len(grids), generator=generator)[:FITTED]]
    mixture = GaussianMixture(
        min(components, len(some)), init_params="k-means++", max_iter=50, tol=1e-2, reg_covar=1e-4, random_state=seed
    )
    mixture.fit(posterior_latents(encoder, some, device=device, generator=generator).double().numpy())
    drawn, _ = mixture.sample(count)
    drawn = np.random.default_rng(seed).permutation(drawn)  # it comes sorted by component
    return codes_of_latents(encoder, torch.from_numpy(drawn)).numpy().astype(np.float32)


@dataclass(frozen=True)
class Reference:
    """What samples are compared with: the train split of a corpus.

    Args:
        grids: ``(N, S, S)`` uint8.
        max_objects: Most objects of a valid grid.
    """

    grids: Grids
    max_objects: int
    components: Components
    known: frozenset[bytes]

    @classmethod
    def of(cls, grids: Grids, max_objects: int | None = None) -> Reference:
        """Look at a train split; without ``max_objects``, a valid grid has as many at most as one of these."""
        components = find_components(grids)
        most = max_objects or max(1, int(components.objects_per_grid.max()))
        return cls(grids, most, components, frozenset(grid.tobytes() for grid in grids))

    def score(self, grids: Grids, seed: int = 0) -> dict[str, float | list[float]]:
        """What a set of grids is worth as grids of this corpus.

        Args:
            grids: ``(M, S, S)`` uint8, M >= 1.
            seed: Seed of the pairs whose distance is taken.

        Returns:
            ``valid``: share of grids made of 1 to ``max_objects`` objects of 2-15 cells, one colour each. Cells that
            touch, over corners too, and have one colour are one object, or as few as 15 cells each allow.
            ``objects_js``, ``sizes_js``, ``colors_js``: Jensen-Shannon distance (base 2, in [0, 1]) of the number of
            objects, the size of components and the colour of coloured cells from the train split.
            ``colored_cells``: mean per grid. ``novel``: share that is not in the train split. ``distinct``: share of
            different grids. ``pair_distance``: mean number of cells in which two of them differ.
        """
        found = find_components(grids)
        different = {grid.tobytes() for grid in grids}
        pairs = np.random.default_rng(seed).integers(0, len(grids), (2, min(_PAIRS, 50 * len(grids))))
        unlike = grids[pairs[0]] != grids[pairs[1]]
        return {
            "valid": float(found.valid(self.max_objects).mean()),
            "objects_js": self._distance(
                found.objects_per_grid, self.components.objects_per_grid, self.max_objects + 2
            ),
            "sizes_js": self._distance(found.size, self.components.size, LARGEST + 2),
            "colors_js": self._distance(grids[grids > 0], self.grids[self.grids > 0], 10),
            "colored_cells": float((grids > 0).sum() / len(grids)),
            "novel": float(np.mean([grid.tobytes() not in self.known for grid in grids])),
            "distinct": len(different) / len(grids),
            "pair_distance": float(unlike.reshape(len(unlike), -1).sum(1).mean()),
        }

    @staticmethod
    def _distance(ours: ArrayLike, theirs: ArrayLike, bins: int) -> float:
        """Jensen-Shannon distance of two sets of whole numbers; the last bin holds everything larger."""
        histograms = [
            np.bincount(np.minimum(values, bins - 1), minlength=bins) for values in map(np.asarray, (ours, theirs))
        ]
        if not histograms[0].any() or not histograms[1].any():
            return 1.0  # nothing is as far from something as can be
        return float(jensenshannon(*histograms, base=2))
