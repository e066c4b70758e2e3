"""Where the classes are now that files of earlier versions name: such files still load."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

RENAMED: Final[Mapping[str, str]] = {
    # 0.1.0
    "arcvae.audio.data.AudioDataModule": "arcvae.audio.corpus.data.AudioDataModule",
    "arcvae.audio.module.AudioModule": "arcvae.audio.task.AudioTask",
    "arcvae.grid.data.GridDataModule": "arcvae.grid.corpus.data.GridDataModule",
    "arcvae.grid.model.BetaVAE": "arcvae.grid.models.beta_vae.BetaVAE",
    "arcvae.grid.model.SeparableVAE": "arcvae.grid.models.separable.SeparableVAE",
    "arcvae.grid.model.SpatialVAE": "arcvae.grid.models.spatial.SpatialVAE",
    "arcvae.grid.spatial.SpatialVAE": "arcvae.grid.models.spatial.SpatialVAE",
    "arcvae.grid.module.GridModule": "arcvae.grid.task.GridTask",
}
"""Targets of configs, former to present."""


def with_present_names(node: Any) -> Any:
    """A config from a file, plain types, with each ``_target_`` that has moved under its present name.

    Example:
        >>> with_present_names({"model": {"_target_": "arcvae.grid.model.BetaVAE", "latent_dim": 10}})
        {'model': {'_target_': 'arcvae.grid.models.beta_vae.BetaVAE', 'latent_dim': 10}}
    """
    if isinstance(node, Mapping):
        return {
            key: RENAMED.get(value, value)
            if key == "_target_" and isinstance(value, str)
            else with_present_names(value)
            for key, value in node.items()
        }
    return [with_present_names(item) for item in node] if isinstance(node, list) else node
