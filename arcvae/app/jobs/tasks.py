"""The job of ``arcvae.tasks``: make a set of tasks, or make the outputs of one again."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import arcvae
from arcvae.app.build import Builder
from arcvae.app.opening import open_model
from arcvae.app.output import require_new_folder
from arcvae.io.files import write_json
from arcvae.io.locks import lock_folder
from arcvae.training.software import software

log = logging.getLogger("arcvae")

SETTINGS: Final = (
    "corpus", "num_tasks", "max_depth", "max_objects", "min_demonstrations", "max_demonstrations", "grid_size", "seed",
    "workers", "solver",
)  # fmt: skip
"""Keys of the config that are passed on to the writer."""


def tasks(config: dict[str, Any], shown: dict[str, Any], folder: Path, command: Sequence[str]) -> dict[str, Any]:  # noqa: ARG001
    """Make tasks, or replay them.

    Args:
        config: Plain, resolved and checked config (``conf/tasks.yaml``).
        shown: The same as it may be written down, without the values of secrets.
        folder: As for every job; not used, for the tasks go where ``out`` says.
        command: Command line, for the record.

    Returns:
        What ``metrics.json`` holds; or, of a replay, the number of tasks.

    Raises:
        BusyError: ``out`` holds files already, or another command is writing into it.
        ConfigError: ``out`` is a file, or more objects than the model has slots.
        CheckpointError: A model that has no objects, or no prior.
        DataError: A corpus that cannot be used, or tasks that do not replay.
        FileSystemError: ``out`` cannot be written to.
    """
    build = Builder(config["plugins"])
    if config["replay"]:
        count = build("replayer", config["replayer"], folder=config["replay"])
        log.info("Replayed %d tasks of %s in pixels: the bytes are the same", count, config["replay"])
        return {"replayed": count}
    # As the command has done, but an earlier job of a sweep may have written it since.
    require_new_folder(config["out"])
    out = Path(config["out"])
    options = {} if config["prior_path"] is None else {"prior": config["prior_path"]}
    model = open_model(Path(config["ckpt_path"]), config["plugins"], **options).model
    with lock_folder(out, key="out"):
        require_new_folder(config["out"])
        found = build("writer", config["writer"], codec=model, folder=out, **{key: config[key] for key in SETTINGS})
        record = {
            "version": arcvae.__version__,
            "command": list(command),
            "config": shown,
            "checkpoint": str(config["ckpt_path"]),
            "software": software(),
            **found,
        }
        write_json(out / "metrics.json", record)
    log.info(
        "Wrote %d tasks to %s (model %s, seed %d); making them took %.1f s",
        config["num_tasks"],
        out,
        model.path,
        config["seed"],
        found["seconds"]["making"],
    )
    return record
