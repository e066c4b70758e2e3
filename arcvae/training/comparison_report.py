"""The report of a comparison, in Markdown."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from arcvae.training.comparison import (
    Summary,
    effects,
    goal_lines,
    recommend,
    same_corpus,
    stabilities,
    summary,
)
from arcvae.training.record import RunRecord, verdict_on
from arcvae.training.settings import SETTINGS

NOT_THE_SAME = "These runs were not all made on the same corpus; their figures do not compare"
_COSTS = ("training (s)", "per epoch (s)", "memory (MiB)", "parameters")


def markdown(
    variants: Mapping[str, Sequence[RunRecord]],
    study: Mapping[str, Any],
    lower_is_better: Collection[str] = SETTINGS.lower_is_better,
    schedules: Collection[str] = (),
    reused: Collection[str] = (),
) -> str:
    """The report: table of metrics, recommendation, goals, findings, stability, and the list of runs.

    Args:
        variants: Records of the runs of each variant.
        study: ``columns`` (metrics of the table), ``rank`` (metrics that decide), ``curves`` (columns of
            ``metrics.csv``) and, if there are any, ``goals``; see :func:`arcvae.training.comparison.goal_lines`.
        lower_is_better: Metrics that improve by falling.
        schedules: Metrics that only follow the schedule of a run.
        reused: Ids of runs that were there before, beside others that were trained for this comparison.
    """
    rank = study["rank"]
    chosen, reason = recommend(variants, rank, lower_is_better)
    lines = ["# Comparison", ""] + ([f"**{NOT_THE_SAME}.**", ""] if not same_corpus(variants) else [])
    lines += _table(variants, study["columns"], rank[0], reused)
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
        lines += [f"- {name}, seed {r.seed}: `{r.run_id}`, {r.epochs} epoch{'s'[: r.epochs != 1]}" for r in records]
    return "\n".join(lines) + "\n"


def terminal(
    variants: Mapping[str, Sequence[RunRecord]],
    study: Mapping[str, Any],
    width: int,
    lower_is_better: Collection[str] = SETTINGS.lower_is_better,
) -> str:
    """The comparison for a terminal: variants with their main figures, best first, and the recommendation.

    Args:
        variants: Records of the runs of each variant.
        study: As for :func:`markdown`.
        width: Columns of the terminal; of the figures as many are shown as fit.
        lower_is_better: Metrics that improve by falling.
    """
    rank, everyone = study["rank"], [record for records in variants.values() for record in records]
    split = "test" if all(record.test for record in everyone) else "val"
    columns = list(dict.fromkeys([*rank, *study["columns"]]))
    rows = [["", *columns, "verdict"]]
    trivial = [str(summary(everyone[:1], "baseline", column)) for column in columns]
    falling = rank[0] in lower_is_better
    ranked = sorted(variants.items(), key=lambda item: _rank(summary(item[1], split, rank[0]).mean, falling))
    for name, records in ranked:
        figures = [str(summary(records, split, column)) for column in columns]
        rows.append([name, *figures, verdict_on(records)])
    rows.append(["trivial predictor", *trivial, ""])
    chosen, reason = recommend(variants, rank, lower_is_better)
    lines = [f"Figures of the {split} split, best {rank[0]} first", *fitted(rows, width)]
    lines += ["", *textwrap.wrap(f"Recommendation: {chosen or 'none'}. {reason}", width)]
    return "\n".join(lines + ([] if same_corpus(variants) else ["", f"{NOT_THE_SAME}."]))


def fitted(rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """The lines of a table that fits a width: columns are left out before the last one until it does.

    Args:
        rows: Heading and rows; the first cell, a name, stands last, because names are long.
        width: Columns of the terminal.

    Example:
        >>> print("\\n".join(fitted([["", "f1", "loss", "verdict"], ["A", "0.5", "3.0", "fine"]], 18)))
         f1  verdict
        0.5     fine  A
    """
    table = [[str(cell) for cell in row] for row in rows]
    spans = [max(len(row[place]) for row in table) for place in range(len(table[0]))]
    shown = list(range(1, len(spans)))
    while len(shown) > 2 and sum(spans[place] + 2 for place in shown) + min(spans[0], width // 3) > width:
        shown.remove(shown[-2])
    return ["  ".join([*(row[place].rjust(spans[place]) for place in shown), row[0]]).rstrip() for row in table]


def _rank(value: float, falling: bool) -> float:
    """The best first, and what is not a number last."""
    return math.inf if math.isnan(value) else value if falling else -value


def _table(
    variants: Mapping[str, Sequence[RunRecord]], columns: Sequence[str], first: str, reused: Collection[str]
) -> list[str]:
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
        fresh = [record for record in records if record.run_id not in reused]
        figures += [summary(records, "adjusted", first), verdict_on(records), *_costs(fresh, records)]
        lines.append(_row([name, *figures]))
    if reused:
        lines += [
            "",
            "Times and memory are those of the runs that were trained now, without others.",
        ]
    return lines


def _costs(fresh: Sequence[RunRecord], every: Sequence[RunRecord]) -> list[str]:
    """Costs of the runs that were measured together, and parameters."""
    seconds = Summary(tuple(r.train_seconds for r in fresh if r.train_seconds))
    epoch = Summary(tuple(r.train_seconds / r.epochs for r in fresh if r.train_seconds and r.epochs))
    memory = Summary(tuple(r.peak_memory_mib for r in fresh if r.peak_memory_mib))
    return [
        *(f"{found.mean:.0f}" if found.values else "—" for found in (seconds, epoch, memory)),
        str(every[0].parameters or "—"),
    ]


def _finding(finding: Mapping[str, str]) -> str:
    return f"**{finding['name']}**: {finding['evidence']}. Cause: {finding['cause']}. Remedy: {finding['remedy']}."


def _row(cells: Sequence[object]) -> str:
    return "| " + " | ".join(str(cell) for cell in cells) + " |"
