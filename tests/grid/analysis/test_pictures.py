"""Pictures of a model: each shows the grids, values and labels that it was given, where they belong."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from arcvae.grid.analysis.pictures import codes_figure, extremes_figure, kl_figure, mosaic
from arcvae.grid.analysis.render import ARC_COLORS, caption
from arcvae.training.plots import to_png


def images(figure: Figure) -> list[np.ndarray]:
    return [np.asarray(image.get_array()) for axes in figure.axes for image in axes.get_images()]


def test_extremes_are_pairs_of_original_and_reconstruction_in_rows_of_groups() -> None:
    rng = np.random.default_rng(0)
    originals, decoded = rng.integers(0, 10, (2, 6, 4, 4))
    groups = {"best": np.array([4, 1]), "worst": np.array([0])}
    figure = extremes_figure(originals, decoded, groups, "a title")
    expected = [originals[4], decoded[4], originals[1], decoded[1], originals[0], decoded[0]]
    shown = images(figure)
    assert len(shown) == 6
    assert all(np.array_equal(a, b) for a, b in zip(shown, expected, strict=True))
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert titles == [text for index in (4, 1, 0) for text in ("original", caption(originals[index], decoded[index]))]
    assert [axes.get_ylabel() for axes in figure.axes if axes.get_ylabel()] == ["best", "worst"]
    assert figure.get_suptitle() == "a title"
    assert to_png(figure).startswith(b"\x89PNG")


@pytest.mark.parametrize("count", [1, 6, 7])
def test_mosaic_holds_every_grid_row_by_row_with_gaps_between(count: int) -> None:
    grids = np.arange(count * 9).reshape(count, 3, 3) % 10
    (canvas,) = images(mosaic(grids, 3, "a title"))
    rows = -(-count // 3)
    assert canvas.shape == (5 * rows - 2, 13)
    masked = np.ma.getmaskarray(np.ma.asarray(mosaic(grids, 3, "").axes[0].get_images()[0].get_array()))
    for index, grid in enumerate(grids):
        top, left = index // 3 * 5, index % 3 * 5
        assert np.array_equal(canvas[top : top + 3, left : left + 3], grid)
        assert not masked[top : top + 3, left : left + 3].any()
    assert masked.sum() == masked.size - 9 * count


def test_mosaic_labels_rows_and_columns_in_the_middle_of_their_grids() -> None:
    figure = mosaic(np.zeros((6, 3, 3), int), 3, "t", rows=["a", "b"], headings=["x", "y", "z"])
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["x", "y", "z"]
    assert axes.get_xticks().tolist() == [1, 6, 11]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b"]
    assert axes.get_yticks().tolist() == [1, 6]
    assert axes.yaxis_inverted()  # row 0 is at the top


def test_bars_of_the_kl_fall_and_keep_their_names() -> None:
    axes = kl_figure([0.1, 2.0, 0.7], ["z0", "z1", "z2"], 0.05, "t").axes[0]
    assert [bar.get_height() for bar in axes.patches] == pytest.approx([2.0, 0.7, 0.1])  # type: ignore[attr-defined]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["z1", "z2", "z0"]
    assert axes.lines[0].get_ydata()[0] == 0.05  # type: ignore[index]
    assert axes.get_ylabel() == "nats per grid"


def test_codes_are_drawn_once_for_each_projection_and_label_in_the_colours_they_are() -> None:
    points = np.random.default_rng(0).normal(size=(3, 2))
    labels = {
        "number of objects": (np.array([1, 2, 1]), ["0", "1", "2"]),
        "colour of the largest object": (np.array([0, 3, 9]), [f"c{n}" for n in range(10)]),
    }
    figure = codes_figure({"PCA": points, "t-SNE": -points}, labels, "t")
    plots = [axes for axes in figure.axes if axes.get_title()]
    assert [axes.get_title() for axes in plots] == [
        "PCA, by number of objects", "PCA, by colour of the largest object",
        "t-SNE, by number of objects", "t-SNE, by colour of the largest object",
    ]  # fmt: skip
    assert np.allclose(plots[0].collections[0].get_offsets(), points)
    assert np.allclose(plots[3].collections[0].get_offsets(), -points)
    figure.draw_without_rendering()
    drawn = [to_hex(color).upper() for color in plots[1].collections[0].get_facecolors()]  # type: ignore[attr-defined]
    assert drawn == ["#DDDDDD", ARC_COLORS[3].upper(), ARC_COLORS[9].upper()]  # black dots would hide the others
