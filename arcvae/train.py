"""Train a model: ``python -m arcvae.train [loss=option_b] [trainer=quick_test] ...``.

Leaves a folder below ``outputs/`` with checkpoints, exports, pictures, metrics and the config; see README.md.
"""

from __future__ import annotations

import sys

from arcvae.app.command import run_command
from arcvae.app.preflight import check_training


def main() -> int:
    """Entry point; returns the exit code."""
    return run_command("train", "arcvae.app.jobs.train.train", check_training)


if __name__ == "__main__":
    sys.exit(main())
