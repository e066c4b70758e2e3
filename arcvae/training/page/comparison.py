"""The page of several runs, or of a sweep: a table of variants with intervals over seeds, and their curves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from scipy import stats

from arcvae.training.comparison import Summary, recommend, summary
from arcvae.training.page.curves import curves, legend
from arcvae.training.page.parts import page, shown, table, text, words
from arcvae.training.page.run import drawn_trivial, findings, headline, points, trivial_level
from arcvae.training.record import RunRecord, verdict_on
from arcvae.training.task import Task

LEVEL: Final = 0.95
"""Share of the intervals that hold the mean over all seeds, if figures are normal."""

Unfinished = Sequence[tuple[str, str, str]]
"""What was asked for, its state, and the reason, of jobs without a record."""


def comparison_page(
    title: str,
    variants: Mapping[str, Sequence[RunRecord]],
    task: Task[Any, Any],
    *,
    lower_is_better: Sequence[str] = (),
    unfinished: Unfinished = (),
) -> str:
    """The page of several runs.

    Args:
        title: Heading.
        variants: Records of each variant, one for each seed.
        task: What they are runs of.
        lower_is_better: Metrics that improve by falling.
        unfinished: Jobs of a sweep that are not among the variants.
    """
    everyone = [record for records in variants.values() for record in records]
    columns = headline(everyone[0], task)
    rank = columns[0] if columns else "loss"
    split = "test" if all(record.test for record in everyone) else "val"
    ordered = _ordered(variants, rank, "val", falling=rank in lower_is_better)
    named = {(name or "this run"): variants[name] for name in ordered}
    sections = [
        ("table", "Variants", _table(named, columns, split, task) + _corpora(everyone)),
        ("unfinished", "Not finished", _unfinished(unfinished)),
        ("findings", "What stands out", _findings(named)),
        ("curves", "Curves", _curves(named, task, columns)),
        ("runs", "Runs", _runs(named, rank)),
    ]
    return page(title, _recommendation(named, columns, lower_is_better), sections)


def interval(values: Sequence[float]) -> tuple[float, float] | None:
    """The interval for a mean over seeds by Student's t; None for fewer than two values.

    Example:
        >>> low, high = interval([0.1, 0.2, 0.3])
        >>> f"{low:.3f} to {high:.3f}"  # .2 +- 4.303 x .1 / sqrt(3)
        '-0.048 to 0.448'
    """
    if len(values) < 2:
        return None
    found = Summary(tuple(values))
    half = float(stats.t.ppf((1 + LEVEL) / 2, len(values) - 1)) * found.spread / math.sqrt(len(values))
    return found.mean - half, found.mean + half


def _ordered(variants: Mapping[str, Sequence[RunRecord]], metric: str, split: str, *, falling: bool) -> list[str]:
    """Names of variants, the best first; those without the metric last."""

    def place(name: str) -> float:
        mean = summary(variants[name], split, metric).mean
        return math.inf if math.isnan(mean) else mean if falling else -mean

    return sorted(variants, key=place)


def _recommendation(
    variants: Mapping[str, Sequence[RunRecord]], columns: Sequence[str], lower_is_better: Sequence[str]
) -> str:
    if len(variants) < 2 or not columns:
        return ""
    chosen, reason = recommend(variants, columns[:2], lower_is_better)
    kind = "verdict" if chosen else "verdict bad"
    return f'<p class="{kind}">Recommendation: {text(chosen or "none")}</p><p>{text(reason)}</p>'


def _table(
    variants: Mapping[str, Sequence[RunRecord]], columns: Sequence[str], split: str, task: Task[Any, Any]
) -> str:
    rows = []
    for name, records in variants.items():
        seconds = summary_of_seconds(records)
        cells = [_mean(summary(records, split, column)) for column in columns]
        rows.append([text(name), text(verdict_on(records)), str(len(records)), *cells, seconds])
    trivial = next(iter(variants.values()))[0].baseline
    rows.append([text(f"{task.trivial_name} predictor"), "—", "", *(shown(trivial.get(c)) for c in columns), "—"])
    headings = ["", "verdict", "seeds", *(column.replace("_", " ") for column in columns), "training (s)"]
    several = max(len(records) for records in variants.values()) > 1
    spread = (
        f"; mean ± standard deviation over seeds, below it the {100 * LEVEL:.0f} % interval of the mean"
        if several
        else "; one seed each"
    )
    return table(headings, rows, caption=f"Figures of the {split} split at the plain argmax{spread}")


def _mean(found: Summary) -> str:
    limits = interval(found.values)
    below = "" if limits is None else f'<br><small class="quiet">{limits[0]:.3f} to {limits[1]:.3f}</small>'
    return f"{text(found)}{below}"


def summary_of_seconds(records: Sequence[RunRecord]) -> str:
    """Mean time of training of some runs, as HTML."""
    found = Summary(tuple(record.train_seconds for record in records if record.train_seconds))
    return f"{found.mean:.0f}" if found.values else "—"


def _corpora(records: Sequence[RunRecord]) -> str:
    if len({record.corpus.get("sha256") for record in records}) < 2:
        return ""
    return '<p class="finding">These runs were not all made on the same corpus; their figures do not compare.</p>'


def _unfinished(jobs: Unfinished) -> str:
    rows = [[text(name), text(state), text(reason) or "—"] for name, state, reason in jobs]
    return table(["job", "state", "reason"], rows, kind="text") if rows else ""


def _findings(variants: Mapping[str, Sequence[RunRecord]]) -> str:
    parts = []
    for name, records in variants.items():
        every = {str(sorted(finding.items())): finding for record in records for finding in record.findings}
        if every:
            parts.append(f"<h3>{text(name)}</h3>{findings(list(every.values()))}")
    return "".join(parts) or "<p>Nothing stands out.</p>"


def _curves(variants: Mapping[str, Sequence[RunRecord]], task: Task[Any, Any], columns: Sequence[str]) -> str:
    first = next(iter(variants.values()))[0]
    panels = []
    for name in dict.fromkeys(("loss", *columns)):
        series = {variant: [points(record, f"val/{name}") for record in every] for variant, every in variants.items()}
        panels.append(curves(f"{name.replace('_', ' ')} (val)", series, trivial_level(first, name)))
    drawn = "".join(panels)
    return f'{legend(list(variants), drawn_trivial(drawn, task))}<div class="curves">{drawn}</div>' if drawn else ""


def _runs(variants: Mapping[str, Sequence[RunRecord]], metric: str) -> str:
    rows = [
        [text(record.run_id), text(name), str(record.seed), shown(record.epochs), shown(record.val.get(metric)),
         shown(record.results("test").get(metric)), shown(record.train_seconds), text(record.version)]
        for name, records in variants.items()
        for record in records
    ]  # fmt: skip
    what = words(metric)
    return table(["run", "variant", "seed", "epochs", f"{what}, val", f"{what}, test", "training (s)", "arcvae"], rows)
