"""Pictures of the benchmark of operations: exact match over depth, and grids before and after, wrong cells marked."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import fill
from typing import Any, Final

import numpy as np
from matplotlib.figure import Figure

from arcvae.grid.analysis.pictures import mosaic
from arcvae.grid.benchmarks.report import Runs, exact
from arcvae.grid.benchmarks.scoring import GO, ITERATE
from arcvae.training.plots import TRIVIAL, new_figure

_PANELS: Final = {"all": "all sixteen operations", "exact": "operations that redraw nothing"}
_LABEL: Final = 16
"""Letters in a line of the label of a row."""
_DASHED: Final = {"pixels": ":", "nothing": "--", "black": "-."}


def depth_figure(results: Mapping[str, Runs]) -> Figure:
    """Exact match over the depth of chains, a line for each variant; of the first one also controls."""
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
    """A row for each operation: source, result on the code and oracle, of two cases.

    Args:
        name: Of the variant.
        run: Its results.
    """
    rows = [(entry["program"], np.array(entry["cases"])) for entry in run["pictures"].values() if entry["cases"]]
    size = rows[0][1].shape[2:]
    # A single case stands twice.
    grids = np.stack([np.resize(cases, (2, 3, *size)) for _, cases in rows]).astype(np.int64)  # (R, 2, 3, H, W)
    figure = mosaic(
        grids.reshape(-1, *size), 6, f"{name}: two cases, the second a wrong one if there is one",
        rows=[fill(program.replace("(", " (", 1), _LABEL) for program, _ in rows],
        headings=["source", "result", "oracle"] * 2,
    )  # fmt: skip
    figure.set_figwidth(figure.get_figwidth() + 0.6)  # room for the labels
    axes, pitch = figure.axes[0], size[0] + 2
    axes.axvline(3 * pitch - 1.5, color=TRIVIAL, linewidth=0.8)
    for row, case in np.ndindex(*grids.shape[:2]):
        _, result, target = grids[row, case]
        y, x = np.nonzero(result != target)
        place = x + (3 * case + 1) * pitch, y + row * pitch
        axes.scatter(*place, marker="x", s=14, linewidths=2.2, color="black")
        axes.scatter(*place, marker="x", s=14, linewidths=1.1, color="white")
    figure.supxlabel("crosses: cells that differ from the oracle", fontsize=8)
    return figure
