"""Curves as SVG: points lie where their values are, whatever these are."""

from __future__ import annotations

import math
import re

import pytest

from arcvae.training.page.curves import curves, legend
from tests.training.page.records import HOSTILE


def path(svg: str) -> list[tuple[float, float]]:
    """Points of the first curve, from the top left."""
    (found, *_) = re.findall(r'<path style="[^"]*" d="M([^"]*)"', svg)
    return [(float(x), float(y)) for x, y in (point.split(",") for point in found.split("L"))]


def test_points_are_linear_in_epoch_and_value() -> None:
    # The axis takes in 0 to 1 over 26 to 180 from the top, and epochs 1 to 3 over 52 to 330 from the left.
    found = path(curves("accuracy", {"val": [[(1, 0.0), (2, 1.0), (3, 0.5)]]}))
    assert found == [(52, 180), (191, 26), (330, 103)]


def test_trivial_predictor_is_a_line_within_the_axis() -> None:
    svg = curves("accuracy", {"val": [[(1, 0.95), (2, 0.97)]]}, trivial=0.9)
    (y,) = re.findall(r'class="trivial" [^>]*y1="([\d.]+)"', svg)
    assert path(svg)[0][1] < float(y) <= 180


@pytest.mark.parametrize(
    "values", [[0.0, 0.0], [5.0], [1e-9, 2e-9], [-3.0, 1e6], [math.nan, 0.5, math.inf, 0.7], [1e300, -1e300]]
)
def test_every_point_is_inside_the_panel(values: list[float]) -> None:
    svg = curves("loss", {"val": [list(enumerate(values))]})
    assert "nan" not in svg
    assert all(52 <= x <= 330 and 25.9 <= y <= 180.1 for x, y in path(svg))


@pytest.mark.parametrize(("value", "ends"), [(0.0, ["0", "1"]), (0.6, ["0", "0.6"]), (-2.0, ["-2", "0"])])
def test_axis_of_a_constant_begins_at_zero_and_one_epoch_is_not_two(value: float, ends: list[str]) -> None:
    shown = re.findall(r'text-anchor="(end|start)">([^<]*)</text>', curves("exact match", {"val": [[(1, value)]]}))
    ticks = [label for anchor, label in shown if anchor == "end"]
    assert [ticks[0], ticks[-1]] == ends
    assert [label for anchor, label in shown if anchor == "start"] == ["1"]


def test_without_a_point_there_is_no_panel_and_names_are_text() -> None:
    assert curves("loss", {"val": [[(1, math.nan)]], "train": []}) == ""
    assert "<script" not in curves(HOSTILE, {HOSTILE: [[(1, 1.0)]]}) + legend([HOSTILE], HOSTILE)
