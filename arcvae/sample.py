"""Draw grids from a trained model: ``python -m arcvae.sample ckpt_path=... num_samples=64 seed=0 [prior=aggregate]``.

Leaves ``samples.npz``, ``samples.png``, ``metrics.json`` and, if it trains one, ``prior.safetensors`` in a folder below
``outputs/sample/``; see README.md.
"""

from __future__ import annotations

import sys

from arcvae.app.command import run_command
from arcvae.app.preflight import check_files


def main() -> int:
    """Entry point; returns the exit code."""
    return run_command("sample", "arcvae.app.jobs.sample.sample", check_files)


if __name__ == "__main__":
    sys.exit(main())
