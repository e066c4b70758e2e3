"""Opening a trained model whose task or class may be from plugins of the user."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from arcvae.app.build import Builder
from arcvae.app.loading import files_of_weights, load
from arcvae.app.plugins import import_plugins
from arcvae.app.shipped import shipped
from arcvae.app.tasks import task_of_export
from arcvae.app.trust import trusted
from arcvae.io.exports import main_export, read_export
from arcvae.training.task import Task


class OpenedModel(NamedTuple):
    """A model to compute with, and what its file says of it."""

    model: Any
    task: Task[Any, Any]
    class_names: Sequence[str] | None


def open_model(path: Path, plugins: Collection[str], device: str = "cpu", **options: Any) -> OpenedModel:
    """Open a model as :func:`arcvae.load` does, with a task and a class that plugins may have.

    Of a checkpoint, the export of its run is taken if that has the same weights: it has the logit adjustment as well.

    Args:
        path: As for :func:`arcvae.load`.
        plugins: Modules of the user; what a file names beyond them is not imported.
        device: Where to compute.
        **options: As for :func:`arcvae.load`, but for the class of the model.

    Raises:
        CheckpointError: See :func:`arcvae.load`.
        ConfigError: A plugin that cannot be used.
    """
    import_plugins(plugins)
    path = shipped(path)
    file = main_export(path) if path.is_dir() else files_of_weights(path)[-1]
    export = read_export(file)
    task = task_of_export(export, file, plugins)
    target = export["model"].get("_target_")
    if trusted(target, plugins) and not trusted(target, ()):
        options["model"] = Builder(plugins)("model", {"_target_": target, "_partial_": True})
    return OpenedModel(load(file, task=task, device=device, **options), task, export["class_names"])
