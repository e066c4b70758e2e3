"""Looking at the files that a config names, before torch is imported or anything is written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from arcvae.app.shipped import SHIPPED, hint_at_shipped, model_at
from arcvae.app.tasks import task_of_node
from arcvae.errors import CheckpointError, ConfigError, DataError
from arcvae.io.settings import value_at
from arcvae.training.run_folder import AUTO, checkpoint_files


def check_files(config: Mapping[str, Any]) -> None:
    """Refuse a checkpoint, prior or corpus that is not there, before torch is imported or anything is written.

    Raises:
        ConfigError: A command that needs a checkpoint, without one.
        CheckpointError: No such checkpoint or prior; an export where its run is needed.
        DataError: No such corpus.
        ConfigError: Also an accelerator that this machine does not have; only to ask for one, torch is imported.
    """
    path, trains = config["ckpt_path"], "task" in config
    if not path and not trains:
        raise ConfigError("ckpt_path=null: name the checkpoint of a training run")
    continues = trains and path and (path == AUTO or checkpoint_files(Path(path)))
    checkpoint = model_at(path) if path else Path()
    if path and not continues and not checkpoint.is_file():
        what = f"no {checkpoint}" if Path(path).is_dir() else "no such checkpoint"
        hint = "" if trains else hint_at_shipped(path)
        raise CheckpointError(f"ckpt_path={path}: there is {what}{hint}; train first, or give another")
    if path and not trains and checkpoint.suffix == ".safetensors" and checkpoint.parent != SHIPPED:
        raise CheckpointError(
            f"ckpt_path={path} is an export; give a checkpoint of arcvae.train (checkpoints/best.ckpt)"
        )
    path = value_at(config, "prior.path")
    if path and not Path(path).is_file():
        raise CheckpointError(f"prior.path={path}: there is no such prior; give another, or null to train one")
    path = value_at(config, "data.path")
    if path and not Path(path).exists():
        raise DataError(f"there is no file {Path(path).absolute()}; give an existing .npz file (data.path)")
    for key in ("accelerator", "trainer.accelerator"):
        if (accelerator := value_at(config, key)) in ("gpu", "cuda", "mps"):
            from arcvae.training.hardware import pick_device

            pick_device(accelerator, key)


def check_training(config: dict[str, Any]) -> None:
    """Look at the files that the config of a training run names, as :func:`check_files`, and into its corpus."""
    if config["data"].get("path"):
        task_of_node(config["task"], config["plugins"]).check_corpus(config["data"], config["model"])
    check_files(config)
