"""Operators on the numbers of shapes as files: they fit one model only, and their file says which."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

from arcvae.errors import CheckpointError
from arcvae.grid.codes.operators import ShapeOperators
from arcvae.grid.codes.prior_files import weights_digest
from arcvae.grid.models.base import GridModel
from arcvae.grid.models.objects import ObjectsVAE
from arcvae.grid.settings import SETTINGS
from arcvae.io.tensors import fill, load_safetensors, require_fit, save_safetensors

OPERATORS_FORMAT: Final = 1
"""Version of the files of operators."""


def save_operators(path: str | os.PathLike[str], operators: ShapeOperators, model: ObjectsVAE) -> None:
    """Write the operators of a model, in float16: half the size, and as exact.

    Raises:
        FileSystemError: The file cannot be written.
    """
    facts = {
        "format": OPERATORS_FORMAT,
        "part": "operators",
        "operators": operators.sizes,
        "decoder_sha256": weights_digest(model.decoder),
    }
    save_safetensors(path, {name: tensor.cpu().half() for name, tensor in operators.state_dict().items()}, facts)


def load_operators(path: str | os.PathLike[str], model: GridModel) -> ShapeOperators:
    """Read what :func:`save_operators` wrote, for the same model.

    Raises:
        CheckpointError: Missing, damaged, not operators, of a newer format, or of another model.
    """
    tensors, facts = load_safetensors(path)
    version, sizes = facts.get("format"), facts.get("operators")
    if facts.get("part") != "operators" or not isinstance(version, int) or not isinstance(sizes, dict):
        raise CheckpointError(f"{path} holds no operators; give operators.safetensors of arcvae.operate")
    if version > OPERATORS_FORMAT:
        raise CheckpointError(f"{path} has format {version}, this arcvae knows {OPERATORS_FORMAT}; update arcvae")
    if not isinstance(model, ObjectsVAE) or facts.get("decoder_sha256") != weights_digest(model.decoder):
        raise CheckpointError(f"{path} holds the operators of another model; make some for this with arcvae.operate")
    wanted: dict[str, Any] = {name: sizes.get(name) for name in ("width", "blocks")}
    if problems := SETTINGS.problems({"operators": wanted}):
        raise CheckpointError(f"{path} describes operators that cannot be built: {'; '.join(problems)}")
    require_fit(lambda: ShapeOperators(model, **wanted), tensors, Path(path))
    operators = ShapeOperators(model, **wanted)
    fill(operators, tensors, Path(path))
    return operators.eval()
