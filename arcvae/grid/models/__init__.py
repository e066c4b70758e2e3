"""Encoders and decoders of grids: a module for each model, each model a class derived from ``GridModel``."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from torch import Tensor

from arcvae.errors import CheckpointError
from arcvae.grid.models.base import GridModel
from arcvae.grid.settings import SETTINGS
from arcvae.training.described import build_described

_TARGET: Final = re.compile(r"(arcvae\.grid\.models\.[a-z][a-z0-9_]*)\.([A-Z][A-Za-z0-9]*)")


def model_class(target: str) -> type[GridModel] | None:
    """The model that a ``_target_`` names, or None if it names anything else.

    Safe for names from untrusted files: only modules of this package are imported, and only a subclass of
    :class:`GridModel` that is defined in the module named is returned.

    Example:
        >>> model_class("arcvae.grid.models.beta_vae.BetaVAE")
        <class 'arcvae.grid.models.beta_vae.BetaVAE'>
        >>> model_class("os.system") is model_class("arcvae.grid.models.beta_vae.ConvEncoder") is None
        True
    """
    match = _TARGET.fullmatch(target)
    if match is None:
        return None
    module, name = match.groups()
    try:
        found = getattr(importlib.import_module(module), name, None)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise  # the model is there, and something that it imports is missing
        return None
    if isinstance(found, type) and issubclass(found, GridModel) and found.__module__ == module:
        return found if found is not GridModel else None
    return None


def build_model(
    config: Mapping[str, Any],
    path: Path,
    model: Callable[..., GridModel] | None = None,
    *,
    state: Mapping[str, Tensor] | None = None,
    part: str | None = None,
) -> GridModel:
    """Build the network that a file describes: only models of this package, and only with checked values.

    Args:
        config: ``_target_`` and the arguments of the model.
        path: File that it is from, for messages.
        model: Class of the model instead of that of ``_target_``.
        state: The weights in the file, which it has to fit; see :func:`arcvae.training.described.build_described`.
        part: ``"encoder"`` or ``"decoder"`` if they are those of one half.

    Raises:
        CheckpointError: A class that is not one of arcvae's, values out of range, or weights that do not fit.
    """
    known = model_class(str(config.get("_target_")))
    network = build_described(config, path, known, SETTINGS, model, state=state, part=part)
    if not isinstance(network, GridModel):
        raise CheckpointError(f"{type(network).__name__} is not a GridModel; derive it from arcvae.grid.models.base")
    return network
