"""The report of a comparison, in Markdown."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from arcvae.training.comparison import (
    Summary,
    collapses,
    effects,
    goal_lines,
    recommend,
    stabilities,
    summary,
)
from arcvae.training.record import RunRecord
from arcvae.training.settings import SETTINGS

_COSTS = ("training (s)", "per epoch (s)", "memory (MiB)", "parameters")


def markdown(
    variants: Mapping[str, Sequence[RunRecord]],
    study: Mapping[str, Any],
    lower_is_better: Collection[str] = SETTINGS.lower_is_better,
    schedules: Collection[str] = (),
) -> str:
    """The report: table of metrics, recommendation, goals, findings, stability, and the list of runs.

    Args:
        variants: Records of the runs of each variant.
        study: ``columns`` (metrics of the table), ``rank`` (metrics that decide), ``curves`` (columns of
            ``metrics.csv``) and, if there are any, ``goals``; see :func:`arcvae.training.comparison.goal_lines`.
        lower_is_better: Metrics that improve by falling.
        schedules: Metrics that only follow the schedule of a run.
    """
    rank = study["rank"]
    chosen, reason = recommend(variants, rank)
    lines = ["# Comparison", "", *_table(variants, study["columns"], rank[0])]
    lines += ["", f"**Recommendation: {chosen or 'none'}.** {reason}"]
    if goals := study.get("goals"):
        lines += ["", "## Go or no-go", "", *(f"- {line}" for line in goal_lines(variants, goals))]
    if sentence := effects(variants, rank[0]):
        lines += ["", sentence]
    lines += ["", "## What stands out", ""]
    for name, records in variants.items():
        texts = sorted({_finding(finding) for record in records for finding in record.findings})
        lines += [f"- {name}: {text}" for text in texts] or [f"- {name}: nothing"]
    lines += ["", "## Stability on validation", "", "Trailing mean of 3 epochs; the worst run of each variant.", ""]
    lines += [_row(["", "figure", "steps that worsen", "largest drop"]), _row(["---"] * 4)]
    for name, records in variants.items():
        for column, found in stabilities(records, list(study["curves"]), lower_is_better, schedules).items():
            lines.append(_row([name, column, f"{100 * found['worse_share']:.0f} %", f"{found['largest_drop']:.4f}"]))
    lines += ["", "## Runs", ""]
    for name, records in variants.items():
        lines += [f"- {name}, seed {r.seed}: `{r.run_id}`, {r.epochs} epochs" for r in records]
    return "\n".join(lines) + "\n"


def _table(variants: Mapping[str, Sequence[RunRecord]], columns: Sequence[str], first: str) -> list[str]:
    everyone = [record for records in variants.values() for record in records]
    split = "test" if all(record.test for record in everyone) else "val"
    spread = ": mean ± standard deviation over seeds." if len(everyone) > len(variants) else "; one seed each."
    lines = [f"Figures of the {split} split at the plain argmax{spread}", ""]
    lines.append(_row(["", *columns, f"{first}, logit adjusted", "verdict", *_COSTS]))
    lines.append(_row(["---"] * (len(columns) + 3 + len(_COSTS))))
    figures: list[object] = [summary(everyone[:1], "baseline", column) for column in columns]
    lines.append(_row(["trivial predictor", *figures, *["—"] * (2 + len(_COSTS))]))
    for name, records in variants.items():
        figures = [summary(records, split, column) for column in columns]
        verdict = ", ".join(collapses(records)).upper() or "no collapse"
        figures += [summary(records, "adjusted", first), verdict, *_costs(records)]
        lines.append(_row([name, *figures]))
    return lines


def _costs(records: Sequence[RunRecord]) -> list[str]:
    seconds = Summary(tuple(r.train_seconds for r in records if r.train_seconds))
    epoch = Summary(tuple(r.train_seconds / r.epochs for r in records if r.train_seconds and r.epochs))
    memory = Summary(tuple(r.peak_memory_mib for r in records if r.peak_memory_mib))
    return [
        *(f"{found.mean:.0f}" if found.values else "—" for found in (seconds, epoch, memory)),
        str(records[0].parameters or "—"),
    ]


def _finding(finding: Mapping[str, str]) -> str:
    return f"**{finding['name']}**: {finding['evidence']}. Cause: {finding['cause']}. Remedy: {finding['remedy']}."


def _row(cells: Sequence[object]) -> str:
    return "| " + " | ".join(str(cell) for cell in cells) + " |"
