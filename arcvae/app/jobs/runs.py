"""The job of ``arcvae.runs``: list training runs, and remove checkpoints that nothing needs."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from arcvae.app.found_runs import FoundRun, found_runs
from arcvae.errors import BusyError

log = logging.getLogger("arcvae")

_MIB = 2**20


def runs(config: dict[str, Any], _shown: dict[str, Any], _folder: Path, _command: Sequence[str]) -> None:
    """List runs, and prune them if that is asked for.

    Args:
        config: Plain, resolved and checked config (``conf/runs.yaml``).
    """
    output_dir = Path(config["output_dir"])
    found = found_runs(output_dir)
    if not found:
        log.info("There are no runs below %s", output_dir)
        return
    for run in found[: config["limit"]]:
        log.info("%s", described(run, output_dir))
    older = len(found) - config["limit"]
    hidden = f", {older} of them older (limit={len(found)} shows all)" if older > 0 else ""
    log.info(
        "%s below %s%s; %.1f MiB",
        _counted(len(found), "run"),
        output_dir,
        hidden,
        sum(run.size for run in found) / _MIB,
    )
    files = [path for run in found for path in run.superfluous]
    if config["prune"]:
        log.info("Freed %.1f MiB", sum(map(_pruned, found)) / _MIB)
    elif files:
        size = sum(path.stat().st_size for path in files) / _MIB
        what = _counted(len(files), "superfluous checkpoint")
        log.info("prune=true keeps the best and the last: it removes %s, %.1f MiB", what, size)


def described(run: FoundRun, output_dir: Path) -> str:
    """Two lines on a run, of at most 100 columns but for long overrides."""
    seconds = "" if run.record is None or run.record.train_seconds is None else f"{run.record.train_seconds:.0f} s"
    name = run.folder.relative_to(output_dir).as_posix()
    first = f"{name:<40} {run.state:<12}{run.epochs:>4} epochs {seconds:>9} {run.size / _MIB:>9.1f} MiB"
    said = [part for part in (run.figure, run.verdict, " ".join(run.overrides)) if part]
    return f"{first}\n    {'; '.join(said) or 'no overrides'}"


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _pruned(run: FoundRun) -> int:
    try:
        return run.prune()
    except BusyError:  # a run has begun there since it was looked at
        return 0
