"""What a set of tasks consists of, as numbers and as a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np

from arcvae.grid.tasks.collection import SPLITS
from arcvae.grid.tasks.scenes import planes_of
from arcvae.grid.tasks.shapes import Shape, pieces
from arcvae.grid.tasks.space import CATEGORIES
from arcvae.grid.tasks.task import Grid, Task

PAIRS: Final = "pairs"
"""Key of the pairs that codes and pixels were compared on, beside the reasons."""
DIFFERENT: Final = "a pair on which codes and pixels differ"
_SOLVED: Final = "solved: share by steps (n) and objects (k); the search tries programs of one and two steps only"
OF_TASKS: Final = (
    "a test whose output is shown", "an input twice", "a step that changes no output", "an ambiguous task",
    "a shorter program says the same", "a task with a pair of another one",
)  # fmt: skip
"""Reasons for which a whole task is refused; the other ones refuse a pair, or a program."""


def describe(tasks: Sequence[Task], reasons: Mapping[str, int]) -> dict[str, Any]:
    """Numbers of a set.

    Args:
        tasks: One at least, each with a split.
        reasons: How much was refused, by reason, and ``pairs``.

    Returns:
        ``tasks``, ``splits`` and ``cells`` (by depth and number of objects): numbers of tasks. ``functions`` and
        ``categories``: tasks in which each occurs. ``programs``: different ones, and those of ``evaluation`` that occur
        in ``training``. ``demonstrations``: tasks by their number. ``colors``: tasks in which each colour occurs.
        ``shapes``: different shapes of objects of inputs, and their mean cells. ``refused``: counts by reason, and the
        ``rates``: tasks refused per task drawn, pairs on which codes and pixels differ per pair compared.
    """
    names = [step.name for task in tasks for step in {step.name: step for step in task.program.steps}.values()]
    functions, categories = Counter(names), Counter(kind for task in tasks for kind in task.categories)
    shapes = [shape for task in tasks for given in task.inputs for shape in _shapes(given)]
    sizes = [sum(row.bit_count() for row in shape.rows) for shape in shapes]
    colors = [np.unique(np.stack([*task.inputs, *task.outputs])) for task in tasks]
    programs = {name: {str(task.program) for task in tasks if task.split == name} for name in SPLITS}
    refused = sum(reasons.get(reason, 0) for reason in OF_TASKS)
    return {
        "tasks": len(tasks),
        "splits": {name: sum(task.split == name for task in tasks) for name in SPLITS},
        "cells": dict(sorted(Counter(f"n{task.depth}k{task.objects}" for task in tasks).items())),
        "functions": {name: functions[name] for names in CATEGORIES.values() for name in names},
        "categories": {name: categories[name] for name in CATEGORIES},
        "programs": {
            "distinct": len(set().union(*programs.values())),
            "of_evaluation_in_training": len(programs["evaluation"] & programs["training"]),
        },
        "demonstrations": dict(sorted(Counter(len(task.inputs) - 1 for task in tasks).items())),
        "colors": {color: sum(color in found for found in colors) for color in range(1, 10)},
        "shapes": {
            "objects": len(shapes),
            "distinct": len(set(shapes)),
            "mean_cells": float(np.mean(sizes)),
        },
        "refused": dict(sorted((reason, count) for reason, count in reasons.items() if reason != PAIRS)),
        "rates": {
            "tasks_refused": refused / (refused + len(tasks)),
            "pairs_that_differ": reasons.get(DIFFERENT, 0) / max(1, reasons.get(PAIRS, 0)),
        },
    }


def _shapes(grid: Grid) -> Iterator[Shape]:
    """The shapes of the connected components of one colour of a grid."""
    free = np.pad(grid, ((0, 0), (0, 1)))  # a column between the end of a row and the next one
    for plane in planes_of(free):
        yield from (shape for shape, _, _ in pieces(plane, free.shape[1]))


def table(found: Mapping[str, Any]) -> str:
    """The numbers of :func:`describe`, and perhaps ``solved``, to be read.

    Example:
        >>> print(_row("splits", {"training": 2000, "validation": 500}))
        splits          training 2000, validation 500
    """
    lines = [_row(name, found[name]) for name in ("splits", "functions", "categories", "programs", "demonstrations")]
    lines += [_row(name, found[name]) for name in ("colors", "shapes")]
    refused, rates = found["refused"], found["rates"]
    lines.append(_row("refused tasks", {reason: refused[reason] for reason in refused if reason in OF_TASKS}))
    lines.append(_row("refused pairs", {reason: refused[reason] for reason in refused if reason not in OF_TASKS}))
    lines.append(_row("rates", rates))
    if solved := found.get("solved"):
        depths, counts = (sorted({int(cell[at]) for cell in solved}) for at in (1, 3))
        lines.append(_SOLVED)
        lines.append("                " + "".join(f"{f'k={count}':>7}" for count in counts) + "    all")
        for depth in depths:
            rates = [solved.get(f"n{depth}k{count}") for count in counts]
            known = [rate for rate in rates if rate is not None]
            cells = "".join("      —" if rate is None else f"{rate:7.2f}" for rate in rates)
            lines.append(f"  n={depth}           {cells}{np.mean(known):7.2f}")
    return "\n".join(lines)


def _row(name: str, values: Mapping[Any, Any]) -> str:
    pairs = ((f"{key}:" if isinstance(key, int) else key, value) for key, value in values.items())
    words = (f"{key} {value:.3f}" if isinstance(value, float) else f"{key} {value}" for key, value in pairs)
    return f"{name:<16}{', '.join(words)}"
