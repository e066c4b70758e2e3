"""A picture of many tasks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from arcvae.grid.analysis.render import draw_cells
from arcvae.grid.tasks.task import Task, wrapped
from arcvae.training.plots import new_figure


def sheet(tasks: Sequence[Task], title: str, columns: int = 4) -> Figure:
    """Tasks side by side, each with its program: two demonstrations and the test, inputs above outputs.

    Args:
        tasks: One at least.
        title: Heading.
        columns: Tasks in a row.
    """
    rows = -(-len(tasks) // columns)
    figure = new_figure(4.3 * columns, 3.5 * rows + 0.5, title)
    cells = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in cells:
        axes.set_axis_off()
    for axes, task in zip(cells, tasks, strict=False):
        height, width = (max(grid.shape[axis] for grid in (*task.inputs, *task.outputs)) for axis in (0, 1))
        shown = [0, 1, len(task.inputs) - 1]
        canvas = np.ma.MaskedArray(np.zeros((2 * height + 1, 3 * (width + 3)), dtype=np.int64), mask=True)
        for place, index in enumerate(shown):
            for row, grid in enumerate((task.inputs[index], task.outputs[index])):
                top, left = row * (height + 1), 2 + place * (width + 1)  # a margin on both sides
                canvas[top : top + grid.shape[0], left : left + grid.shape[1]] = grid
        draw_cells(axes, canvas)
        axes.set_title(f"{task.id}\n{wrapped(str(task.program), 56)}", fontsize=7)
    return figure


def spread(tasks: Sequence[Task], count: int) -> list[Task]:
    """So many tasks, from the easiest to the hardest, evenly."""
    ordered = sorted(tasks, key=lambda task: (task.depth, task.objects, task.id))
    return [ordered[int(index)] for index in np.linspace(0, len(ordered) - 1, min(count, len(ordered)))]
