"""Figures: what they show is what they were given."""

from __future__ import annotations

import io
import math
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from arcvae.training.comparison import Summary
from arcvae.training.plots import (
    LABELLED,
    calibration_figure,
    confusion_figure,
    curves_figure,
    draw_picture,
    new_figure,
    plane_figure,
    recall_figure,
    to_png,
)

NAMES = ["blank", "dot", "line"]


def test_picture_has_the_size_that_was_asked_for() -> None:
    figure = new_figure(3, 2, "title")
    assert Image.open(io.BytesIO(to_png(figure, dpi=50))).size == (150, 100)
    assert figure.get_suptitle() == "title"


def test_picture_that_cannot_be_drawn_costs_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> Figure:
        raise OSError("no fonts")

    draw_picture(tmp_path, "bad", fail)
    draw_picture(tmp_path, "good", lambda: new_figure(1, 1))
    assert "not saved: bad.png (no fonts)" in caplog.text
    assert [path.name for path in tmp_path.iterdir()] == ["good.png"]


def test_bars_are_the_recalls_and_the_line_the_trivial_predictor() -> None:
    recalls = {"argmax": [1.0, 0.5, math.nan], "adjusted": [0.9, 0.6, 0.3]}
    (axes,) = recall_figure(NAMES, recalls, [1.0, 0.0, math.nan], "").axes
    assert [[bar.get_height() for bar in bars] for bars in axes.containers] == [[1.0, 0.5, 0.0], [0.9, 0.6, 0.3]]
    assert list(axes.lines[0].get_ydata()) == [1.0, 0.0, 0.0, 0.0]  # type: ignore[arg-type]
    assert [text.get_text() for text in axes.get_xticklabels()] == NAMES
    legend = axes.get_legend()
    assert legend is not None
    assert {text.get_text() for text in legend.get_texts()} == {"argmax", "adjusted", "trivial predictor"}


def test_confusion_shows_shares_of_the_targets_with_targets_as_rows() -> None:
    confusion = np.array([[90, 10, 0], [1, 2, 1], [0, 0, 0]])
    axes = confusion_figure(confusion, NAMES, "").axes[0]
    shown: NDArray[np.float64] = np.ma.filled(np.ma.asarray(axes.images[0].get_array()), np.nan)
    np.testing.assert_allclose(shown, [[0.9, 0.1, 0], [0.25, 0.5, 0.25], [np.nan] * 3])
    texts = {(text.get_position(), text.get_text()) for text in axes.texts}
    assert texts == {((0, 0), ".90"), ((1, 0), ".10"), ((0, 1), ".25"), ((1, 1), ".50"), ((2, 1), ".25")}
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted", "target (white: not in this split)")


def test_confusion_of_many_classes_has_no_figures() -> None:
    many = LABELLED + 1
    axes = confusion_figure(np.eye(many, dtype=np.int64), [str(index) for index in range(many)], "").axes[0]
    assert not axes.texts
    assert len(axes.get_xticks()) == 8  # every fourth


def test_classes_that_do_not_occur_are_told_from_those_that_are_never_found() -> None:
    absent = confusion_figure(np.array([[2, 1, 0], [0, 3, 0], [0, 0, 0]]), NAMES, "").axes[0]
    assert absent.get_ylabel() == "target (white: not in this split)"
    assert confusion_figure(np.eye(3, dtype=np.int64), NAMES, "").axes[0].get_ylabel() == "target"
    nan = float("nan")
    figure = recall_figure(NAMES, {"argmax": [1, 0, nan], "adjusted": [1, 0.5, nan]}, [1, 0, nan], "")
    names = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]  # type: ignore[union-attr]
    assert "not in this split" in names
    (grey,) = [patch for patch in figure.axes[0].patches if patch.get_label() == "not in this split"]
    assert grey.get_x() == pytest.approx(1.5)  # type: ignore[attr-defined]
    there = recall_figure(NAMES, {"argmax": [1, 0, 0]}, [1, 0, 0], "").axes[0].get_legend_handles_labels()[1]
    assert "not in this split" not in there


def test_calibration_shows_accuracy_against_confidence_and_shares() -> None:
    curve = ([0.3, 0.9], [0.25, 0.8], [0.1, 0.9])
    upper, lower = calibration_figure({"argmax": curve}, {"argmax": 0.1234}, "").axes
    np.testing.assert_allclose(upper.lines[1].get_xydata(), [[0.3, 0.25], [0.9, 0.8]])  # type: ignore[arg-type]
    np.testing.assert_allclose(lower.lines[0].get_xydata(), [[0.3, 0.1], [0.9, 0.9]])  # type: ignore[arg-type]
    assert upper.lines[1].get_label() == "argmax: error 0.123"


def test_curves_of_calibration_that_coincide_are_all_seen() -> None:
    curve = ([0.3, 0.9], [0.25, 0.8], [0.1, 0.9])
    upper, lower = calibration_figure({"argmax": curve, "adjusted": curve}, {"argmax": 0.1, "adjusted": 0.1}, "").axes
    for below, above in (upper.lines[1:], lower.lines):
        assert below.get_linewidth() > above.get_linewidth()
        assert below.get_markersize() > above.get_markersize()


def test_each_curve_of_calibration_looks_unlike_the_others() -> None:
    rules, kinds = ("argmax", "adjusted", "temperature"), ("all", "objects")
    names = [f"{rule}, {kind}" for kind in kinds for rule in rules]
    curve = ([0.3, 0.9], [0.25, 0.8], [0.1, 0.9])
    upper, _ = calibration_figure(dict.fromkeys(names, curve), dict.fromkeys(names, 0.1), "").axes
    looks = {line.get_label(): (line.get_color(), line.get_linestyle()) for line in upper.lines[1:]}
    assert len(set(looks.values())) == len(names)
    assert len({color for color, _ in looks.values()}) == len(rules)


def test_curves_of_one_variant_share_a_colour_and_a_label() -> None:
    run = [
        {"step": 1.0, "val/f1": 0.1, "val/kl/0": 1.0, "val/kl/1": 2.0},
        {"step": 2.0, "val/f1": 0.3, "val/kl/0": 1.5, "val/kl/1": 2.5},
    ]
    lacking = [{"step": 1.0, "val/f1": None}]
    histories = {"A": [run, run], "B": [run, lacking, [{"step": 1.0}], []]}
    figure = curves_figure(histories, {"val/f1": "F1", "val/kl/*": "KL"}, "")  # type: ignore[arg-type]
    f1, kl, *empty = figure.axes
    assert [f1.get_title(), kl.get_title()] == ["F1", "KL"]
    a, again, b, gap = f1.lines
    np.testing.assert_allclose(a.get_xydata(), [[1, 0.1], [2, 0.3]])  # type: ignore[arg-type]
    assert a.get_color() == again.get_color() != b.get_color()
    assert [a.get_label(), b.get_label()] == ["A", "B"]
    np.testing.assert_equal(np.asarray(gap.get_ydata()), [math.nan])
    assert len(kl.lines) == 2 * 3  # an entry each, of the three runs that have them
    assert all(not axes.axison for axes in empty)


def test_variants_are_points_with_bars_and_names() -> None:
    points = {
        "one": (Summary((1.0, 3.0)), Summary((0.2,))),
        "none": (Summary(()), Summary((0.5,))),
        "two": (Summary((4.0,)), Summary((0.4,))),
    }
    figure = plane_figure(points, "nats", "F1", "")
    (axes,) = figure.axes
    one, two = axes.lines
    np.testing.assert_allclose([one.get_xydata()[0], two.get_xydata()[0]], [[2.0, 0.2], [4.0, 0.4]])  # type: ignore[arg-type, index]
    assert one.get_color() != two.get_color()
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["one", "two"]
    horizontal = axes.collections[0].get_segments()  # type: ignore[attr-defined]
    np.testing.assert_allclose(horizontal[0], [[2 - math.sqrt(2), 0.2], [2 + math.sqrt(2), 0.2]])
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("nats", "F1")
