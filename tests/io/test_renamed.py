"""Names in files of earlier versions lead to what is there now."""

from __future__ import annotations

import importlib
import inspect
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from arcvae.io.renamed import NOT_YET_NAMED, RENAMED, TASK_OF_MODELS, TASK_OF_PART, inferred_task, with_present_names
from arcvae.training.task import Task

GOLDEN = Path(__file__).parents[1] / "golden" / "0.1.0"


def targets(node: Any) -> Iterator[str]:
    """Every ``_target_`` below a node."""
    if isinstance(node, Mapping):
        if "_target_" in node:
            yield node["_target_"]
        for value in node.values():
            yield from targets(value)


def found(target: str) -> Any:
    module, _, name = target.rpartition(".")
    return getattr(importlib.import_module(module), name)


def test_present_names_are_those_of_something_and_final() -> None:
    for target in {*RENAMED.values(), *TASK_OF_PART.values(), *TASK_OF_MODELS.values()}:
        assert found(target).__module__ + "." + found(target).__qualname__ == target
        assert target not in RENAMED
    assert all(issubclass(found(target), Task) for target in {*TASK_OF_PART.values(), *TASK_OF_MODELS.values()})


@pytest.mark.parametrize("task", ["grid", "audio"])
def test_every_name_that_is_read_back_from_a_run_of_0_1_0_is_known(task: str) -> None:
    config = json.loads((GOLDEN / task / "metrics.json").read_text())["config"]
    nodes = with_present_names({key: config.get(key) for key in ("task", "data", "model", "loss", "beta")})
    names = list(targets(nodes))
    assert len(names) == (5 if task == "grid" else 4)
    assert all(callable(found(name)) for name in names)


def test_names_are_replaced_wherever_they_are_and_nothing_else_is() -> None:
    old, new = "arcvae.grid.model.SpatialVAE", "arcvae.grid.models.spatial.SpatialVAE"
    node = {
        "a": {"_target_": old, "note": old, "parts": [{"_target_": old}, old, 3, None]},
        "_target_": "torch.optim.AdamW",
    }
    before = json.dumps(node)
    assert with_present_names(node) == {
        "a": {"_target_": new, "note": old, "parts": [{"_target_": new}, old, 3, None]},
        "_target_": "torch.optim.AdamW",
    }
    assert json.dumps(node) == before
    assert with_present_names(with_present_names(node)) == with_present_names(node)
    assert with_present_names({"_target_": 7}) == {"_target_": 7}


def test_what_a_file_does_not_name_yet_is_filled_in_and_what_it_names_is_kept() -> None:
    for target, arguments in NOT_YET_NAMED.items():
        assert target not in RENAMED
        assert set(arguments) <= set(inspect.signature(found(target)).parameters)
    old = {"data": {"_target_": "arcvae.grid.data.GridDataModule", "num_grids": 240}}
    assert with_present_names(old)["data"]["generator_version"] == 1
    new = {"data": {"_target_": "arcvae.grid.corpus.data.GridDataModule", "generator_version": 2}}
    assert with_present_names(new)["data"]["generator_version"] == 2
    assert "generator_version" not in with_present_names({"_target_": "arcvae.audio.data.AudioDataModule"})


def test_task_follows_from_the_model_before_the_part() -> None:
    assert inferred_task("classifier", {"_target_": "arcvae.grid.models.beta_vae.BetaVAE"}) == {
        "_target_": "arcvae.grid.task.GridTask"
    }
    assert inferred_task("classifier", {}) == {"_target_": "arcvae.audio.task.AudioTask"}
    assert inferred_task("tagger", {"_target_": "arcvae_grid.Model"}) == {}
