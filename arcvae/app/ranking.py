"""What a sweep has found: its training runs, best first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from arcvae.app.sweep import jobs_of_sweep
from arcvae.errors import ArcvaeError
from arcvae.training.comparison_report import fitted
from arcvae.training.record import RunRecord
from arcvae.training.run_folder import link_latest


@dataclass(frozen=True)
class Ranked:
    """A finished job of a sweep."""

    number: str
    folder: Path
    overrides: list[str]
    record: RunRecord

    @property
    def score(self) -> float:
        """The monitored figure, the higher the better; NaN-free."""
        found = self.record.best
        if found is None or found != found:
            return float("-inf")
        mode = self.record.monitor_mode or self.record.config.get("monitor_mode")
        return -found if mode == "min" else found


def ranked_jobs(sweep: Path) -> tuple[list[Ranked], list[str]]:
    """The finished training runs of a sweep, best first, and a line on each job that did not finish.

    Args:
        sweep: Its folder.
    """
    found: list[Ranked] = []
    lines: list[str] = []
    for number, job in jobs_of_sweep(sweep).items():
        folder, words = sweep / str(job["folder"]), job["overrides"]
        try:
            found.append(Ranked(number, folder, words, RunRecord.read(folder)))
        except ArcvaeError:
            lines.append(f"job {number} {job['state']}: {job['error'] or 'no record'} ({' '.join(words)})")
    return sorted(found, key=lambda job: -job.score), lines


def end_of_sweep(sweep: Path, output_dir: Path, width: int) -> str | None:
    """Let ``OUTPUT_DIR/latest`` point to the best run of a sweep; returns what to say of its jobs.

    Args:
        sweep: Its folder.
        output_dir: As for :func:`arcvae.training.run_folder.link_latest`.
        width: Columns of the terminal.

    Returns:
        A table of the jobs, best first, a line on each that did not finish, and one on the best; None if none finished.
    """
    jobs, lines = ranked_jobs(sweep)
    if not jobs:
        return None
    best = jobs[0].folder
    linked = link_latest(best, output_dir)
    lines.append(f"{output_dir / 'latest'} is the best of them, {best}" if linked else f"The best of them is {best}")
    return "\n".join([f"Jobs of {sweep}, best first", *fitted(_rows(jobs), width), *lines])


def _rows(jobs: Sequence[Ranked]) -> list[list[str]]:
    """The table of jobs, with a heading."""
    monitor = jobs[0].record.monitor or ""
    name, split = monitor.rpartition("/")[2], jobs[0].record.split
    common: set[str] = set.intersection(*(set(job.overrides) for job in jobs)) if len(jobs) > 1 else set()
    rows = [["", "job", monitor, f"{split}/{name}", "trivial", "verdict", "seconds"]]
    for job in jobs:
        record = job.record
        figures = (record.best, record.results(split).get(name), record.baseline.get(name))
        rows.append([
            " ".join(word for word in job.overrides if word not in common),
            job.number,
            *(f"{figure:.4f}" if isinstance(figure, int | float) else "—" for figure in figures),
            record.collapses,
            f"{record.train_seconds or 0:.0f}",
        ])  # fmt: skip
    return rows
