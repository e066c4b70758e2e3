"""Figures of grids against others: worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from arcvae.grid.benchmarks.scoring import errors_by_kind, exact_match, figures, gate, object_f1


def grid(*rows: str) -> NDArray[np.uint8]:
    return np.array([[int(letter) for letter in row] for row in rows], dtype=np.uint8)


WANTED = grid("110000", "010000", "000000", "000330", "000000")


@pytest.mark.parametrize(
    ("found", "kinds"),
    [
        (grid("220000", "020000", "000000", "000330", "000000"), {"color": 1}),
        (grid("110000", "010000", "000000", "000000", "330000"), {"place": 1}),
        (grid("110000", "000000", "000000", "000330", "000000"), {"shape": 1}),
        (grid("000000", "000000", "000000", "000330", "000000"), {"missing": 1}),
        (grid("110000", "010000", "000000", "000330", "500000"), {"added": 1}),
        # An object that is cut in two has another shape, and its other half is added.
        (grid("100000", "010000", "000000", "000303", "000000"), {"shape": 2, "added": 1}),
        # Colours exchanged: each is where the other should be.
        (grid("330000", "030000", "000000", "000110", "000000"), {"color": 2}),
        # Another colour and another shape at once count as the shape.
        (grid("220000", "000000", "000000", "000330", "000000"), {"shape": 1}),
        (np.zeros_like(WANTED), {"missing": 2}),
        (WANTED, {}),
    ],
)  # fmt: skip
def test_errors_by_kind(found: NDArray[np.uint8], kinds: dict[str, int]) -> None:
    counts = errors_by_kind(WANTED[None], found[None])
    assert {kind: count for kind, count in counts.items() if count} == kinds


def test_gates() -> None:
    assert [gate(value) for value in (1.0, 0.85, 0.8499, 0.70, 0.6999, 0.0)] == [
        "go", "go", "iterate", "iterate", "stop", "stop",
    ]  # fmt: skip


def test_f1_counts_coloured_cells_over_all_grids() -> None:
    target, found = grid("110", "000"), grid("100", "002")
    # One hit; two cells on the one side and two on the other.
    assert object_f1(target[None], found[None]) == pytest.approx(2 * 1 / 4)
    assert object_f1(np.stack([target, target]), np.stack([found, target])) == pytest.approx(2 * 3 / 8)
    assert object_f1(np.zeros((2, 3, 3), np.uint8), np.zeros((2, 3, 3), np.uint8)) == 1


def test_figures_are_those_of_each_subset() -> None:
    target = np.stack([WANTED] * 4)
    found = target.copy()
    found[1, 0, 0] = 0
    found[3] = 0
    objects = np.array([1, 1, 2, 7])
    clear, none = np.array([True, True, True, False]), np.zeros(4, dtype=bool)
    result = figures(target, found, objects, {"clear": clear, "every": ~none, "fit": none})
    assert exact_match(target, found).tolist() == [True, False, True, False]
    assert result["clear"]["exact"] == pytest.approx(2 / 3)
    assert result["every"]["exact"] == 0.5
    assert result["fit"] == {"exact": None, "f1": None}
    assert result["by_objects"] == {"1": 0.5, "2": 1.0, "3": None, "4": None}
    assert result["errors"]["shape"] == pytest.approx(1000 / 3)
    assert figures(target, found, objects, {"clear": ~clear})["by_objects"]["4"] == 0  # seven are four or more
    assert "errors" not in figures(target, found, objects, {"clear": clear}, detail=False)
