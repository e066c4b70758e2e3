"""The page of one run: its verdict first, then figures, curves, pictures, and how to make it again."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from arcvae.training.page.curves import curves, legend
from arcvae.training.page.parts import PagePart, page, shown, table, text, words
from arcvae.training.record import NO_COLLAPSE, RunRecord
from arcvae.training.task import Task

LARGEST: Final = 8_000_000
"""Most bytes of a page."""
_PNG: Final = b"\x89PNG\r\n\x1a\n"
_TILES: Final = 4
_MADE_WITH: Final = ("python", "platform", "git_commit", "git_dirty")


def run_page(
    record: RunRecord,
    task: Task[Any, Any],
    *,
    command: str,
    changes: Sequence[tuple[str, object, object]],
    pictures: Mapping[str, bytes],
    parts: Sequence[PagePart] = (),
) -> str:
    """The page of a run.

    Args:
        record: Of the run.
        task: What it is a run of.
        command: What to type to make it again.
        changes: Key, default, and value of the run, where these differ.
        pictures: PNG files by name; those for which there is no room are named only.
        parts: What the task adds.
    """
    found = [
        ("figures", "Figures", _figures(record, task)),
        ("findings", "What stands out", findings(record.findings)),
        ("curves", "Curves", _curves(record, task)),
        ("pictures", "Pictures", "{pictures}"),
        ("classes", "Classes", _classes(record, task)),
        ("changes", "What differs from the defaults", _changes(changes)),
        ("again", "How to make it again", _again(record, command)),
    ]
    title, lead = f"Run {record.run_id}", verdict_line(record) + _tiles(record, task)
    room = LARGEST - len(page(title, lead, found, parts).encode())
    found[3] = ("pictures", "Pictures", _pictures(pictures, room))
    return page(title, lead, found, parts)


def verdict_line(record: RunRecord) -> str:
    """Whether the model has collapsed, and the numbers that say so."""
    numbers = [f"{words(name)} {shown(value)}" for name, value in record.verdict.items() if not isinstance(value, bool)]
    said = record.collapses
    kind = "verdict" if said == NO_COLLAPSE else "verdict bad"
    more = f' <small class="quiet">({", ".join(numbers)})</small>' if numbers else ""
    return f'<p class="{kind}">{text(said[0].upper() + said[1:])}{more}</p>'


def findings(entries: Sequence[Mapping[str, Any]]) -> str:
    """Faults of a model, each with its evidence, cause and remedy."""
    if not entries:
        return "<p>Nothing stands out.</p>"
    return "".join(
        f'<div class="finding"><strong>{text(entry.get("name", ""))}</strong>'
        + "".join(f"<p><b>{part.title()}:</b> {text(entry[part])}</p>" for part in FINDING if entry.get(part))
        + "</div>"
        for entry in entries
    )


FINDING: Final = ("evidence", "cause", "remedy")
"""Parts of a finding, as the record of a run has them."""


def headline(record: RunRecord, task: Task[Any, Any]) -> list[str]:
    """Figures to show first: what the checkpoint was chosen by, then those of the task; only what the run has."""
    chosen = (record.monitor or "").partition("/")[2]
    results = record.results(record.split)
    return [name for name in dict.fromkeys((chosen, *task.headline)) if _is_figure(results.get(name))]


def _is_figure(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _tiles(record: RunRecord, task: Task[Any, Any]) -> str:
    ours, trivial = record.results(record.split), record.baseline
    tiles = "".join(
        f"<li>{words(name)} <b>{shown(ours[name])}</b><small>{text(task.trivial_name)}: "
        f"{shown(trivial.get(name))}</small></li>"
        for name in headline(record, task)[:_TILES]
    )
    where = f'<p class="quiet">On the {text(record.split)} split, at the plain argmax.</p>'
    return f'<ul class="tiles">{tiles}</ul>{where}' if tiles else ""


def _figures(record: RunRecord, task: Task[Any, Any]) -> str:
    split = record.split
    columns = {split: record.results(split), task.trivial_name: record.baseline, "val": record.val}
    columns |= {"logit adjusted": record.adjusted} if record.adjusted else {}

    def rows(names: Sequence[str]) -> list[list[str]]:
        return [[words(name), *(shown(found.get(name)) for found in columns.values())] for name in names]

    first = headline(record, task)
    every = dict.fromkeys(name for found in columns.values() for name, value in found.items()
                          if _is_figure(value))  # fmt: skip
    rest = [name for name in every if name not in first]
    note = f"The trivial predictor and logit adjustment are measured on {record.split}."
    body = table(["", *columns], rows(first), caption=note)
    if rest:
        body += f"<details><summary>All figures</summary>{table(['', *columns], rows(rest))}</details>"
    return body


def points(record: RunRecord, column: str) -> list[tuple[float, float]]:
    """A column of the history of a run over epochs."""
    rows = ((row.get("epoch", number), row.get(column)) for number, row in enumerate(record.history, 1))
    return [(float(x), float(y)) for x, y in rows if isinstance(x, int | float) and isinstance(y, int | float)]


def trivial_level(record: RunRecord, name: str) -> float | None:
    """What the trivial predictor scores on the validation split, of which curves are, if it is known."""
    if logged := points(record, f"trivial/{name}"):
        return logged[0][1]
    level = record.baseline.get(name) if record.baseline_split == "val" else None
    return level if _is_figure(level) else None


def _curves(record: RunRecord, task: Task[Any, Any]) -> str:
    names = dict.fromkeys(("loss", *headline(record, task)))
    panels = []
    for name in names:
        series = {split: [line] for split in ("train", "val") if (line := points(record, f"{split}/{name}"))}
        panels.append(curves(name.replace("_", " "), series, trivial_level(record, name)))
    drawn = "".join(panels)
    said = '<p class="quiet">train: while it learns, with noise and augmentation; val: afterwards, without.</p>'
    head = legend(["train", "val"], drawn_trivial(drawn, task))
    return f'{head}{said}<div class="curves">{drawn}</div>' if drawn else ""


def drawn_trivial(panels: str, task: Task[Any, Any]) -> str | None:
    """The dashed line in the words of a legend, if panels have one."""
    return f"{task.trivial_name} predictor" if 'class="trivial"' in panels else None


def _pictures(pictures: Mapping[str, bytes], room: int) -> str:
    """Pictures as part of the page, in order, as long as there is room for them."""
    shown_ones, left = [], []
    for name, content in pictures.items():
        element = ""
        if content.startswith(_PNG):
            data = base64.b64encode(content).decode("ascii")
            element = (
                f'<figure><h3>{words(name)}</h3><img alt="{words(name)}" src="data:image/png;base64,{data}"></figure>'
            )
        if element and len(element) + 2000 < room:
            shown_ones.append(element)
            room -= len(element)
        else:
            left.append(name)
    more = f'<p class="quiet">In the run folder, but not here: {text(", ".join(left))}.</p>' if left else ""
    return f'<div class="pictures">{"".join(shown_ones)}</div>{more}' if shown_ones or left else ""


def _classes(record: RunRecord, task: Task[Any, Any]) -> str:
    """A row for each class; where no class stands for nothing, the frequent ones come first."""
    ours, metrics = record.results(record.split), ("recall", "f1", "iou")
    there = [name for name in metrics if isinstance(ours.get(f"per_class_{name}"), list)]
    if not there or not record.class_names:
        return ""
    order = range(len(record.class_names))
    counts = record.class_counts or [0] * len(order)
    if task.background is None:
        order = sorted(order, key=lambda index: -counts[index])  # type: ignore[assignment]

    def cell(found: Mapping[str, Any], name: str, index: int) -> str:
        values = found.get(f"per_class_{name}") or []
        value = values[index] if index < len(values) else None
        return shown(value if value is None or math.isfinite(value) else None)

    extra = {"recall, adjusted": record.adjusted, f"recall, {task.trivial_name}": record.baseline}
    rows = [
        [
            text(record.class_names[index]),
            shown(counts[index]),
            *([shown(record.class_weights[index])] if record.class_weights else []),
            *(cell(ours, name, index) for name in there),
            *(cell(found, "recall", index) for found in extra.values()),
        ]
        for index in order
    ]
    headings = ["class", f"{task.element_unit} of train", *(["weight"] if record.class_weights else []), *there, *extra]
    note = f"On the {record.split} split; a dash: no such {task.element_unit} there."
    return table(headings, rows, caption=note)


def _changes(changes: Sequence[tuple[str, object, object]]) -> str:
    if not changes:
        return "<p>Nothing: this is what <code>python -m arcvae.train</code> does.</p>"
    rows = [[text(key), *("—" if value is None else text(value) for value in pair)] for key, *pair in changes]
    return table(["key", "default", "here"], rows, kind="text")


def _again(record: RunRecord, command: str) -> str:
    facts: dict[str, object] = {
        "typed": " ".join(record.command) or None,
        "seed": record.seed,
        "version of arcvae": record.version,
        **{name.replace("_", " "): record.software.get(name) for name in _MADE_WITH},
        "corpus": record.corpus.get("path"),
        "SHA-256 of the corpus": record.corpus.get("sha256"),
        "hash of the config": record.config_hash or None,
        "parameters": record.parameters,
        "epochs": record.epochs,
        "steps": record.steps,
        "training (s)": record.train_seconds,
        f"{record.sample_unit} per second": record.samples_per_second,
        "peak memory (MiB)": record.peak_memory_mib,
        "device": record.device,
        "precision": record.precision,
    }
    rows = [[text(name), shown(value)] for name, value in facts.items() if value is not None]
    packages = record.software.get("packages")
    versions = [[text(name), text(version)] for name, version in packages.items()] if isinstance(packages, dict) else []
    more = (
        f"<details><summary>Packages</summary>{table(['package', 'version'], versions)}</details>" if versions else ""
    )
    return f"<pre><code>{text(command)}</code></pre>{table(['', ''], rows, kind='text')}{more}"
