"""Priors of codes as files: a prior fits one decoder only, and its file says which."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from torch import nn

from arcvae.errors import CheckpointError
from arcvae.grid.codes.object_prior import ObjectPrior
from arcvae.grid.codes.prior import CodePrior
from arcvae.grid.codes.quantization import LatentQuantizer
from arcvae.grid.models.base import GridModel
from arcvae.grid.models.objects import ObjectsVAE
from arcvae.grid.settings import SETTINGS
from arcvae.io.tensors import fill, load_safetensors, require_fit, save_safetensors

PRIOR_FORMAT: Final = 1
"""Version of the files of priors."""


def weights_digest(network: nn.Module) -> str:
    """SHA-256 of the weights of a network: a prior fits one decoder only."""
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def save_prior(path: str | os.PathLike[str], prior: CodePrior | ObjectPrior, model: GridModel) -> None:
    """Write the prior of a model's codes.

    Raises:
        FileSystemError: The file cannot be written.
    """
    facts = {
        "format": PRIOR_FORMAT,
        "part": "prior",
        "prior": prior.sizes,
        "decoder_sha256": weights_digest(model.decoder),
    }
    save_safetensors(path, {name: tensor.detach().cpu() for name, tensor in prior.state_dict().items()}, facts)


def load_prior(path: str | os.PathLike[str], model: GridModel) -> CodePrior | ObjectPrior:
    """Read what :func:`save_prior` wrote, for the same model.

    Raises:
        CheckpointError: Missing, damaged, not a prior, of a newer format, or of another model.
    """
    tensors, facts = load_safetensors(path)
    version, sizes = facts.get("format"), facts.get("prior")
    if facts.get("part") != "prior" or not isinstance(version, int) or not isinstance(sizes, dict):
        raise CheckpointError(f"{path} is not a prior of codes; give prior.safetensors of arcvae.sample")
    if version > PRIOR_FORMAT:
        raise CheckpointError(f"{path} has format {version}, this arcvae knows {PRIOR_FORMAT}; update arcvae")
    if facts.get("decoder_sha256") != weights_digest(model.decoder):
        raise CheckpointError(
            f"{path} is the prior of another model; make one for this with arcvae.sample, "
            "prior=objects or prior=autoregressive"
        )
    require_fit(lambda: _build(sizes, path, model), tensors, Path(path))
    prior = _build(sizes, path, model)
    fill(prior, tensors, Path(path))
    return prior.eval()


def _build(sizes: Mapping[str, Any], path: str | os.PathLike[str], model: GridModel) -> CodePrior | ObjectPrior:
    """A prior of these sizes, which are those of a file and not to be trusted."""
    names = ("components",) if isinstance(model, ObjectsVAE) else ("width", "layers")
    wanted: dict[str, Any] = {name: sizes.get(name) for name in names}
    if problems := SETTINGS.problems({"prior": wanted}):
        raise CheckpointError(f"{path} describes a prior that cannot be built: {'; '.join(problems)}")
    if isinstance(model, ObjectsVAE):
        return ObjectPrior(model.slots, model.num_colors, model.shape_numbers, **wanted)
    return CodePrior(LatentQuantizer.of(model), **wanted)
