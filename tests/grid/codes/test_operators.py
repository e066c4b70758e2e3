"""Operators on the numbers of shapes: whatever they have learned, they commute with the symmetries of the square."""

from __future__ import annotations

import pytest
import torch

from arcvae.grid.codes.operators import CHANGES, MIRROR_X, MIRROR_Y, SETS, SHRINK, Changed, ShapeOperators
from arcvae.grid.models.dihedral import ORDER, turn_code, turn_vector
from arcvae.grid.models.objects import ObjectsVAE

Part = tuple[torch.Tensor, torch.Tensor]
"""Numbers of shapes and their parity classes."""
COUNT = 40
SWAPPING = (1, 3, 4, 6)
"""Symmetries that take rows to columns: quarter turns, and the transposition with none or two of them."""
TRANSPOSITION = 4


@pytest.fixture(scope="module")
def operators() -> ShapeOperators:
    """Untrained, with ten numbers of a shape: two do not change under symmetries."""
    torch.manual_seed(0)
    return ShapeOperators(ObjectsVAE(width=8, shape_numbers=10), width=32, blocks=1)


def shapes(seed: int) -> Part:
    """Shapes that no symmetry leaves as they are."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(COUNT, 10, generator=generator), torch.randint(4, (COUNT,), generator=generator)


def turned(
    operators: ShapeOperators, part: tuple[torch.Tensor, torch.Tensor], g: torch.Tensor
) -> tuple[torch.Tensor, ...]:
    return turn_code(part[0], g), operators.frame.parity[part[1], g]


def same(found: Changed, wanted: Changed, g: torch.Tensor) -> None:
    torch.testing.assert_close(found.shapes, turn_code(wanted.shapes, g))
    torch.testing.assert_close(found.kinds, wanted.kinds)


@pytest.mark.parametrize("g", range(ORDER))
@pytest.mark.parametrize("change", [CHANGES.index(name) for name in CHANGES if name != "scale(1/2)"])
@torch.no_grad()
def test_changes_commute_with_symmetries(operators: ShapeOperators, change: int, g: int) -> None:
    part, turn = shapes(1), torch.full((COUNT,), g)
    after = {MIRROR_X: MIRROR_Y, MIRROR_Y: MIRROR_X}.get(change, change) if g in SWAPPING else change
    before = operators.change(*part, torch.full((COUNT,), change))
    found = operators.change(*turned(operators, part, turn), torch.full((COUNT,), after))
    same(found, before, turn)
    if change < MIRROR_X:  # the corner of a scaled box stays: it grows to the right and down, however it is turned
        assert torch.equal(found.shift(), before.shift().flip(1) if g in SWAPPING else before.shift())
    else:
        assert torch.equal(found.shift(), turn_vector(before.shift(), turn))


@torch.no_grad()
def test_blocks_are_counted_from_the_corner_that_is_at_the_top_left(operators: ShapeOperators) -> None:
    part, change = shapes(2), torch.full((COUNT,), SHRINK)
    before = operators.change(*part, change)
    for g in range(1, ORDER):
        turn = torch.full((COUNT,), g)
        found = operators.change(*turned(operators, part, turn), change)
        if g == TRANSPOSITION:  # which leaves that corner where it is
            same(found, before, turn)
        else:
            assert not torch.allclose(found.shapes, turn_code(before.shapes, turn), atol=1e-3)


@pytest.mark.parametrize("g", range(ORDER))
@torch.no_grad()
def test_sets_of_two_commute_with_symmetries_where_they_lie_apart(operators: ShapeOperators, g: int) -> None:
    first, second, turn = shapes(3), shapes(4), torch.full((COUNT,), g)
    change, offset = torch.arange(COUNT) % len(SETS), torch.randint(-16, 17, (COUNT, 2))
    aligned = torch.zeros(COUNT, dtype=torch.bool)
    before = operators.combine(first, second, change, offset, aligned)
    a, b = turned(operators, first, turn), turned(operators, second, turn)
    found = operators.combine(a, b, change, turn_vector(offset, turn), aligned)
    same(found, before, turn)
    assert torch.equal(found.shift(), turn_vector(before.shift(), turn))


@torch.no_grad()
def test_where_corners_lie_on_each_other_no_offset_is_seen(operators: ShapeOperators) -> None:
    first, second, change = shapes(5), shapes(6), torch.zeros(COUNT, dtype=torch.long)
    near, far = torch.zeros(COUNT, 2, dtype=torch.long), torch.full((COUNT, 2), 9)
    for aligned in (True, False):
        flags = torch.full((COUNT,), aligned)
        found = [operators.combine(first, second, change, offset, flags).shapes for offset in (near, far)]
        assert torch.equal(*found) == aligned


@pytest.mark.parametrize("change", range(len(CHANGES)))
@torch.no_grad()
def test_targets_of_shifts_are_the_classes_that_give_them(operators: ShapeOperators, change: int) -> None:
    found = operators.change(*shapes(7), torch.full((COUNT,), change))
    wanted = torch.randint(-8, 9, (COUNT, 2))
    logits = torch.nn.functional.one_hot(found.shift_targets(wanted), found.shifts.shape[2])
    told = Changed(found.shapes, found.kinds, logits, found.upright, found.signed)
    assert torch.equal(told.shift(), wanted)


def test_every_parameter_gets_a_gradient(operators: ShapeOperators) -> None:
    change, sets = torch.arange(COUNT) % len(CHANGES), torch.arange(COUNT) % len(SETS)
    offset, aligned = torch.zeros(COUNT, 2, dtype=torch.long), torch.arange(COUNT) % 2 == 0
    for found in (operators.change(*shapes(8), change), operators.combine(shapes(8), shapes(9), sets, offset, aligned)):
        (found.shapes.sum() + found.kinds.sum() + found.shifts.sum()).backward()
    without = [name for name, parameter in operators.named_parameters() if parameter.grad is None]
    assert without == []
    operators.zero_grad()
