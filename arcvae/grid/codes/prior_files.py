"""Priors of codes as files; each fits one model only."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from arcvae.errors import CheckpointError
from arcvae.grid.codes.companions import load_companion, save_companion
from arcvae.grid.codes.object_prior import ObjectPrior
from arcvae.grid.codes.prior import CodePrior
from arcvae.grid.codes.quantization import LatentQuantizer
from arcvae.grid.models.base import GridModel
from arcvae.grid.models.objects import ObjectsVAE
from arcvae.grid.settings import SETTINGS

OF_RUN: Final = "page.prior.safetensors"
"""File in a run folder with the prior that was fitted at the end of the run, for its page and for what is loaded."""


def save_prior(path: str | os.PathLike[str], prior: CodePrior | ObjectPrior, model: GridModel) -> None:
    """Write the prior of a model's codes.

    Raises:
        FileSystemError: The file cannot be written.
    """
    save_companion(path, "prior", prior.state_dict(), prior.sizes, model)


def load_prior(path: str | os.PathLike[str], model: GridModel) -> CodePrior | ObjectPrior:
    """Read what :func:`save_prior` wrote, for the same model.

    Raises:
        CheckpointError: Missing, damaged, not a prior, of a newer format, or of another model.
    """

    def build(sizes: Mapping[str, Any]) -> CodePrior | ObjectPrior:
        names = ("components",) if isinstance(model, ObjectsVAE) else ("width", "layers")
        wanted: dict[str, Any] = {name: sizes.get(name) for name in names}
        if problems := SETTINGS.problems({"prior": wanted}):
            raise CheckpointError(f"{path} describes a prior that cannot be built: {'; '.join(problems)}")
        if isinstance(model, ObjectsVAE):
            return ObjectPrior(model.slots, model.num_colors, model.shape_numbers, **wanted)
        return CodePrior(LatentQuantizer.of(model), **wanted)

    return load_companion(
        path,
        "prior",
        build,
        model,
        wrong="is not a prior of codes; give prior.safetensors of arcvae.sample",
        foreign="is the prior of another model; make one for this with arcvae.sample, prior=objects or "
        "prior=autoregressive",
    )


def prior_of_run(folder: Path, model: GridModel) -> CodePrior | ObjectPrior | None:
    """The prior that a run folder holds for a model; None if there is none, or one of other weights."""
    if not (folder / OF_RUN).is_file():
        return None
    try:
        return load_prior(folder / OF_RUN, model)
    except CheckpointError:
        return None
