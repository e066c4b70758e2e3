"""Pictures: lines of the figures that they show, crosses where cells are wrong."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from matplotlib.collections import PathCollection

from arcvae.grid.benchmarks.pictures import depth_figure, operations_figure

Run = dict[str, Any]


def test_a_line_shows_the_exact_match_over_depth(measured: Run) -> None:
    figure = depth_figure({"mine": [measured]})
    for axes, kind in zip(figure.axes, ("all", "exact"), strict=True):
        (line,) = (line for line in axes.lines if line.get_label() == "mine")
        expected = [r["figures"]["operation"]["clear"]["exact"] for r in measured["chains"] if r["kind"] == kind]
        assert line.get_xdata().tolist() == [1, 2, 3, 4, 5]  # type: ignore[union-attr]
        assert np.array_equal(line.get_ydata(), np.array(expected, dtype=float), equal_nan=True)
        assert {"mine: pixels", "mine: nothing", "mine: black"} <= {line.get_label() for line in axes.lines}


def crosses(run: Run) -> list[int]:
    axes = operations_figure("mine", run).axes[0]
    return [len(np.asarray(found.get_offsets())) for found in axes.collections if isinstance(found, PathCollection)]


def test_wrong_cells_are_crossed(measured: Run) -> None:
    run = copy.deepcopy(measured)
    for entry in run["pictures"].values():
        entry["cases"] = [[source, target, target] for source, _, target in entry["cases"]]
    assert sum(crosses(run)) == 0
    name = next(iter(run["pictures"]))
    source, target, _ = run["pictures"][name]["cases"][0]
    broken = np.array(target)
    broken[3, 4:6] += 1
    run["pictures"][name]["cases"][0] = [source, broken.tolist(), target]
    assert crosses(run)[:2] == [2, 2]  # white on black
    assert sum(crosses(run)) in (4, 8)  # a single case stands twice
