"""From a checked config to objects: data, module, callbacks, logger, trainer."""

from __future__ import annotations

import importlib
import logging
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import hydra.utils
import torch
from hydra.core.hydra_config import HydraConfig
from hydra.errors import InstantiationException
from hydra.types import RunMode
from lightning.pytorch import Trainer, seed_everything
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from numpy.typing import NDArray

from arcvae.app.checks import trusted
from arcvae.errors import ArcvaeError, ConfigError
from arcvae.imbalance.weights import ClassWeighting
from arcvae.io.settings import nearest
from arcvae.training.checkpoint import AtomicCheckpointIO
from arcvae.training.data import ImbalanceDataModule
from arcvae.training.hardware import flush_denormals, keep_freed_memory, resolve_precision
from arcvae.training.module import ImbalanceModule
from arcvae.training.record import RunStamp

log = logging.getLogger(__name__)


def build(config: Mapping[str, Any], key: str, **arguments: Any) -> Any:
    """Build the node ``key`` of a config: the one place where ``_target_`` is followed.

    Args:
        config: Plain, resolved config.
        key: Name of a node with a ``_target_``, for example ``"model"`` or ``"callbacks.checkpoint"``.
        **arguments: Passed on beside those of the node.

    Returns:
        The object, or a partial function when the node says ``_partial_: true``.

    Raises:
        ConfigError: The target may not be built, or does not accept the values.
    """
    node: Any = config
    for part in key.split("."):
        node = node[part]
    return build_node(config, key, node, **arguments)


def build_node(config: Mapping[str, Any], key: str, node: Mapping[str, Any], **arguments: Any) -> Any:
    """As :func:`build`, for a node that is not, or not in this form, part of the config."""
    target = node["_target_"]
    if not trusted(target, config):
        raise ConfigError(f"{key}._target_={target} is not among what may be built")
    _require_trusted_inside(config, key, list(node.values()))
    wants_partial = bool(node.get("_partial_"))
    try:
        # Objects are passed to the result, not through Hydra, which would copy them.
        made = hydra.utils.instantiate({**node, "_partial_": True}, _convert_="all")
        if not trusted(f"{made.func.__module__}.{made.func.__qualname__}", config):
            raise ConfigError(f"{key}._target_={target} leads to something that may not be built")
        return partial(made, **arguments) if wants_partial else made(**arguments)
    except ArcvaeError:
        raise
    except InstantiationException as error:
        raise ConfigError(f"{key}: cannot build {target}: {' '.join(str(error).split())}") from error
    except (ValueError, TypeError, MisconfigurationException, ModuleNotFoundError) as error:
        raise ConfigError(f"{key}: {' '.join(str(error).split())}") from error


def _require_trusted_inside(config: Mapping[str, Any], key: str, values: Sequence[Any]) -> None:
    """Look at what nested targets really are: a trusted module may itself hold others under its name."""
    for value in values:
        if isinstance(value, Mapping):
            if (target := value.get("_target_")) is not None:
                found = hydra.utils.get_object(target) if trusted(target, config) else None
                if not trusted(f"{getattr(found, '__module__', '')}.{getattr(found, '__qualname__', '')}", config):
                    raise ConfigError(f"{key}: _target_={target} leads to something that may not be built")
            _require_trusted_inside(config, key, list(value.values()))
        elif isinstance(value, list):
            _require_trusted_inside(config, key, value)


@dataclass
class Run:
    """Everything that a training run is made of."""

    data: ImbalanceDataModule
    module: ImbalanceModule
    trainer: Trainer
    counts: NDArray[Any]
    weights: NDArray[Any] | None


def build_run(config: dict[str, Any], shown: dict[str, Any], folder: Path) -> Run:
    """Build a training run that writes into ``folder``.

    Args:
        config: Plain, resolved config, checked. What it leaves to the corpus is filled in (:func:`fit_to_data`).
        shown: The same as it may be written down; it goes into the checkpoints.
        folder: Run folder.

    Raises:
        ConfigError: Values that do not fit the corpus or each other.
        DataError: A corpus that cannot be used.
    """
    import_plugins(config)
    keep_freed_memory()
    flush_denormals()
    seed_everything(config["seed"], workers=True, verbose=False)
    data = build(config, "data")
    data.prepare_data()
    for written in (config, shown):
        fit_to_data(written, data)
    counts = data.class_counts
    weights = ClassWeighting.of(config["loss"])[0].weights(counts)
    module = build_module(config, weights)
    monitor, names = config["monitor"], [f"val/{name}" for name in module.result_names()]
    if monitor not in names:
        raise ConfigError(f"monitor={monitor} is not logged{nearest(monitor, names)}; choose one of {', '.join(names)}")
    facts = {
        "config": dict(shown),
        "corpus_sha256": data.content_hash,
        "class_names": list(data.class_names),
        "class_counts": counts.tolist(),
        "class_weights": None if weights is None else weights.tolist(),
    }
    return Run(data, module, build_trainer(config, folder, facts), counts, weights)


def build_module(config: Mapping[str, Any], weights: NDArray[Any] | None) -> ImbalanceModule:
    """Build model, loss and the LightningModule around them."""
    _, loss_node = ClassWeighting.of(config["loss"])
    tensor = None if weights is None else torch.as_tensor(weights, dtype=torch.float32)
    parts: dict[str, Any] = {
        "model": build(config, "model"),
        "loss": build_node(config, "loss", loss_node, class_weights=tensor),
        "optimizer": build(config, "optimizer") if config.get("optimizer") else None,
        "scheduler": build(config, "scheduler") if config.get("scheduler") else None,
        "seed": config["seed"],
    }
    if config.get("beta"):
        parts["beta"] = build(config, "beta")
    return build(config, "task", **parts)


def build_trainer(config: Mapping[str, Any], folder: Path, facts: dict[str, Any]) -> Trainer:
    """Build callbacks, logger and trainer for a run folder."""
    callbacks = [build(config, f"callbacks.{name}") for name, node in (config.get("callbacks") or {}).items() if node]
    for callback in callbacks:
        if hasattr(callback, "dirpath"):
            callback.dirpath = str(folder / "checkpoints")
    node = dict(config["trainer"])
    node["precision"] = resolve_precision(node.get("precision", "auto"), node.get("accelerator", "auto"))
    return build_node(
        config,
        "trainer",
        node,
        callbacks=[*callbacks, RunStamp(facts)],
        logger=_build_logger(config, folder),
        plugins=[AtomicCheckpointIO()],
        default_root_dir=str(folder),
    )


def _build_logger(config: Mapping[str, Any], folder: Path) -> Any:
    node = dict(config.get("logger") or {})
    if not node.get("_target_"):
        return False
    if node["_target_"].endswith("WandbLogger"):
        if node.get("offline") is None:
            node["offline"] = not os.environ.get("WANDB_API_KEY")
        if not node["offline"] and not _wandb_answers():
            log.warning("W&B does not answer: this run stays offline")
            node["offline"] = True
        if node["offline"]:
            log.info("W&B is offline; `wandb sync %s/wandb/offline-run-*` uploads the run", folder)
        node.setdefault("name", folder.name)
        if not node.get("group") and HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN:
            node["group"] = Path(HydraConfig.get().sweep.dir).name
    return build_node(config, "logger", node, save_dir=str(folder))


def _wandb_answers(seconds: float = 10.0) -> bool:
    """Whether a connection to the W&B server can be made; behind a proxy nobody can tell.

    Asked first because a W&B that failed to go online does not go offline either.
    """
    if os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy"):
        return True
    url = urlsplit(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai"))
    try:
        port = url.port or (80 if url.scheme == "http" else 443)
        socket.create_connection((url.hostname or "", port), timeout=seconds).close()
    except (OSError, ValueError):
        return False
    return True


def import_plugins(config: Mapping[str, Any]) -> None:
    """Import the user's own modules, so that what they register is known."""
    for name in config.get("plugins") or []:
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise ConfigError(f"plugins: cannot import {name} ({error}); is its folder in PYTHONPATH?") from error


def fit_to_data(config: dict[str, Any], data: ImbalanceDataModule) -> None:
    """Fill in the settings of a model that are null because the corpus knows them, and compare the others.

    Raises:
        ConfigError: The model, or a factor for each class, is made for other data.
    """
    for name, found in data.model_settings.items():
        wanted = config["model"].get(name, found)
        if wanted is None:
            config["model"][name] = found
        elif wanted != found:
            raise ConfigError(
                f"model.{name}={wanted} but the {data.sample_unit} of {data.corpus_path} have {found}; set it to that"
            )
    alpha = config["loss"].get("alpha")
    if isinstance(alpha, list) and len(alpha) != data.num_classes:
        raise ConfigError(
            f"loss.alpha has {len(alpha)} values, {data.corpus_path} {data.num_classes} classes; give one number, or "
            "one for each of the classes"
        )
