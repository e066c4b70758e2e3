"""Examples for operators: what they say of results is what operations on cells make of the shapes."""

from __future__ import annotations

import pytest
import torch

from arcvae.grid.codec import Codec
from arcvae.grid.codes.operators import CHANGES, ONE, RATIOS, SETS
from arcvae.grid.models.objects import ObjectsVAE
from arcvae.grid.operations.operator_examples import Examples, Shapes, examples
from tests.grid.models.perfect import perfect_vae
from tests.grid.operations.exact import ExactOperators
from tests.grid.operations.scenes import scenes


@pytest.fixture(scope="module")
def model() -> ObjectsVAE:
    """Draws its shapes exactly from their numbers, in any orientation."""
    return perfect_vae(torch.from_numpy(scenes(80, seed=1)))


def made(model: ObjectsVAE, pairs: bool, count: int = 300) -> Examples:
    shapes = Shapes.of(model, torch.from_numpy(scenes(80, seed=1)))
    generator = torch.Generator().manual_seed(0)
    return examples(model, shapes, count, pairs=pairs, mutated=0.0, generator=generator)


@pytest.mark.slow
@pytest.mark.parametrize("pairs", [False, True])
@torch.no_grad()
def test_results_are_those_of_the_oracle(model: ObjectsVAE, pairs: bool) -> None:
    found = made(model, pairs)
    oracle = ExactOperators(Codec(model))
    first, second = (found.first, found.parity), (found.second, found.second_parity)
    if pairs:
        wanted = oracle.combine(first, second, found.change, found.offset, found.aligned)
    else:
        wanted = oracle.change(*first, found.change)
    assert torch.equal(found.kind, wanted.kind())
    assert torch.equal(found.shift, wanted.shift())
    one = found.kind == ONE
    torch.testing.assert_close(found.mean[one], wanted.shapes[one])
    cells, _ = model.encoder.shape(found.cells[one], found.result_parity[one])  # the code is that of the cells
    torch.testing.assert_close(found.mean[one], cells)
    for change in range(len(SETS) if pairs else len(CHANGES)):
        kinds = set(found.kind[found.change == change].tolist())
        assert len(kinds) > 1 or (not pairs and change >= len(RATIOS) - 1)


def test_offsets_are_where_two_boxes_overlap_or_touch(model: ObjectsVAE) -> None:
    found = made(model, pairs=True, count=2000)
    assert 0.4 < found.aligned.float().mean() < 0.6
    assert found.offset.abs().max() <= 2 * model.frame.size
    union = found[(found.change == SETS.index("union")) & ~found.aligned]
    assert 0.3 < (union.kind == ONE).float().mean() < 0.95


def test_the_same_seed_makes_the_same_and_mutation_makes_new_shapes(model: ObjectsVAE) -> None:
    one, again = made(model, pairs=True), made(model, pairs=True)
    assert torch.equal(one.first, again.first)
    assert torch.equal(one.cells, again.cells)
    shapes = Shapes.of(model, torch.from_numpy(scenes(80, seed=1)))
    generator = torch.Generator().manual_seed(0)
    mutated = shapes.draw(300, model.frame, 1.0, generator)
    views = [model.frame.turn(shapes.cells, shapes.parity, torch.full_like(shapes.parity, g))[0] for g in range(8)]
    known = {cells.numpy().tobytes() for cells in torch.cat(views)}
    assert any(cells.numpy().tobytes() not in known for cells in mutated.cells)
    assert (mutated.cells.sum(1) >= 1).all()
