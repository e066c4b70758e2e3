"""Make tasks in the sense of ARC: ``python -m arcvae.tasks num_tasks=3000 out=tasks/ seed=42``.

Leaves a folder for each split with a file for each task, ``tasks.jsonl``, ``statistics.json``, ``tasks.png`` and
``metrics.json``. ``python -m arcvae.tasks replay=tasks/`` makes every output again, in pixels, from the index and the
inputs, and compares the bytes.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from arcvae.app.command import run_command
from arcvae.app.output import require_new_folder
from arcvae.errors import CheckpointError, ConfigError, DataError


def check(config: dict[str, Any]) -> None:
    """Refuse to write into a folder that holds results, and files that are not there."""
    if config["replay"]:
        if not Path(config["replay"]).is_dir():
            raise DataError(
                f"replay={config['replay']}: there is no such folder; give one that arcvae.tasks has written"
            )
        return
    if not config["out"]:
        raise ConfigError("out=null: name the folder that the tasks go into")
    if config["prior_path"] and not Path(config["prior_path"]).is_file():
        raise CheckpointError(f"prior_path={config['prior_path']}: there is no such prior; give another")
    if config["corpus"] and not Path(config["corpus"]).is_file():
        raise DataError(f"corpus={config['corpus']}: there is no such file; give an existing .npz file")
    require_new_folder(config["out"])


def main() -> int:
    """Entry point; returns the exit code."""
    return run_command("tasks", "arcvae.app.jobs.tasks.tasks", check)


if __name__ == "__main__":
    sys.exit(main())
