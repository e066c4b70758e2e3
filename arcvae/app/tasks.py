"""Finding the task that a config or a file names; torch and Hydra stay out."""

from __future__ import annotations

import importlib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from arcvae.app.trust import trusted
from arcvae.errors import CheckpointError, ConfigError
from arcvae.training.task import Task


def task_of_node(node: Mapping[str, Any], plugins: Collection[str]) -> Task[Any, Any]:
    """The task that the ``task`` node of a checked config names.

    Args:
        node: With a ``_target_``.
        plugins: Modules of the user, from which it may be.

    Raises:
        ConfigError: It names something else.
    """
    target = str(node["_target_"])
    if not trusted(target, plugins):
        raise ConfigError(f"task._target_={target} is not among what may be built from a config")
    return _task(target)


def task_of_export(export: Mapping[str, Any], path: Path, plugins: Collection[str] = ()) -> Task[Any, Any]:
    """The task of an export, if it is one of arcvae's or of plugins: a file may not name any other code.

    Args:
        export: See :func:`arcvae.io.exports.read_export`.
        path: File it is from, for the message.
        plugins: Modules of the user, from which it may be.

    Raises:
        CheckpointError: It is not.
    """
    node = export.get("task")
    target = str(node.get("_target_") if isinstance(node, Mapping) else None)
    if not trusted(target, plugins):
        raise CheckpointError(
            f"{path} is of the task {target}, which is not arcvae's; if it is yours: arcvae.load(..., task=YourTask())"
        )
    try:
        return _task(target)
    except ConfigError as error:
        raise CheckpointError(f"{path}: {error}") from None


def _task(target: str) -> Task[Any, Any]:
    module, _, name = target.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(f"task._target_={target}: {error}") from None
    if not (isinstance(found, type) and issubclass(found, Task)):
        raise ConfigError(f"task._target_={target} is not a task; derive it from arcvae.training.task.Task")
    return found()
