"""Encoders and decoders of grids, a module for each model."""

from collections.abc import Mapping
from typing import Final

from torch import nn

from arcvae.grid.models.beta_vae import BetaVAE
from arcvae.grid.models.separable import SeparableVAE
from arcvae.grid.models.spatial import SpatialVAE

MODELS: Final[Mapping[str, type[nn.Module]]] = {
    f"{model.__module__}.{model.__qualname__}": model for model in (BetaVAE, SeparableVAE, SpatialVAE)
}
"""The models that a file may name: each takes config values and has ``encoder``, ``decoder`` and their sizes."""
