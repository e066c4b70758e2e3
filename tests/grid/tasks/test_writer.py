"""One task for whoever wants to see one, and models and corpora that no task can be made with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import arcvae
from arcvae.errors import CheckpointError, ConfigError, DataError
from arcvae.grid.codec import Codec
from arcvae.grid.models.objects import ObjectsVAE
from arcvae.grid.tasks import make_task, replay
from tests.conftest import save_arrays


@pytest.mark.slow
def test_one_task(codec: Codec) -> None:
    task = make_task(codec, depth=2, objects=2, seed=4)
    assert (task.depth, task.objects, task.seed) == (2, 2, 4)
    assert all(np.array_equal(replay(task.program, g), out) for g, out in zip(task.inputs, task.outputs, strict=True))


def test_inputs_from_a_corpus_have_its_shapes(codec: Codec, tmp_path: Path) -> None:
    grids = np.zeros((4, 16, 16), dtype=np.uint8)
    grids[:, 3:5, 3:6] = 4
    task = make_task(codec, 1, 2, corpus=str(save_arrays(tmp_path / "c.npz", train=grids)))
    assert {int((grid == color).sum()) for grid in task.inputs for color in np.unique(grid[grid > 0])} <= {6, 12}


def test_what_no_task_can_be_made_with_is_refused(codec: Codec, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"codes without objects; tasks need a model of objects"):
        make_task(arcvae.load("atomic-d10"))
    with pytest.raises(CheckpointError, match=r"comes without a prior; .* set prior_path, or set corpus"):
        make_task(Codec(ObjectsVAE(width=8)))
    with pytest.raises(ConfigError, match=r"max_objects=7 must be 1 to 6, the slots of .*atomic-objects"):
        make_task(codec, objects=7)
    large = np.full((3, 16, 16), 3, dtype=np.uint8)
    with pytest.raises(DataError, match=r"c\.npz: no object fits into a slot of 8 x 8 cells, 15"):
        make_task(codec, corpus=str(save_arrays(tmp_path / "c.npz", train=large)))
