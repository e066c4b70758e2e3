"""Train operators on codes of objects: ``python -m arcvae.operate ckpt_path=RUN_OR_CHECKPOINT``.

They change shapes by their numbers, for operations with ``via="codes"``. What is trained lies beside the weights
afterwards, where ``arcvae.load`` finds it, and with its figures in a folder below ``outputs/operate/``.
"""

from __future__ import annotations

import sys
from typing import Any

from arcvae.app.command import check_files, checkpoint_of, run_command


def check(config: dict[str, Any]) -> None:
    """Refuse files that are not there; of a run folder, its best checkpoint."""
    path = config["ckpt_path"]
    check_files({**config, "ckpt_path": str(checkpoint_of(path)) if path else path})


def main() -> int:
    """Entry point; returns the exit code."""
    return run_command("operate", "arcvae.app.jobs.operate.operate", check)


if __name__ == "__main__":
    sys.exit(main())
