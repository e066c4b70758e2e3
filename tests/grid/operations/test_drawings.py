"""Objects as sets of cells: found as the parser finds them, drawn over each other in their order."""

from __future__ import annotations

import numpy as np

from arcvae.grid.corpus.generator import generate_grids
from arcvae.grid.models.parsing import find_objects
from arcvae.grid.operations.drawings import Drawing, draw, hidden, objects_of, reached, split


def test_objects_are_those_that_the_parser_finds_in_the_same_order() -> None:
    grids = generate_grids("atomic", 60, seed=0)[0]
    found = find_objects(grids, 10, 16, 256)
    wanted = [(index, each.color, *each.box) for index, grid in enumerate(grids) for each in objects_of(grid)]
    assert [row[:2] for row in wanted] == list(zip(found.grid.tolist(), found.color.tolist(), strict=True))
    assert [(top + bottom) / 2 for _, _, top, _, bottom, _ in wanted] == found.row.tolist()
    assert [(left + right) / 2 for *_, left, _, right in wanted] == found.column.tolist()


def test_drawing_objects_gives_their_grid() -> None:
    grids = generate_grids("atomic", 60, seed=1)[0]
    for grid in grids:
        assert np.array_equal(draw(objects_of(grid), (16, 16)), grid)
        assert not hidden(objects_of(grid), (16, 16))


def test_later_objects_cover_earlier_ones_and_the_edge_clips() -> None:
    one, other = Drawing(1, frozenset({(0, 0), (0, 1)})), Drawing(2, frozenset({(0, 1), (-1, 0), (0, 2)}))
    assert draw([one, other], (1, 2)).tolist() == [[1, 2]]
    assert draw([other, one], (1, 2)).tolist() == [[1, 1]]
    assert hidden([one, other], (9, 9))
    assert hidden([other.moved(0, 5)], (1, 9))
    assert not hidden([other.moved(2, 0), one], (9, 9))
    assert one.moved(2, 3).box == (2, 3, 2, 4)


def test_parts_touch_over_corners() -> None:
    cells = {(0, 0), (1, 1), (1, 3), (9, 9)}
    assert reached((1, 1), cells) == {(0, 0), (1, 1)}
    assert [(part.color, min(part.cells)) for part in split(4, cells)] == [(4, (0, 0)), (4, (1, 3)), (4, (9, 9))]
    assert split(4, []) == []
