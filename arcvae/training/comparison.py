"""Comparing runs: means over seeds, how steadily they learned, and which variant to choose by a fixed rule."""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from arcvae.training.record import NO_COLLAPSE, RunRecord, verdict_on
from arcvae.training.settings import SETTINGS

ONE_SEED_NOISE: Final = 0.005
"""With one seed each, differences up to this count as noise, and larger ones where there are few samples."""
RULE: Final = (
    "among the variants of which no run collapsed, the one with the {most} mean {first} on validation; if others are "
    "within noise of it, the one of them with the {next_most} {second}"
)


@dataclass(frozen=True)
class Summary:
    """Values of a metric over seeds, with their mean and spread; as text ``mean ± spread``."""

    values: tuple[float, ...]
    samples: int = 0
    """Samples that each value was measured on; 0 if that is not known."""

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


def summary(records: Sequence[RunRecord], split: str, metric: str) -> Summary:
    """A scalar metric over runs; runs without it are left out.

    Args:
        records: Records of the runs.
        split: See :meth:`RunRecord.results`.
        metric: Name of the metric.
    """
    values = (record.results(split).get(metric) for record in records)
    samples = min((record.samples.get(split) or 0 for record in records), default=0)
    return Summary(tuple(float(value) for value in values if isinstance(value, int | float)), samples)


def noise(one: Summary, other: Summary) -> float:
    """The largest difference of two means that counts as noise: twice the standard error of their difference.

    With one seed each, the error is that of two shares of so many samples, ``sqrt(p (1 - p) / n)`` each, and the noise
    at least :data:`ONE_SEED_NOISE`.

    Example:
        >>> round(noise(Summary((0.2,), samples=45), Summary((0.2,), samples=45)), 3)
        0.169
    """
    if not (math.isnan(one.spread) or math.isnan(other.spread)):
        errors = (entry.spread / math.sqrt(len(entry.values)) for entry in (one, other))
        return 2 * math.hypot(*errors)
    if not (one.samples and other.samples):
        return ONE_SEED_NOISE
    shares = ((min(1.0, max(0.0, entry.mean)), entry.samples) for entry in (one, other))
    return max(ONE_SEED_NOISE, 2 * math.sqrt(sum(share * (1 - share) / count for share, count in shares)))


def within_noise(one: Summary, other: Summary) -> bool:
    """Whether two means differ by no more than :func:`noise`."""
    return abs(one.mean - other.mean) <= noise(one, other)


def same_corpus(variants: Mapping[str, Sequence[RunRecord]]) -> bool:
    """Whether all runs were made on the same corpus, without which their figures do not compare."""
    return len({record.corpus.get("sha256") for found in variants.values() for record in found}) <= 1


def recommend(
    variants: Mapping[str, Sequence[RunRecord]],
    rank: Sequence[str],
    lower_is_better: Collection[str] = SETTINGS.lower_is_better,
) -> tuple[str | None, str]:
    """The variant to choose by :data:`RULE`, and the reason in a sentence.

    Args:
        variants: Records by name of the variant.
        rank: Names of the metric that decides and, if given, of the one that decides among variants within noise.
        lower_is_better: Metrics that improve by falling.

    Returns:
        None instead of a name if every variant collapsed or none has the metric.
    """
    first, second = rank[0], rank[1] if len(rank) > 1 else rank[0]
    most, next_most = ("lowest" if metric in lower_is_better else "highest" for metric in (first, second))
    rule = f"Rule: {RULE.format(first=first, second=second, most=most, next_most=next_most)}."
    alive = {name: records for name, records in variants.items() if verdict_on(records) == NO_COLLAPSE}
    if not alive:
        return None, f"Every variant collapsed. {rule}"
    score = {name: found for name, records in alive.items() if (found := summary(records, "val", first)).values}
    if not score:
        return None, f"No run has {first} on validation; compare with a study of its task (study=...)."
    best = max(score, key=lambda name: _worth(score[name], first, lower_is_better))
    close = [name for name in score if within_noise(score[name], score[best])]
    chosen = max(close, key=lambda name: _worth(summary(alive[name], "val", second), second, lower_is_better))
    others = ", ".join(f"{name} {score[name]}" for name in score if name != chosen)
    reason = f"{first} on validation {score[chosen]}" + (f" against {others}" if others else "")
    if len(close) > 1:
        reason += f"; {', '.join(close)} are within noise, {second} decides"
    seeds = min(len(records) for records in alive.values())
    if seeds == 1:
        limit, samples = noise(score[best], score[best]), score[best].samples
        of_samples = f" with {samples} samples" if samples else ""
        reason += f" (one seed each{of_samples}: differences up to {limit:.3f} count as noise)"
    if dead := sorted(set(variants) - set(alive)):
        reason += f"; collapsed: {', '.join(dead)}"
    return chosen, f"{reason}. {rule}"


def _worth(found: Summary, metric: str, lower_is_better: Collection[str]) -> float:
    return -found.mean if metric in lower_is_better else found.mean


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


def stabilities(
    records: Sequence[RunRecord],
    columns: Sequence[str],
    lower_is_better: Collection[str] = SETTINGS.lower_is_better,
    schedules: Collection[str] = (),
) -> dict[str, dict[str, float]]:
    """The stability of each scalar validation curve, the worst among the runs of a variant.

    Args:
        records: Records of the runs.
        columns: Curves, such as ``val/loss``.
        lower_is_better: Metrics that improve by falling.
        schedules: Metrics that only follow the schedule of a run; they are left out.
    """
    found = {}
    for column in columns:
        split, _, metric = column.partition("/")
        runs = [[v for row in record.history if (v := row.get(column)) is not None] for record in records]
        if split != "val" or metric in schedules or min(map(len, runs)) < 2:  # of one epoch nothing can be said
            continue
        each = [stability(run, lower_is_better=metric in lower_is_better) for run in runs]
        found[column] = {name: max(entry[name] for entry in each) for name in each[0]}
    return found


def goal_lines(variants: Mapping[str, Sequence[RunRecord]], goals: Mapping[str, Any]) -> list[str]:
    """Go or no-go for each variant: no collapse, better than a reference, above fixed thresholds; all on test.

    Args:
        variants: Records by name of the variant.
        goals: ``reference`` (a variant), ``better`` (metrics that must lie above the reference's) and ``above``
            (threshold by metric, or a list of them, of which the first decides).
    """
    reference = variants.get(goals.get("reference", ""), ())
    lines = []
    for name, records in variants.items():
        checks = [(NO_COLLAPSE, verdict_on(records) == NO_COLLAPSE)]
        for metric in goals.get("better", ()) if reference and records is not reference else ():
            base = summary(reference, "test", metric)
            checks.append(
                (
                    f"{metric} above that of {goals['reference']} ({base})",
                    summary(records, "test", metric).mean > base.mean,
                )
            )
        extra = []
        for metric, thresholds in goals.get("above", {}).items():
            found = summary(records, "test", metric)
            first, *more = thresholds if isinstance(thresholds, list) else [thresholds]
            checks.append((f"{metric} {found} above {first}", found.mean > first))
            extra += [f"{metric} above {further}: {'yes' if found.mean > further else 'no'}" for further in more]
        verdict = "GO" if all(passed for _, passed in checks) else "NO-GO"
        shown = [f"{what}: {'yes' if passed else 'no'}" for what, passed in checks]
        lines.append(f"{name}: **{verdict}** ({'; '.join(shown + extra)})")
    return lines


def effects(variants: Mapping[str, Sequence[RunRecord]], metric: str) -> str | None:
    """How much each of two choices moves a metric, for variants that are named "FIRST / SECOND"; else None.

    For each choice, the means over everything else are compared, on test.
    """
    pairs = {tuple(name.split(" / ")): summary(records, "test", metric).mean for name, records in variants.items()}
    if len(pairs) < 4 or any(len(pair) != 2 for pair in pairs):
        return None
    sentences, ranges = [], []
    for place, what in enumerate(("first", "second")):
        means = {
            option: statistics.fmean(value for pair, value in pairs.items() if pair[place] == option)
            for option in dict.fromkeys(pair[place] for pair in pairs)
        }
        low, high = min(means, key=lambda name: means[name]), max(means, key=lambda name: means[name])
        ranges.append(means[high] - means[low])
        sentences.append(
            f"the {what} choice moves it by {ranges[-1]:.3f} "
            f"(from {low}, {means[low]:.3f}, to {high}, {means[high]:.3f})"
        )
    more = "first" if ranges[0] > ranges[1] else "second"
    seeds = min(len(records) for records in variants.values())
    note = "; with one seed each, small differences mean nothing" if seeds == 1 else ""
    return f"Mean {metric} over all else: {' and '.join(sentences)}: the {more} matters more{note}."
