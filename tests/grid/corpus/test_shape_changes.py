"""Changed shapes: what the pixel oracle makes of the same shapes occurs among them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from arcvae.grid.corpus.shape_changes import changed
from arcvae.grid.operations.drawings import Drawing
from arcvae.grid.operations.pixels import apply
from arcvae.grid.operations.program import Program

ELBOW, BAR = frozenset({(0, 0), (1, 0), (2, 0), (2, 1)}), frozenset({(0, 0), (0, 1), (0, 2)})
SIDE = 16


def mask(cells: frozenset[tuple[int, int]]) -> Tensor:
    found = torch.zeros(4, 4, dtype=torch.bool)
    for cell in cells:
        found[cell] = True
    return found


def anchored(cells: frozenset[tuple[int, int]]) -> frozenset[tuple[int, int]]:
    top, left = (min(cell[axis] for cell in cells) for axis in (0, 1))
    return frozenset((row - top, column - left) for row, column in cells)


def drawn(count: int = 3000) -> list[frozenset[tuple[int, int]]]:
    shapes, others = (mask(cells).repeat(count, 1, 1) for cells in (ELBOW, BAR))
    found = changed(shapes, others, SIDE, torch.Generator().manual_seed(0))
    return [frozenset(map(tuple, one.nonzero().tolist())) for one in found]


@pytest.mark.parametrize(
    "program",
    [
        *("scale(2)", "scale(3)", "scale(0.5)", "symmetrize('x')", "symmetrize('y')", "scale(2) | symmetrize('y')"),
        *("union(align=True)", "intersection(align=True)", "difference(align=True)", "union()", "connect()"),
    ],
)
def test_what_operations_make_occurs(program: str) -> None:
    objects = [Drawing(1, ELBOW), Drawing(1, frozenset((row + 1, column + 4) for row, column in BAR))]
    if program == "connect()":  # a line of one cell alone, or one of two
        objects = [Drawing(1, frozenset({(0, 0)})), Drawing(1, frozenset({(3, 1)}))]
    found = apply(Program.parse(program), objects, (SIDE, SIDE))
    assert anchored(found[2 if program == "connect()" else 0].cells) in set(drawn())


def test_shapes_begin_in_the_corner_and_are_never_empty() -> None:
    for cells in drawn():
        assert cells == anchored(cells)
    nothing = changed(mask(ELBOW)[None].repeat(99, 1, 1), mask(ELBOW)[None].repeat(99, 1, 1), SIDE, torch.Generator())
    assert nothing.any(2).any(1).all()  # less itself, a shape is left as it is


def test_draws_depend_on_the_generator_alone() -> None:
    assert drawn(50) == drawn(50)
