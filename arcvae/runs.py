"""List training runs, newest first: ``python -m arcvae.runs [output_dir=outputs] [limit=20]``.

With ``prune=true``, remove the checkpoints of those that nobody is working on, but for the best and the last of each.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from arcvae.app.command import run_command
from arcvae.errors import DataError


def check(config: dict[str, Any]) -> None:
    """Refuse a folder that is not there."""
    if not Path(config["output_dir"]).is_dir():
        raise DataError(f"output_dir={config['output_dir']}: there is no such folder; train first, or name another")


def main() -> int:
    """Entry point; returns the exit code."""
    return run_command("runs", "arcvae.app.jobs.runs.runs", check)


if __name__ == "__main__":
    sys.exit(main())
