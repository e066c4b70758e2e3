"""From a checked config to the objects of a training run: data, module, callbacks, logger, trainer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Trainer, seed_everything
from numpy.typing import NDArray

from arcvae.app.build import Builder
from arcvae.app.loggers import build_logger
from arcvae.app.plugins import import_plugins
from arcvae.errors import ConfigError
from arcvae.imbalance.settings import alpha_problem
from arcvae.imbalance.weights import ClassWeighting
from arcvae.io.settings import nearest
from arcvae.training.checkpoint import AtomicCheckpointIO, RunStamp
from arcvae.training.clock import ClockCallback
from arcvae.training.cluster import environment
from arcvae.training.data import ImbalanceDataModule
from arcvae.training.hardware import flush_denormals, keep_freed_memory, resolve_precision
from arcvae.training.mid_epoch import ExactResume, SaveOnSignal
from arcvae.training.module import ImbalanceModule
from arcvae.training.run_folder import link_latest
from arcvae.training.task import Task


@dataclass(frozen=True)
class Run:
    """Everything that a training run is made of."""

    task: Task[Any, Any]
    data: ImbalanceDataModule
    module: ImbalanceModule
    trainer: Trainer
    counts: NDArray[Any]
    weighting: ClassWeighting
    weights: NDArray[Any] | None


def assemble(config: dict[str, Any], shown: dict[str, Any], folder: Path) -> Run:
    """Build a training run that writes into ``folder``.

    Args:
        config: Plain, resolved config, checked. What it leaves to the corpus is filled in (:func:`fit_to_data`).
        shown: The same as it may be written down; it goes into the checkpoints.
        folder: Run folder.

    Raises:
        ConfigError: Values that do not fit the corpus or each other.
        DataError: A corpus that cannot be used.
    """
    import_plugins(config["plugins"])
    keep_freed_memory()
    flush_denormals()
    seed_everything(config["seed"], workers=True, verbose=False)
    build = Builder(config["plugins"])
    task, data = build("task", config["task"]), build("data", config["data"])
    data.write_down(shown["data"].get("path"))
    data.prepare_data()
    for node in (config, shown):
        fit_to_data(node["model"], data, task.sample_unit)
    if problem := alpha_problem(config["loss"].get("alpha"), data.num_classes):
        raise ConfigError(problem)
    counts = data.class_counts
    weighting, _ = ClassWeighting.of(config["loss"])
    weights = weighting.weights(counts)
    module = build_module(config, task, counts, weights)
    names = [f"val/{name}" for name in module.result_names()]
    nodes = {f"callbacks.{name}.monitor": node for name, node in (config.get("callbacks") or {}).items() if node}
    monitors = {"monitor": config["monitor"]} | {
        key: node["monitor"] for key, node in nodes.items() if "monitor" in node
    }
    for key, monitor in monitors.items():
        if monitor not in names and (key == "monitor" or not str(monitor).startswith(("train/", "step/"))):
            raise ConfigError(
                f"{key}={monitor} is not logged{nearest(monitor, names)}; choose one of {', '.join(names)}"
            )
    facts = {
        "config": dict(shown),
        "corpus_sha256": data.content_hash,
        "class_names": list(data.class_names),
        "preprocessing": data.preprocessing,
        "class_counts": counts.tolist(),
        "class_weights": None if weights is None else weights.tolist(),
    }
    return Run(task, data, module, build_trainer(config, folder, facts), counts, weighting, weights)


def build_module(
    config: Mapping[str, Any], task: Task[Any, Any], counts: NDArray[Any], weights: NDArray[Any] | None
) -> ImbalanceModule:
    """Build model, loss and the LightningModule around them.

    Args:
        config: Plain, resolved config.
        task: Says which further parts the module is made of.
        counts: Elements of each class in the train split, ``(C,)``.
        weights: A weight for each class, ``(C,)``, or None.
    """
    build = Builder(config["plugins"])
    _, loss_node = ClassWeighting.of(config["loss"])
    model = build("model", config["model"])
    loss = build(
        "loss", loss_node,
        class_weights=None if weights is None else torch.as_tensor(weights, dtype=torch.float32),
        class_counts=counts.tolist(), ignore_index=task.ignore_index, cosine_scale=getattr(model, "cosine_scale", None),
    )  # fmt: skip
    optimizer, scheduler = (
        build(part, config[part]) if config.get(part) else None for part in ("optimizer", "scheduler")
    )
    if missing := [part for part in task.parts if not config.get(part)]:
        raise ConfigError(f"{missing[0]} is missing; the task {task.name!r} needs it")
    parts = {part: build(part, config[part]) for part in task.parts}
    try:
        module: ImbalanceModule = task.build_module(model, loss, optimizer, scheduler, seed=config["seed"], **parts)
    except (ValueError, TypeError) as error:
        raise ConfigError(f"task: {' '.join(str(error).split())}") from error
    return module


def build_trainer(config: Mapping[str, Any], folder: Path, facts: dict[str, Any]) -> Trainer:
    """Build callbacks, logger and trainer for a run folder; with its first checkpoint it becomes the latest run."""
    build = Builder(config["plugins"])
    callbacks = [build(f"callbacks.{name}", node) for name, node in (config.get("callbacks") or {}).items() if node]
    writers = [callback for callback in callbacks if hasattr(callback, "dirpath")]
    for callback in writers:
        callback.dirpath = str(folder / "checkpoints")
    node = dict(config["trainer"])
    node["precision"] = resolve_precision(node["precision"], node["accelerator"])
    trainer: Trainer = build(
        "trainer",
        node,
        callbacks=[ClockCallback(), ExactResume(), *callbacks, RunStamp(facts), *([SaveOnSignal()] if writers else [])],
        logger=build_logger(config.get("logger"), folder, build, (facts["config"].get("logger") or {}).get("tags")),
        plugins=[
            AtomicCheckpointIO(first=partial(link_latest, folder, Path(config["output_dir"]))),
            *environment(node),
        ],
        default_root_dir=str(folder),
    )
    return trainer


def fit_to_data(model: dict[str, Any], data: ImbalanceDataModule, unit: str) -> None:
    """Fill in the settings of a model that are null because the corpus knows them, and compare the others.

    Args:
        model: The ``model`` node of a config.
        data: Prepared.
        unit: Name of its samples.

    Raises:
        ConfigError: The model is made for other data.
    """
    for name, found in data.model_settings.items():
        wanted = model.get(name, found)
        if wanted is None:
            model[name] = found
        elif wanted != found:
            raise ConfigError(
                f"model.{name}={wanted} but the {unit} of {data.corpus_path} have {found}; set it to that"
            )
