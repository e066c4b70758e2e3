"""Plots of metrics that every task has: recall per class, confusion, calibration, curves of runs."""

from __future__ import annotations

import io
import logging
import math
import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from arcvae.io.files import write_atomic
from arcvae.training.comparison import Summary

log = logging.getLogger(__name__)

OURS, TUNED, TRIVIAL = "#0074D9", "#2ECC40", "#444444"
LABELLED = 30
"""With more classes than this, a confusion matrix shows no numbers and only every fourth label."""


class ShownFigure(Figure):
    """A figure that a notebook shows, whether pyplot has been imported or not."""

    def _repr_png_(self) -> bytes:
        return to_png(self)


def new_figure(width: float, height: float, title: str = "") -> Figure:
    """An empty figure of ``width`` x ``height`` inches, outside of the global state of pyplot."""
    figure = ShownFigure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    if title:
        figure.suptitle(title, fontsize=11)
    return figure


def to_png(figure: Figure, dpi: int = 100) -> bytes:
    """The figure as the bytes of a PNG file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()


def draw_picture(folder: Path, name: str, draw: Callable[[], Figure]) -> None:
    """Draw a figure and save it as ``NAME.png``; an error causes a warning only.

    Args:
        folder: Existing folder.
        name: Name of the file without suffix.
        draw: Returns the figure.
    """
    try:
        write_atomic(folder / f"{name}.png", to_png(draw()))
        log.info("[VISUALIZATION] Saved: %s.png", name)
    except Exception as error:
        log.warning("[VISUALIZATION] not saved: %s.png (%s)", name, error)


def recall_figure(
    names: Sequence[str],
    recalls: Mapping[str, Sequence[float]],
    trivial: Sequence[float],
    title: str,
) -> Figure:
    """Bars of the recall of each class, a group per class, with a line for the trivial predictor.

    Args:
        names: Class names, ``(C,)``.
        recalls: Recall of each class, ``(C,)``, by the name of the decision rule; NaN for a class without
            targets, whose place is grey.
        trivial: The same for the trivial predictor.
        title: Heading.
    """
    figure = new_figure(min(18.0, max(7.0, 0.3 * len(names) * len(recalls))), 3.8, title)
    axes = figure.subplots()
    position = np.arange(len(names))
    width = 0.8 / len(recalls)
    for index, ((label, values), color) in enumerate(zip(recalls.items(), (OURS, TUNED, "#FF851B"), strict=False)):
        offset = (index - (len(recalls) - 1) / 2) * width
        axes.bar(position + offset, np.nan_to_num(np.array(values, dtype=float)), width, label=label, color=color)
    axes.step(
        np.r_[position - 0.5, position[-1] + 0.5],
        np.r_[np.nan_to_num(trivial), np.nan_to_num(trivial)[-1]],
        where="post", color=TRIVIAL, linestyle="--", linewidth=1.2, label="trivial predictor",
    )  # fmt: skip
    absent = np.isnan(np.array([*recalls.values()], dtype=float)).all(0)
    for number, place in enumerate(position[absent]):
        once = "" if number else "not in this split"  # labels without text are not in the legend
        axes.axvspan(place - 0.5, place + 0.5, color="#dddddd", linewidth=0, label=once)
    axes.set(ylim=(0, 1.08), ylabel="recall", xlim=(-0.6, len(names) - 0.4))
    _name_classes(axes, names)
    axes.legend(fontsize=8, ncols=len(recalls) + 2, loc="upper center", bbox_to_anchor=(0.5, 1.13), frameon=False)
    return figure


def _name_classes(axes: Axes, names: Sequence[str]) -> None:
    turned = len(names) > 12
    axes.set_xticks(
        range(len(names)), names, rotation=90 if turned else 30, ha="center" if turned else "right",
        fontsize=6 if turned else 8,
    )  # fmt: skip


def confusion_figure(confusion: NDArray[np.int64], names: Sequence[str], title: str) -> Figure:
    """Confusion matrix with rows (targets) that add up to 1; rows without targets stay white.

    Args:
        confusion: ``(C, C)`` counts, row = target, column = prediction.
        names: ``(C,)``.
        title: Heading.
    """
    totals = confusion.sum(1, keepdims=True)
    shares = np.divide(confusion, totals, out=np.full(confusion.shape, np.nan), where=totals > 0)
    few = len(names) <= LABELLED
    side = 0.52 * len(names) + 1.8 if few else 9.0
    figure = new_figure(side + 0.6, side, title)
    axes = figure.subplots()
    image = axes.imshow(shares, vmin=0, vmax=1, cmap="viridis")
    figure.colorbar(image, ax=axes, label="share of the targets of a class", shrink=0.8)
    ticks = range(0, len(names), 1 if few else 4)
    shown = [names[tick] for tick in ticks]
    axes.set_xticks(ticks, shown, rotation=45 if few else 90, ha="right" if few else "center", fontsize=8 if few else 6)
    axes.set_yticks(ticks, shown, fontsize=8 if few else 6)
    axes.set(xlabel="predicted", ylabel="target" if totals.all() else "target (white: not in this split)")
    for row, column in np.ndindex(*shares.shape) if few else ():
        share = shares[row, column]
        if share >= 0.005:
            text = f"{share:.2f}".removeprefix("0")
            axes.text(column, row, text, ha="center", va="center", fontsize=7, color="w" if share < 0.6 else "k")
    return figure


def calibration_figure(
    curves: Mapping[str, tuple[Sequence[float], Sequence[float], Sequence[float]]],
    errors: Mapping[str, float],
    title: str,
) -> Figure:
    """Reliability diagram: accuracy against confidence, with the share of decisions below.

    Args:
        curves: See :meth:`arcvae.imbalance.calibration.Reliability.curve`, by the name of the decision rule, and after
            a comma what is decided on (``argmax, objects``): a rule has one colour, what it decides on one style.
        errors: Expected calibration error, by the same names.
        title: Heading.
    """
    figure = new_figure(5.6, 5.6, title)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    upper.plot([0, 1], [0, 1], color=TRIVIAL, linestyle="--", linewidth=1, label="perfectly calibrated")
    # Curves may coincide: each is drawn thinner than the one below it, so that all of them are seen.
    rules = list(dict.fromkeys(name.partition(", ")[0] for name in curves))
    kinds = list(dict.fromkeys(name.partition(", ")[2] for name in curves))
    for number, (name, (confidence, hits, shares)) in enumerate(curves.items()):
        rule, _, kind = name.partition(", ")
        color, style = (OURS, TUNED, "#FF851B", "#F012BE")[rules.index(rule) % 4], ("-", ":")[kinds.index(kind) % 2]
        wide = 1.5 + 3 * (1 - (number + 1) / len(curves))
        for axes, points, label in (upper, hits, f"{name}: error {errors[name]:.3f}"), (lower, shares, None):
            axes.plot(confidence, points, marker="o", ms=wide + 2, lw=wide, color=color, linestyle=style, label=label)
    upper.set(ylabel="accuracy", ylim=(0, 1.02), xlim=(0, 1.02))
    upper.legend(fontsize=8)
    lower.set(xlabel="confidence", ylabel="share", yscale="log")
    return figure


def curves_figure(
    histories: Mapping[str, Sequence[Sequence[Mapping[str, float]]]], panels: Mapping[str, str], title: str
) -> Figure:
    """Metrics of several runs over training steps, a panel for each metric; runs of one variant share a colour.

    Args:
        histories: Rows of ``metrics.csv`` (with ``step``) of each run, by the name of the variant.
        panels: Heading of each panel, by column of the rows; ``NAME/*`` shows a thin line for each column ``NAME/...``.
        title: Heading of the picture.
    """
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    figure = new_figure(4.2 * columns, 2.9 * rows + 0.4, title)
    cells = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in cells[len(panels) :]:
        axes.set_axis_off()
    colors = _colors(len(histories))
    for axes, (column, heading) in zip(cells, panels.items(), strict=False):
        for index, (name, runs) in enumerate(histories.items()):
            for number, run in enumerate(runs):
                _curve(axes, run, column, colors[index], name if number == 0 else None)
        _trivial_line(axes, histories, column)
        axes.set_title(heading, fontsize=9)
        axes.set_xlabel("step", fontsize=8)
        axes.tick_params(labelsize=7)
    _legend(figure, cells[0], "outside lower center", 60, 2)
    return figure


def plane_figure(points: Mapping[str, tuple[Summary, Summary]], x: str, y: str, title: str) -> Figure:
    """Variants as points in the plane of two metrics.

    Args:
        points: Both metrics of each variant, drawn with bars of one standard deviation over its seeds; a variant that
            lacks one of them is left out.
        x: Label of the horizontal axis.
        y: Label of the vertical axis.
        title: Heading of the picture.
    """
    figure = new_figure(9.4, 4.2, title)
    axes = figure.subplots()
    there = {name: pair for name, pair in points.items() if all(entry.values for entry in pair)}
    for (name, pair), color in zip(there.items(), _colors(len(there)), strict=False):
        (right, up), (wide, tall) = zip(*((entry.mean, np.nan_to_num(entry.spread)) for entry in pair), strict=True)
        axes.errorbar([right], [up], [tall], [wide], color=color, fmt="o", markersize=5, elinewidth=1, label=name)
    axes.set(xlabel=x, ylabel=y)
    axes.margins(0.08)
    _legend(figure, axes, "outside right upper", 44, 1)
    return figure


def _colors(count: int) -> list[Any]:
    """Colours of so many variants; beyond twenty they recur."""
    few = [f"C{index}" for index in range(10)]
    many = few if count <= 10 else list(colormaps["tab20"].colors)  # type: ignore[attr-defined]
    return [many[index % len(many)] for index in range(count)]


def _legend(
    figure: Figure, axes: Axes, place: Literal["outside right upper", "outside lower center"], width: int, columns: int
) -> None:
    """The names of what some axes show, if there are several, beside all axes of the figure."""
    handles, labels = axes.get_legend_handles_labels()
    if len(labels) > 1:
        names = [textwrap.fill(label, width) for label in labels]
        figure.legend(handles, names, fontsize=8, loc=place, ncols=columns, frameon=False)


def _trivial_line(axes: Axes, histories: Mapping[str, Sequence[Sequence[Mapping[str, float]]]], column: str) -> None:
    """A line at the figure of the trivial predictor, where a run has logged it for a validation metric."""
    name = f"trivial/{column.removeprefix('val/')}"
    figures = [row[name] for runs in histories.values() for run in runs for row in run[:1] if row.get(name) is not None]
    if column.startswith("val/") and figures:
        axes.axhline(figures[0], color=TRIVIAL, linestyle="--", linewidth=1)


def _curve(axes: Axes, run: Sequence[Mapping[str, float]], column: str, color: Any, label: str | None) -> None:
    steps = [row["step"] for row in run]
    if not column.endswith("/*"):
        if run and all(column in row for row in run):
            figures = [math.nan if row[column] is None else row[column] for row in run]
            axes.plot(steps, figures, marker="o", markersize=3, color=color, label=label)
        return
    names = [name for name in (run[0] if run else {}) if name.startswith(column[:-1])]
    for name in names:
        axes.plot(steps, [row[name] for row in run], color=color, linewidth=0.7, alpha=0.7)
