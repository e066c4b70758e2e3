"""Train variants and compare them: ``python -m arcvae.compare [study=options] ['seeds=[1,2,3]']``.

Or compare runs that are there: ``python -m arcvae.compare 'runs=[FOLDER,FOLDER]'``, or ``runs=last:5`` for the newest.
Studies that measure codes take models that come with arcvae as well: ``python -m arcvae.compare study=operations
'runs=[atomic-objects]'``. Leaves a report below ``outputs/compare/``; see README.md.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from arcvae.app.checks import require_arguments
from arcvae.app.command import run_command
from arcvae.app.compose import plan
from arcvae.app.found_runs import named_runs
from arcvae.app.shipped import comes_with_arcvae
from arcvae.app.variants import jobs_of
from arcvae.errors import DataError


def check(config: dict[str, Any]) -> None:
    """Compose every run of a study, and look for every folder that is given, before anything is written."""
    runs = named_runs(config)
    named = [run for run in runs if comes_with_arcvae(run)]
    if named and not config["study"].get("measure"):
        raise DataError(f"{named[0]} comes with arcvae, without the record of its run; give it to study=operations")
    for run in runs:
        if run not in named and not (Path(run) / "metrics.json").is_file():
            raise DataError(f"{run} holds no metrics.json; give the folder of a finished training run")
    if not runs:
        jobs = [job for overrides in jobs_of(config).values() for job in plan("train", overrides)]
        for prior in config["study"].get("priors") or []:
            plan("sample", [f"prior={prior}"])
        require_arguments(jobs)


def main() -> int:
    """Entry point; returns the exit code."""
    return run_command("compare", "arcvae.app.jobs.compare.compare", check)


if __name__ == "__main__":
    sys.exit(main())
