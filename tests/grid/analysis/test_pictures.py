"""Pictures of a model: each shows the grids, values and labels that it was given, where they belong."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from arcvae.grid.analysis.pictures import codes_figure, kl_figure, mosaic, reconstruction_figure
from arcvae.grid.analysis.render import ARC_COLORS, caption
from arcvae.training.plots import to_png


def images(figure: Figure) -> list[np.ndarray]:
    return [np.asarray(image.get_array()) for axes in figure.axes for image in axes.get_images()]


def panels(figure: Figure, shape: tuple[int, int, int, int], gap: int) -> np.ma.MaskedArray:
    """The grids ``(rows, columns, H, W)`` of a mosaic, masked where it shows none, with ``gap`` cells between rows."""
    rows, columns, height, width = shape
    canvas = np.ma.asarray(figure.axes[0].get_images()[0].get_array())
    cut = [
        canvas[row * (height + gap) :, column * (width + 2) :][:height, :width]
        for row, column in np.ndindex(rows, columns)
    ]
    return np.ma.stack(cut).reshape(shape)


def test_reconstructions_and_wrong_cells_stand_below_the_originals() -> None:
    rng = np.random.default_rng(0)
    originals, decoded = rng.integers(0, 10, (2, 3, 4, 8))
    figure = reconstruction_figure(originals, decoded, "a title", ["best", "best", "worst"])
    above, below, wrong = panels(figure, (3, 3, 4, 8), 2)
    assert np.array_equal(above, originals)
    assert np.array_equal(below, decoded)
    same = originals == decoded
    assert same.any()
    assert np.array_equal(np.ma.getmaskarray(wrong), same)
    assert (wrong == originals)[~same].all()
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.texts] == [caption(*pair) for pair in zip(originals, decoded, strict=True)]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["original", "decoded", "wrong cells"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["best", "best", "worst"]
    assert figure.get_suptitle() == "a title"
    assert to_png(figure).startswith(b"\x89PNG")


@pytest.mark.parametrize(("count", "bands", "columns"), [(1, 1, 1), (10, 1, 10), (13, 2, 7)])
def test_picture_has_one_caption_for_each_grid_and_at_most_ten_in_a_row(count: int, bands: int, columns: int) -> None:
    grids = np.random.default_rng(0).integers(0, 10, (count, 16, 16))
    figure = reconstruction_figure(grids, grids, "a title")
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.texts] == [caption(grids[0], grids[0])] * count
    shown = panels(figure, (3 * bands, columns, 16, 16), 4)
    assert np.array_equal(np.concatenate(shown[::3])[:count], grids)  # type: ignore[arg-type]
    assert np.ma.getmaskarray(shown[2]).all()  # nothing is wrong


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
    assert not kl_figure([0.1], ["z0"], None, "t").axes[0].lines


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
