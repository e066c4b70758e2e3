"""Classify files: ``python -m arcvae.predict ckpt_path=RUN source=FOLDER_OR_FILE out=predictions.csv``.

Recordings are cut into windows of the length that the model was trained on; each is a row of the table.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from arcvae.app.command import run_command
from arcvae.app.output import require_new_file
from arcvae.app.shipped import shipped
from arcvae.errors import CheckpointError, ConfigError, DataError


def check(config: dict[str, Any]) -> None:
    """Refuse a model or a source that is not there, and to write over a file."""
    path, source = config["ckpt_path"], config["source"]
    if not path:
        raise ConfigError("ckpt_path=null: name a run folder, an export or a checkpoint")
    if not source:
        raise ConfigError("source=null: name a recording, or a folder of them")
    if not config["out"]:
        raise ConfigError("out=null: name the table to write")
    if not shipped(Path(path)).exists():
        raise CheckpointError(f"ckpt_path={path}: there is no such model; train first, or give another")
    if not Path(source).exists():
        raise DataError(f"source={source}: there is no such file or folder; give a recording, or a folder of them")
    require_new_file(config["out"], overwrite=config["overwrite"])


def main() -> int:
    """Entry point; returns the exit code."""
    return run_command("predict", "arcvae.app.jobs.predict.predict", check)


if __name__ == "__main__":
    sys.exit(main())
