"""Evaluate a checkpoint: ``python -m arcvae.evaluate ckpt_path=outputs/latest/checkpoints/best.ckpt``.

Leaves a folder below ``outputs/evaluate/`` with metrics, a diagnosis in words and pictures; see README.md.
"""

from __future__ import annotations

import sys

from arcvae.app.command import run_command
from arcvae.app.preflight import check_files


def main() -> int:
    """Entry point; returns the exit code."""
    return run_command("evaluate", "arcvae.app.jobs.evaluate.evaluate", check_files)


if __name__ == "__main__":
    sys.exit(main())
