"""Comparing runs: means over seeds, how steadily they learned, and which variant to take, by a stated rule."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from arcvae.errors import DataError

ONE_SEED_NOISE: Final = 0.005
"""With one seed each, differences up to this count as noise."""
RULE: Final = (
    "among the variants of which no run collapsed, the one with the highest mean {first} on validation; if others are "
    "within noise of it, the one of them with the highest {second}"
)
_BETTER_LOW = ("loss", "reconstruction", "kl")

Record = dict[str, Any]


def read_record(folder: Path) -> Record:
    """What ``metrics.json`` of a training run holds.

    Raises:
        DataError: There is none, or it is not that of a training run.
    """
    path = folder / "metrics.json"
    try:
        record = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise DataError(f"{folder} holds no metrics.json; give the folder of a finished training run") from None
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read {path}: {error}") from None
    needed = ("run_id", "config_hash", "val", "verdict", "baseline", "seed")
    if not isinstance(record, dict) or any(name not in record for name in needed):
        raise DataError(f"{path} is not the record of a training run; give a folder below outputs/train")
    return record


@dataclass(frozen=True)
class Summary:
    """Mean over seeds and its spread."""

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """NaN without values."""
        return statistics.fmean(self.values) if self.values else math.nan

    @property
    def spread(self) -> float:
        """Standard deviation over seeds; NaN for fewer than two."""
        return statistics.stdev(self.values) if len(self.values) > 1 else math.nan

    def __str__(self) -> str:
        digits = 1 if abs(self.mean) >= 10 else 3 if abs(self.mean) >= 0.01 or not self.mean else 4
        shown = "—" if math.isnan(self.mean) else f"{self.mean:.{digits}f}"
        return shown if math.isnan(self.spread) else f"{shown} ± {self.spread:.{digits}f}"


def summary(records: Sequence[Record], split: str, metric: str) -> Summary:
    """A scalar metric of a split over runs; runs that lack it are left out."""
    values = ((record.get(split) or {}).get(metric) for record in records)
    return Summary(tuple(float(value) for value in values if isinstance(value, int | float)))


def within_noise(one: Summary, other: Summary) -> bool:
    """Whether two means differ by less than twice the standard error of their difference."""
    difference = abs(one.mean - other.mean)
    if math.isnan(one.spread) or math.isnan(other.spread):
        return difference <= ONE_SEED_NOISE
    error = math.hypot(one.spread / math.sqrt(len(one.values)), other.spread / math.sqrt(len(other.values)))
    return difference <= 2 * error


def collapses(records: Sequence[Record]) -> list[str]:
    """Names of the collapses among the runs of a variant."""
    found = (name for record in records for name, value in record["verdict"].items() if value is True)
    return sorted({name.replace("_", " ") for name in found})


def recommend(variants: Mapping[str, Sequence[Record]], rank: Sequence[str]) -> tuple[str | None, str]:
    """The variant to take, by :data:`RULE`, and the reason in a sentence."""
    first, second = rank[0], rank[1] if len(rank) > 1 else rank[0]
    rule = f"Rule: {RULE.format(first=first, second=second)}."
    alive = {name: records for name, records in variants.items() if not collapses(records)}
    if not alive:
        return None, f"Every variant collapsed. {rule}"
    score = {name: summary(records, "val", first) for name, records in alive.items()}
    best = max(score, key=lambda name: score[name].mean)
    close = [name for name in alive if within_noise(score[name], score[best])]
    chosen = max(close, key=lambda name: summary(alive[name], "val", second).mean)
    others = ", ".join(f"{name} {score[name]}" for name in score if name != chosen)
    reason = f"{first} on validation {score[chosen]}" + (f" against {others}" if others else "")
    if len(close) > 1:
        reason += f"; {', '.join(close)} are within noise, {second} decides"
    seeds = min(len(records) for records in alive.values())
    if seeds == 1:
        reason += f" (one seed each: differences up to {ONE_SEED_NOISE} count as noise)"
    if dead := sorted(set(variants) - set(alive)):
        reason += f"; collapsed: {', '.join(dead)}"
    return chosen, f"{reason}. {rule}"


def stability(values: Sequence[float], *, lower_is_better: bool = False, window: int = 3) -> dict[str, float]:
    """How steadily a validation figure improves.

    Args:
        values: One per epoch.
        lower_is_better: For a loss.
        window: Epochs of the trailing mean that smooths it.

    Returns:
        ``worse_share``: share of steps at which the smoothed figure worsens. ``largest_drop``: by how much, at
        most, it lies below its best so far; >= 0.

    Example:
        >>> stability([0.0, 0.4, 0.2, 0.6], window=1)
        {'worse_share': 0.3333, 'largest_drop': 0.2}
    """
    sign = -1.0 if lower_is_better else 1.0
    smooth = [sign * statistics.fmean(values[max(0, end - window) : end]) for end in range(1, len(values) + 1)]
    steps = list(pairwise(smooth))
    best, drop = -math.inf, 0.0
    for value in smooth:
        best = max(best, value)
        drop = max(drop, best - value)
    worse = sum(after < before for before, after in steps) / len(steps) if steps else 0.0
    return {"worse_share": round(worse, 4), "largest_drop": round(drop, 4)}


def stabilities(records: Sequence[Record], columns: Sequence[str]) -> dict[str, dict[str, float]]:
    """The stability of each scalar validation curve, the worst among the runs of a variant."""
    found = {}
    for column in columns:
        split, _, metric = column.partition("/")
        runs = [[row[column] for row in record.get("history", []) if column in row] for record in records]
        if split != "val" or metric == "beta" or not all(runs):
            continue
        each = [stability(run, lower_is_better=metric in _BETTER_LOW) for run in runs]
        found[column] = {name: max(entry[name] for entry in each) for name in each[0]}
    return found


def markdown(
    variants: Mapping[str, Sequence[Record]], columns: Sequence[str], curves: Sequence[str], rank: Sequence[str]
) -> str:
    """The report: figures, verdicts, stability, runs, recommendation."""
    chosen, reason = recommend(variants, rank)
    everyone = [record for records in variants.values() for record in records]
    split = "test" if all(record.get("test") for record in everyone) else "val"
    lines = [
        "# Comparison",
        "",
        f"Figures of the {split} split at the plain argmax" + _spread_note(everyone, variants),
        "",
    ]
    tuned = f"{rank[0]}, tuned decision"
    lines += _row(["", *columns, tuned, "verdict", "training (s)", "parameters"])
    lines += _row(["---"] * (len(columns) + 5))
    baseline = [
        Summary((v,)) if isinstance(v := everyone[0]["baseline"].get(name), int | float) else "—" for name in columns
    ]
    lines += _row(["trivial predictor", *baseline, "—", "—", "—", "—"])
    for name, records in variants.items():
        figures = [summary(records, split, column) for column in columns]
        verdict = ", ".join(collapses(records)).upper() or "no collapse"
        seconds = Summary(tuple(record["train_seconds"] for record in records if record.get("train_seconds")))
        extra = [
            summary(records, "at_tuned_decision", rank[0]),
            verdict,
            f"{seconds.mean:.0f}",
            records[0].get("parameters", "—"),
        ]
        lines += _row([name, *figures, *extra])
    lines += ["", f"**Recommendation: {chosen or 'none'}.** {reason}", "", "## What stands out", ""]
    for name, records in variants.items():
        texts = sorted({_finding(finding) for record in records for finding in record.get("diagnosis", [])})
        lines += [f"- {name}: {text}" for text in texts] or [f"- {name}: nothing"]
    lines += ["", "## Stability on validation", "", "Trailing mean of 3 epochs; the worst run of each variant.", ""]
    lines += _row(["", "figure", "steps that worsen", "largest drop"]) + _row(["---"] * 4)
    for name, records in variants.items():
        for column, found in stabilities(records, curves).items():
            lines += _row([name, column, f"{100 * found['worse_share']:.0f} %", f"{found['largest_drop']:.4f}"])
    lines += ["", "## Runs", ""]
    for name, records in variants.items():
        lines += [f"- {name}, seed {r['seed']}: `{r['run_id']}`, {r.get('epochs')} epochs" for r in records]
    return "\n".join(lines) + "\n"


def _spread_note(everyone: Sequence[Record], variants: Mapping[str, Sequence[Record]]) -> str:
    return "." if len(everyone) == len(variants) else ": mean ± standard deviation over seeds."


def _finding(finding: Mapping[str, str]) -> str:
    return f"**{finding['name']}**: {finding['evidence']}. Cause: {finding['cause']}. Remedy: {finding['remedy']}."


def _row(cells: Sequence[object]) -> list[str]:
    return ["| " + " | ".join(str(cell) for cell in cells) + " |"]
