"""Pictures: ARC's colours, row 0 at the top."""

from __future__ import annotations

import io

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.image import imread

from arcvae.grid.analysis.render import ARC_COLORS, caption, draw_grid
from arcvae.training.plots import to_png


def test_each_cell_has_its_color_and_row_0_is_at_the_top() -> None:
    grid = np.arange(10).reshape(2, 5)  # top row: colours 0 to 4
    figure = Figure(figsize=(5, 2), dpi=100)
    FigureCanvasAgg(figure)
    draw_grid(figure.add_axes((0, 0, 1, 1)), grid)
    image = imread(io.BytesIO(to_png(figure)))[..., :3]
    assert image.shape == (200, 500, 3)
    for row in range(2):
        for column in range(5):
            pixel = image[100 * row + 50, 100 * column + 50]
            np.testing.assert_allclose(pixel, to_rgb(ARC_COLORS[grid[row, column]]), atol=0.01)


def test_palette_is_that_of_the_arc_task_viewer() -> None:
    assert ARC_COLORS[0] == "#000000"
    assert ARC_COLORS[1:4] == ("#0074D9", "#FF4136", "#2ECC40")
    assert len(set(ARC_COLORS)) == 10


def test_caption_judges_objects_apart_from_background() -> None:
    original = np.zeros((16, 16), dtype=int)
    original[0, :4] = 3
    black = np.zeros((16, 16), dtype=int)
    fat = original.copy()
    fat[1, :4] = 3
    assert caption(original, black) == "98 %, F1 .00"  # a black picture looks fine by accuracy alone
    assert caption(original, fat) == "98 %, F1 .67"  # all four cells found, four too many: 2 * 4 / (4 + 8)
    assert caption(original, original) == "100 %, F1 1.00"
    assert caption(black, black) == "100 %, F1 —"


def test_share_of_right_cells_is_rounded_down_and_no_further() -> None:
    original, other = np.zeros((30, 30), dtype=int), np.ones((30, 30), dtype=int)
    for right in range(901):
        decoded = np.where(np.arange(900).reshape(30, 30) < right, original, other)
        percent = int(caption(original, decoded).split()[0])
        assert 9 * percent <= right < 9 * (percent + 1), right  # in floating point 261 of 900 are 28 %
