"""Training of operators: it follows the seed, leaves the model alone, and learns what can be learned by heart."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from arcvae.errors import DataError
from arcvae.grid.codes.companions import weights_digest
from arcvae.grid.codes.operators import ShapeOperators
from arcvae.grid.models.objects import ObjectsVAE
from arcvae.grid.operations.operator_examples import Shapes, examples
from arcvae.grid.operations.operator_training import OperatorSettings, exact_share, train_operators
from tests.grid.models.perfect import perfect_vae
from tests.grid.operations.scenes import scenes

QUICK = OperatorSettings(steps=16, batch_size=32, lr=3e-3, examples=64, mutated=0.5, width=16, blocks=1)


def test_the_same_seed_trains_the_same_operators_and_the_model_stays() -> None:
    torch.manual_seed(0)
    model, grids = ObjectsVAE(width=16).eval(), torch.from_numpy(scenes(40, seed=0))
    before = weights_digest(model)
    digests = []
    for seed in (1, 1, 2):
        operators, exact = train_operators(model, grids, grids, QUICK, seed)
        digests.append(weights_digest(operators))
        assert not operators.training
        assert set(exact) == {"one shape", "two shapes"}
        assert all(0 <= share <= 1 for shares in exact.values() for share in shares)
    assert digests[0] == digests[1] != digests[2]
    assert weights_digest(model) == before
    assert all(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.slow
def test_operators_learn_a_few_shapes_by_heart() -> None:
    grids = torch.zeros(2, 16, 16, dtype=torch.uint8)
    grids[0, 2, 2:4], grids[1, 5, 5] = 1, 2  # a bar and a cell
    # What becomes of them, but for eighteen cells, which are too many.
    results = torch.zeros(4, 16, 16, dtype=torch.uint8)
    results[0, :2, :4], results[1, :2, :2], results[2, :3, :3], results[3, 0, 0] = 1, 1, 1, 1
    model = perfect_vae(torch.cat([grids, results]))
    settings = dataclasses.replace(QUICK, steps=400, lr=1e-2, examples=400, mutated=0.0, width=64)
    operators, _ = train_operators(model, grids, grids, settings, seed=0)
    held = examples(
        model, Shapes.of(model, grids), 200, pairs=False, mutated=0.0, generator=torch.Generator().manual_seed(5)
    )
    assert exact_share(operators, model, held, pairs=False) > 0.9
    torch.manual_seed(0)
    assert exact_share(ShapeOperators(model, 64, 1), model, held, pairs=False) < 0.5


def test_grids_without_objects_are_refused() -> None:
    model, empty = ObjectsVAE(width=16), torch.zeros(3, 16, 16, dtype=torch.uint8)
    grids = torch.from_numpy(np.asarray(scenes(5, seed=0)))
    with pytest.raises(DataError, match=r"^the val split has no objects; operators need some$"):
        train_operators(model, grids, empty, QUICK, seed=0)
