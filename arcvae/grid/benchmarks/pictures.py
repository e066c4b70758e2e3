"""Pictures of the benchmark of operations: exact match over depth, and grids before and after, wrong cells marked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from matplotlib.figure import Figure

from arcvae.grid.analysis.pictures import mosaic
from arcvae.grid.benchmarks.report import Runs, exact
from arcvae.grid.benchmarks.scoring import GO, ITERATE
from arcvae.training.plots import TRIVIAL, new_figure

_PANELS: Final = {"all": "all sixteen operations", "exact": "operations that redraw nothing"}
_DASHED: Final = {"pixels": ":", "nothing": "--"}


def depth_figure(results: Mapping[str, Runs]) -> Figure:
    """Exact match over the depth of chains, a line for each variant; of the first one also two controls."""
    figure = new_figure(9.2, 3.9, "Exact match after chains of operations on codes, nothing hidden in the result")
    panels = figure.subplots(1, 2, sharey=True)
    for axes, (kind, heading) in zip(panels, _PANELS.items(), strict=True):
        for bound in (GO, ITERATE):
            axes.axhline(bound, color="#BBBBBB", linewidth=0.8)
        for index, (name, runs) in enumerate(results.items()):
            _line(axes, runs, kind, None, label=name, color=f"C{index % 10}", marker="o", markersize=4)
        first_name, first = next(iter(results.items()))
        for way, style in _DASHED.items():
            _line(axes, first, kind, way, label=f"{first_name}: {way}", color=TRIVIAL, linestyle=style, linewidth=1)
        axes.set_title(heading, fontsize=9)
        axes.set(xlabel="steps", ylim=(-0.03, 1.03))
        axes.set_xticks(sorted({row["depth"] for row in first[0]["chains"]}))
    panels[0].set_ylabel(f"exact match (grey: gates {GO:.2f}, {ITERATE:.2f})", fontsize=9)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, fontsize=8, loc="outside right center", frameon=False)
    return figure


def _line(axes: Any, runs: Runs, kind: str, way: str | None, **style: Any) -> None:
    depths = [row["depth"] for row in runs[0]["chains"] if row["kind"] == kind]
    values = []
    for depth in depths:
        found = [
            exact(row, way or run["main"])
            for run in runs
            for row in run["chains"]
            if (row["kind"], row["depth"]) == (kind, depth)
        ]
        there = [value for value in found if value is not None]
        values.append(sum(there) / len(there) if there else float("nan"))
    axes.plot(depths, values, **style)


def operations_figure(name: str, run: Mapping[str, Any]) -> Figure:
    """A row for each operation: source, result on the code and oracle, of a typical case and of one that is wrong.

    Args:
        name: Of the variant.
        run: Its results.
    """
    rows = [(entry["program"], entry["cases"]) for entry in run["pictures"].values() if entry["cases"]]
    first = np.array(rows[0][1][0])
    triples = [[*map(np.array, cases), *[np.zeros_like(first)] * (2 - len(cases))] for _, cases in rows]
    grids = np.array(triples, dtype=np.int64).reshape(-1, *first.shape[1:])  # rows of six
    headings = ["source", "result", "oracle", "source", "result", "oracle"]
    title = f"{name}: the first case, and the first that is wrong (crosses: wrong cells)"
    labels = [program.replace("(", "\n(", 1) for program, _ in rows]
    figure = mosaic(grids, 6, title, rows=labels, headings=headings)
    side = grids.shape[1]
    axes, pitch = figure.axes[0], side + 2
    for row, (_, cases) in enumerate(rows):
        for number, (_, result, target) in enumerate(np.array(case) for case in cases):
            y, x = np.nonzero(result != target)
            left, top = (3 * number + 1) * pitch, row * pitch
            axes.scatter(x + left, y + top, marker="x", s=14, linewidths=2.2, color="black")
            axes.scatter(x + left, y + top, marker="x", s=14, linewidths=1.1, color="white")
    return figure
