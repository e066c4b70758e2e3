"""Train operators on codes of objects: ``python -m arcvae.operate ckpt_path=RUN_OR_CHECKPOINT``.

They change shapes by their numbers, for operations with ``via="codes"``. What is trained lies beside the weights
afterwards, where ``arcvae.load`` finds it, and with its figures in a folder below ``outputs/operate/``.
"""

from __future__ import annotations

import sys

from arcvae.app.command import run_command
from arcvae.app.preflight import check_files


def main() -> int:
    """Entry point; returns the exit code."""
    return run_command("operate", "arcvae.app.jobs.operate.operate", check_files)


if __name__ == "__main__":
    sys.exit(main())
