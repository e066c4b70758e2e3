"""Pictures of grids in the colours of ARC, row 0 at the top."""

from __future__ import annotations

from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import ListedColormap
from numpy.typing import NDArray

ARC_COLORS: Final = (
    "#000000", "#0074D9", "#FF4136", "#2ECC40", "#FFDC00", "#AAAAAA", "#F012BE", "#FF851B", "#7FDBFF", "#870C25",
)  # fmt: skip
"""The palette of the ARC task viewer: black, blue, red, green, yellow, grey, magenta, orange, azure, maroon."""
_COLORMAP = ListedColormap(ARC_COLORS)

Grid = NDArray[np.integer]


def draw_grid(axes: Axes, grid: Grid) -> None:
    """Draw one grid ``(H, W)``, colours in [0, 10): row 0 at the top, thin lines between the cells."""
    height, width = grid.shape
    draw_cells(axes, grid)
    # A collection of lines takes a tenth of the time that Axes.grid takes.
    across = [((-0.5, y), (width - 0.5, y)) for y in np.arange(0.5, height - 1)]
    down = [((x, -0.5), (x, height - 0.5)) for x in np.arange(0.5, width - 1)]
    axes.add_collection(LineCollection(across + down, colors="#444444", linewidths=0.4))
    axes.set(xticks=[], yticks=[])


def draw_cells(axes: Axes, cells: Grid) -> None:
    """Draw cells ``(H, W)`` in their colours, row 0 at the top; masked ones stay white."""
    axes.imshow(cells, cmap=_COLORMAP, vmin=0, vmax=len(ARC_COLORS) - 1, origin="upper", interpolation="nearest")


def caption(original: Grid, reconstruction: Grid) -> str:
    """Accuracy over all cells, and F1 over coloured cells.

    A black reconstruction has a high accuracy, objects that are too fat have a high recall; neither has a high F1.

    Args:
        original: ``(H, W)``.
        reconstruction: ``(H, W)``.

    Example:
        >>> caption(np.array([[0, 1], [2, 0]]), np.array([[0, 1], [0, 0]]))  # 2 coloured cells, 1 of them found
        '75 %, F1 .67'
    """
    hits = int(((original == reconstruction) & (original > 0)).sum())
    colored = int((original > 0).sum()) + int((reconstruction > 0).sum())
    f1 = f"{2 * hits / colored:.2f}".removeprefix("0") if colored else "—"
    right = 100 * int((original == reconstruction).sum()) // original.size  # 100 % only if all cells are right
    return f"{right} %, F1 {f1}"
