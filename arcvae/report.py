"""Write one page of a run, of several, or of a sweep: ``python -m arcvae.report RUN... [out=page.html]``.

The page is one HTML file that needs nothing else: verdict, figures beside the trivial predictor, curves, pictures, and
how to make the run again; for codes of objects an explorer in which one paints grids and moves objects. Also of a model
that comes with arcvae: ``python -m arcvae.report atomic-objects``.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from arcvae.app.command import run_command
from arcvae.app.overrides import words_as_list
from arcvae.app.reported import require_page, require_runs


def check(config: dict[str, Any]) -> None:
    """Refuse what is no run, and a place that is no page, before anything is written."""
    require_runs(config["runs"])
    if config["out"]:
        require_page(Path(config["out"]))


def main() -> int:
    """Entry point; returns the exit code."""
    sys.argv[1:] = words_as_list("runs", sys.argv[1:])
    return run_command("report", "arcvae.app.jobs.report.report", check)


if __name__ == "__main__":
    sys.exit(main())
