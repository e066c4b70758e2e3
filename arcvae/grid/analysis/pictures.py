"""Pictures of what a model of grids has learned: reconstructions, samples, and its codes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.collections import LineCollection
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from numpy.typing import NDArray

from arcvae.grid.analysis.render import ARC_COLORS, caption, draw_cells
from arcvae.training.plots import OURS, new_figure

Grids = NDArray[np.integer]


def reconstruction_figure(originals: Grids, reconstructions: Grids, title: str, headings: Sequence[str] = ()) -> Figure:
    """Grids, below each what a model makes of it, with its :func:`caption`, and the wrong cells as they should be.

    Args:
        originals: ``(N, H, W)``.
        reconstructions: ``(N, H, W)``.
        title: Heading.
        headings: Label of each grid, which are all in one row then; without labels at most ten are.
    """
    bands = 1 if headings else -(-len(originals) // 10)
    columns = -(-len(originals) // bands)
    shape = originals.shape[1:]
    cells = np.ma.MaskedArray(np.zeros((bands, 3, columns, *shape), dtype=np.int64), mask=True)
    captions = np.full(cells.shape[:3], "", dtype=object)
    for index, (original, found) in enumerate(zip(originals, reconstructions, strict=True)):
        band, column = divmod(index, columns)
        wrong = np.ma.MaskedArray(original, mask=original == found)
        for row, shown in enumerate((original, found, wrong)):
            cells[band, row, column] = shown
        captions[band, 1, column] = caption(original, found)
    rows = ("original", "decoded", "wrong cells") * bands
    texts = captions.ravel().tolist()
    return mosaic(cells.reshape(-1, *shape), columns, title, rows=rows, headings=headings, captions=texts)


def mosaic(
    grids: Grids,
    columns: int,
    title: str,
    *,
    rows: Sequence[str] = (),
    headings: Sequence[str] = (),
    captions: Sequence[str] = (),
) -> Figure:
    """Many grids side by side, drawn as one image: a hundred axes would take seconds to lay out.

    Args:
        grids: ``(N, H, W)``, in rows from the top left; masked cells stay white.
        columns: Grids in a row.
        title: Heading.
        rows: Label of each row; none by default.
        headings: Label of each column; none by default.
        captions: Text above each grid; none by default.
    """
    _, tall, wide = grids.shape
    height, down, across = -(-len(grids) // columns), tall + (max(2, tall // 4) if captions else 2), wide + 2
    canvas = np.ma.MaskedArray(np.zeros((height * down - 2, columns * across - 2), dtype=np.int64), mask=True)
    lines = []
    longest = max((len(line) for row in rows for line in row.splitlines()), default=0)
    figure = new_figure(
        1.05 * columns + 0.3 + 0.085 * longest, 1.05 * height * down / across + (0.8 if headings else 0.5), title
    )
    axes = figure.subplots()
    for index, grid in enumerate(grids):
        top, left = index // columns * down, index % columns * across
        canvas[top : top + tall, left : left + wide] = grid
        for edge in np.arange(tall + 1) - 0.5:
            lines.append(((left - 0.5, top + edge), (left + wide - 0.5, top + edge)))
        for edge in np.arange(wide + 1) - 0.5:
            lines.append(((left + edge, top - 0.5), (left + edge, top + tall - 0.5)))
        if captions and captions[index]:
            axes.text(left + (wide - 1) / 2, top - 1, captions[index], ha="center", va="bottom", fontsize=7)
    draw_cells(axes, canvas)
    axes.add_collection(LineCollection(lines, colors="#444444", linewidths=0.3))
    for side in axes.spines.values():
        side.set_visible(False)
    axes.xaxis.tick_top()
    axes.tick_params(length=0, labelsize=8)
    axes.set_xticks([(wide - 1) / 2 + column * across for column in range(len(headings))], headings)
    axes.set_yticks([(tall - 1) / 2 + row * down for row in range(len(rows))], rows)
    return figure


def kl_figure(kl_per_dim: Sequence[float], names: Sequence[str], active: float | None, title: str) -> Figure:
    """Bars of what each latent dimension says, largest first.

    Args:
        kl_per_dim: KL, or entropy, in nats per grid, ``(D,)``.
        names: Of the D dimensions.
        active: KL above which a dimension counts as active, drawn as a line; None: something else decides that.
        title: Heading.
    """
    order = np.argsort(kl_per_dim)[::-1]
    figure = new_figure(min(14.0, max(5.0, 0.35 * len(order) + 1.5)), 3.4, title)
    axes = figure.subplots()
    axes.bar(range(len(order)), np.array(kl_per_dim)[order], color=OURS)
    if active is not None:
        axes.axhline(active, color="#FF4136", linestyle="--", linewidth=1, label=f"active above {active:g}")
        axes.legend(fontsize=8)
    axes.set_xticks(range(len(order)), [names[index] for index in order], fontsize=8 if len(order) <= 32 else 5)
    if max(map(len, names)) > 3:  # words run into each other
        axes.tick_params(axis="x", rotation=45)
    axes.set(ylabel="nats per grid")
    axes.margins(y=0.2)  # leaves space for the legend
    return figure


def codes_figure(
    maps: Mapping[str, NDArray[np.floating]], labels: Mapping[str, tuple[NDArray[np.int64], Sequence[str]]], title: str
) -> Figure:
    """Scatter plots of codes in the plane: a row for each projection, a column for each label.

    Args:
        maps: Points ``(N, 2)`` by name of the projection.
        labels: By name of the label: its value at each point ``(N,)``, and the names of the values. The values of a
            label whose name begins with "colour" are drawn in the colours that they are.
        title: Heading.
    """
    figure = new_figure(4.4 * len(labels), 3.7 * len(maps) + 0.4, title)
    cells = figure.subplots(len(maps), len(labels), squeeze=False)
    for row, (projection, points) in zip(cells, maps.items(), strict=True):
        for axes, (name, (values, names)) in zip(row, labels.items(), strict=True):
            if name.startswith("colour"):
                colors = ListedColormap(["#DDDDDD", *ARC_COLORS[1:]])
            else:
                shades = np.linspace(0.05, 0.95, len(names))
                colors = ListedColormap(colormaps["viridis"](shades))
            norm = BoundaryNorm(np.arange(len(names) + 1) - 0.5, len(names))
            dots = axes.scatter(points[:, 0], points[:, 1], c=values, cmap=colors, norm=norm, s=5, linewidths=0)
            bar = figure.colorbar(dots, ax=axes, ticks=range(len(names)))
            bar.ax.set_yticklabels(names, fontsize=7)
            axes.set_title(f"{projection}, by {name}", fontsize=9)
            axes.set(xticks=[], yticks=[])
    return figure
