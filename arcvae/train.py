"""Train a model: ``python -m arcvae.train [loss=option_b] [trainer=quick_test] ...``.

Leaves a folder below ``outputs/`` with checkpoints, exports, pictures, metrics and the config; see README.md.
"""

from __future__ import annotations

import sys
from typing import Any

from arcvae.app.command import check_files, run_command
from arcvae.app.tasks import task_of_node


def check(config: dict[str, Any]) -> None:
    """Look at the files that a config names, before torch is imported or anything is written."""
    if config["data"].get("path"):
        task_of_node(config["task"], config["plugins"]).check_corpus(config["data"], config["model"])
    check_files(config)


def main() -> int:
    """Entry point; returns the exit code."""
    return run_command("train", "arcvae.app.jobs.train.train", check)


if __name__ == "__main__":
    sys.exit(main())
