"""The job of ``arcvae.operate``: train operators on codes, measure them, and leave them beside the weights."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from arcvae.app.build import Builder
from arcvae.app.console import quiet
from arcvae.app.hydra_files import write_hydra_files
from arcvae.app.jobs.evaluate import origin, restore_from
from arcvae.app.loading import files_of_weights
from arcvae.app.shipped import SHIPPED, model_at
from arcvae.errors import CheckpointError
from arcvae.io.exports import OPERATORS
from arcvae.io.files import write_atomic, write_json
from arcvae.training.run_folder import held_run_folder

log = logging.getLogger("arcvae")


def operate(config: dict[str, Any], shown: dict[str, Any], folder: Path, command: Sequence[str]) -> dict[str, Any]:
    """Train operators.

    Args:
        config: Plain, resolved and checked config (``conf/operate.yaml``).
        shown: The same as it may be written down, without the values of secrets.
        folder: Folder that ``operators.safetensors`` and ``metrics.json`` go into.
        command: Command line, for the record.

    Returns:
        What ``metrics.json`` holds.

    Raises:
        CheckpointError: A model that has no use for operators, or one that comes with arcvae.
    """
    checkpoint = model_at(config["ckpt_path"])
    if checkpoint.parent == SHIPPED:
        raise CheckpointError(f"{checkpoint.stem} comes with arcvae as it is; give a run of yours")
    quiet()
    with held_run_folder(folder):
        write_hydra_files(folder, shown)
        model = restore_from(config, shown, checkpoint)
        model.task.require_operators(checkpoint)
        training = Builder(config["plugins"])("operators", config["operators"])
        found = model.task.operate(model.module, model.data, config, training, folder)
        beside = [file.with_suffix(OPERATORS) for file in files_of_weights(checkpoint)]
        for file in beside:
            write_atomic(file, (folder / "operators.safetensors").read_bytes())
        record = {
            **origin(model, checkpoint, shown, command),
            "operators": [str(file) for file in beside],
            **found,
        }
        write_json(folder / "metrics.json", record)
    log.info("Operators  %s", beside[-1])
    log.info("Figures    %s", folder / "metrics.json")
    return record
