"""Components and validity of grids, by hand and against a flood fill; errors by the number of objects."""

from __future__ import annotations

import numpy as np
import pytest

from arcvae.grid.analysis.objects import errors_by_objects, find_components
from arcvae.grid.corpus.generator import generate_grids


def grid(*rows: str) -> np.ndarray:
    """An 8x8 grid from rows of digits; a dot is background, what is left out is too."""
    cells = np.zeros((8, 8), dtype=np.uint8)
    for y, row in enumerate(rows):
        for x, cell in enumerate(row):
            cells[y, x] = 0 if cell == "." else int(cell)
    return cells


def flood_fill(cells: np.ndarray) -> list[tuple[int, int]]:
    """Colour and size of each 8-connected component, by a loop over cells."""
    left = {(y, x) for y, x in zip(*np.nonzero(cells), strict=True)}
    found = []
    while left:
        stack = [left.pop()]
        color, size = int(cells[stack[0]]), 0
        while stack:
            y, x = stack.pop()
            size += 1
            near = {(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)} & left
            for cell in [cell for cell in near if cells[cell] == color]:
                left.remove(cell)
                stack.append(cell)
        found.append((color, size))
    return sorted(found)


def test_components_equal_a_flood_fill() -> None:
    cells = np.random.default_rng(0).choice(4, (30, 9, 9), p=[0.6, 0.2, 0.1, 0.1]).astype(np.uint8)
    found = find_components(cells)
    for index, each in enumerate(cells):
        mine = found.grid == index
        ours = sorted(zip(found.color[mine].tolist(), found.size[mine].tolist(), strict=True))
        assert ours == flood_fill(each)


@pytest.mark.parametrize(
    ("cells", "valid", "objects"),
    [
        (grid(), False, 0),  # nothing there
        (grid("1"), False, 1),  # a single cell is no object
        (grid("11"), True, 1),
        (grid("1.", ".1"), True, 1),  # touches over the corner
        (grid("12"), False, 2),  # two colours, a cell each
        (grid("1122"), True, 2),  # touching objects of two colours
        (grid("11111111", "1111111"), True, 1),  # 15 cells
        (grid("11111111", "11111111"), True, 2),  # 16 cells: two objects of one colour that touch
        (grid(*["11111111"] * 8), False, 5),  # 64 cells need five objects
        (grid("11.22.33", "........", "44.55"), False, 5),
        (grid("11.22.33", "........", "44"), True, 4),
        (grid("11.22.33", "........", "44.5"), False, 5),  # a stray cell
    ],
)
def test_validity_of_grids_made_by_hand(cells: np.ndarray, valid: bool, objects: int) -> None:
    found = find_components(cells[None])
    assert found.valid(4).tolist() == [valid]
    assert found.objects_per_grid.tolist() == [objects]


@pytest.mark.parametrize(("kind", "most"), [("atomic", 4), ("simplified", 6)])
def test_every_generated_grid_is_valid(kind: str, most: int) -> None:
    cells, _ = generate_grids(kind, 3000, seed=3)
    assert find_components(cells).valid(most).all()


def test_main_color_is_that_of_the_largest_component() -> None:
    assert find_components(np.stack([grid("11.222"), grid(), grid("33")])).main_color.tolist() == [2, 0, 3]


def test_errors_by_objects_worked_by_hand() -> None:
    one, two = grid("11"), grid("11.22")
    decoded = np.stack([one, grid("1.3"), grid("11.33"), grid("11.22")])
    found = errors_by_objects(np.stack([one, one, two, two]), decoded)
    assert found == {
        "1": {"share": 0.5, "exact_match": 0.5, "left_out": 0.5, "added": 0.5, "recolored": 0.0},
        "2": {"share": 0.5, "exact_match": 0.5, "left_out": 0.0, "added": 0.0, "recolored": 1.0},
    }


def test_ignored_cells_are_in_no_object_and_no_error() -> None:
    # The same figures as of the first six columns alone.
    cells, _ = generate_grids("atomic", 200, seed=0)
    decoded = np.roll(cells, 1, axis=2)
    cropped = errors_by_objects(cells[:, :, :6], decoded[:, :, :6])
    cells[:, :, 6:] = 255
    assert errors_by_objects(cells, decoded, ignore_index=255) == cropped
    assert len(cropped) > 1
    assert cropped["1"]["left_out"] > 0


@pytest.mark.parametrize("count", [0, 1])
def test_grids_without_objects_have_no_components(count: int) -> None:
    found = find_components(np.zeros((count, 8, 8), dtype=np.uint8))
    assert found.size.shape == found.color.shape == found.grid.shape == (0,)
    assert found.objects_per_grid.tolist() == [0] * count
