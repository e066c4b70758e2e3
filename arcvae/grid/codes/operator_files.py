"""Operators on the numbers of shapes as files; they fit one model only."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Final

from arcvae.errors import CheckpointError
from arcvae.grid.codes.companions import load_companion, save_companion
from arcvae.grid.codes.operators import ShapeOperators
from arcvae.grid.models.base import GridModel
from arcvae.grid.models.objects import ObjectsVAE
from arcvae.grid.settings import SETTINGS

_FOREIGN: Final = "holds the operators of another model; make some for this with arcvae.operate"


def save_operators(path: str | os.PathLike[str], operators: ShapeOperators, model: ObjectsVAE) -> None:
    """Write the operators of a model, in float16: half the size, and as exact.

    Raises:
        FileSystemError: The file cannot be written.
    """
    halves = {name: tensor.half() for name, tensor in operators.state_dict().items()}
    save_companion(path, "operators", halves, operators.sizes, model)


def load_operators(path: str | os.PathLike[str], model: GridModel) -> ShapeOperators:
    """Read what :func:`save_operators` wrote, for the same model.

    Raises:
        CheckpointError: Missing, damaged, not operators, of a newer format, or of another model.
    """

    def build(sizes: Mapping[str, Any]) -> ShapeOperators:
        if not isinstance(model, ObjectsVAE):  # a file may say that it fits any decoder
            raise CheckpointError(f"{path} {_FOREIGN}")
        wanted: dict[str, Any] = {name: sizes.get(name) for name in ("width", "blocks")}
        if problems := SETTINGS.problems({"operators": wanted}):
            raise CheckpointError(f"{path} describes operators that cannot be built: {'; '.join(problems)}")
        return ShapeOperators(model, **wanted)

    wrong = "holds no operators; give operators.safetensors of arcvae.operate"
    return load_companion(path, "operators", build, model, wrong=wrong, foreign=_FOREIGN)
