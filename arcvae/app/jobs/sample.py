"""The job of ``arcvae.sample``: draw from a trained model and score the draw."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from arcvae.app.build import Builder
from arcvae.app.console import quiet
from arcvae.app.hydra_files import write_hydra_files
from arcvae.app.jobs.evaluate import origin, restore_from
from arcvae.app.shipped import model_at
from arcvae.io.files import write_json
from arcvae.training.evaluation import tune_adjustment
from arcvae.training.run_folder import held_run_folder

log = logging.getLogger("arcvae")


def sample(config: dict[str, Any], shown: dict[str, Any], folder: Path, command: Sequence[str]) -> dict[str, Any]:
    """Draw samples.

    Args:
        config: Plain, resolved and checked config (``conf/sample.yaml``).
        shown: The same as it may be written down, without the values of secrets.
        folder: Folder that the samples go into.
        command: Command line, for the record.

    Returns:
        What ``metrics.json`` holds.

    Raises:
        CheckpointError: A model of a task that has nothing to draw samples with.
    """
    checkpoint = model_at(config["ckpt_path"])
    quiet()
    with held_run_folder(folder):
        write_hydra_files(folder, shown)
        model = restore_from(config, shown, checkpoint)
        model.task.require_draws(checkpoint)
        source = Builder(config["plugins"])("prior", config["prior"])
        adjustment = None
        if config["decision"] == "adjusted":
            adjustment = tune_adjustment(model.module, model.data.evaluation_loader("val"), model.counts)
        found = model.task.draw(model.module, model.data, config, source, folder, adjustment)
        record = {
            **origin(model, checkpoint, shown, command),
            "logit_adjustment": adjustment,
            **found,
        }
        write_json(folder / "metrics.json", record)
    log.info("Samples  %s", folder)
    return record
