"""Opening a trained model to compute with, whatever its task: :func:`arcvae.load`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch

from arcvae.app.shipped import SHIPPED, hint_at_shipped, shipped
from arcvae.app.tasks import task_of_export
from arcvae.errors import CheckpointError
from arcvae.io.exports import OPERATORS, check_digest, main_export, read_export
from arcvae.training.task import Task


def load(
    path: str | os.PathLike[str], *, task: Task[Any, Any] | None = None, device: str = "cpu", **options: Any
) -> Any:
    """Open a trained model.

    Neither Lightning nor Hydra is imported.

    Args:
        path: A run folder, an export (``.pth`` or ``.safetensors``), a checkpoint (``.ckpt``), or the name of a
            model that comes with arcvae: ``"atomic-d10"``.
        task: The task, if it is one of yours.
        device: Where to compute, for example ``"cuda"``.
        **options: ``model``: class of the model, if it is one of yours; called with the ``model`` values of its config.
            ``prior``, for grids: ``prior.safetensors`` that ``arcvae.sample prior=autoregressive`` has trained for this
            model. A model that comes with arcvae brings its own. ``operators``, for grids:
            ``operators.safetensors`` that ``arcvae.operate`` has made for this model; what it has left beside the
            weights is found without.

    Returns:
        For grids a :class:`~arcvae.grid.codec.Codec`, for clips a :class:`~arcvae.training.predictor.Predictor`, for a
        task of yours what it says.

    Raises:
        CheckpointError: Missing, damaged, of another architecture or a newer format; nothing in it is run.
    """
    path = shipped(Path(path))
    if path.parent == SHIPPED and (prior := path.with_suffix(".prior.safetensors")).is_file():
        options.setdefault("prior", prior)
    if path.is_dir():
        path = main_export(path)
    if (operators := path.with_suffix(OPERATORS)).is_file():
        options.setdefault("operators", operators)
    if not path.exists():
        raise CheckpointError(f"there is no {path}{hint_at_shipped(str(path))}; train first, or give another")
    check_digest(path)
    export = read_export(path)
    return (task or task_of_export(export, path)).load(export, path, device=device, **options)


def files_of_weights(checkpoint: Path) -> list[Path]:
    """A checkpoint, and the export of its run if that has the same weights."""
    if checkpoint.parent.name != "checkpoints":
        return [checkpoint]
    try:
        export = main_export(checkpoint.parent.parent)
    except CheckpointError:  # its run is not finished
        return [checkpoint]
    ours, theirs = (read_export(file)["state_dict"] for file in (checkpoint, export))
    same = ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)
    return [checkpoint, export] if same else [checkpoint]
