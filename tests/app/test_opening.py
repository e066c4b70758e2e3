"""A model is opened with what plugins have of it, and nothing of a file is imported beyond them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from arcvae import load
from arcvae.app.opening import open_model
from arcvae.audio.task import AudioTask
from arcvae.errors import CheckpointError
from arcvae.grid.task import GridTask
from arcvae.io.tensors import load_torch, save_torch
from arcvae.training.predictor import Predictor

PLUGIN = """
from arcvae.audio.model import AudioCNN
from arcvae.audio.task import AudioTask

class Net(AudioCNN):
    pass

class Mine(AudioTask):
    pass
"""


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    (tmp_path / "my_sounds.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "my_sounds"
    sys.modules.pop("my_sounds", None)


def changed(export: Path, copy: Path, **nodes: dict[str, Any]) -> Path:
    """A copy of an export that says something else of its task or model."""
    content = load_torch(export)
    save_torch(copy, content | {key: content[key] | node for key, node in nodes.items()})
    return copy


@pytest.mark.parametrize("name", ["", "classifier.pth", "checkpoints/best.ckpt"])
def test_model_of_arcvae_needs_no_plugin_and_that_of_a_checkpoint_is_adjusted(clips_run: Path, name: str) -> None:
    model, task, names = open_model(clips_run / name, ())
    assert isinstance(model, Predictor)
    assert isinstance(task, AudioTask)
    assert names == load_torch(clips_run / "classifier.pth")["class_names"]
    assert model.tau == load_torch(clips_run / "classifier.pth")["logit_adjustment"]["tau"]


def test_model_that_comes_with_arcvae_has_its_prior() -> None:
    model, task, _ = open_model(Path("atomic-d10"), ())
    assert isinstance(task, GridTask)
    assert (model.sample_codes(2, seed=1) == load("atomic-d10").sample_codes(2, seed=1)).all()


def test_task_and_class_of_a_plugin_are_used_if_that_is_named(clips_run: Path, tmp_path: Path, plugin: str) -> None:
    nodes = {"task": {"_target_": f"{plugin}.Mine"}, "model": {"_target_": f"{plugin}.Net"}}
    file = changed(clips_run / "classifier.pth", tmp_path / "mine.pth", **nodes)
    with pytest.raises(CheckpointError, match=rf"is of the task {plugin}.Mine, which is not arcvae's"):
        open_model(file, ())
    assert plugin not in sys.modules
    model, task, _ = open_model(file, [plugin])
    assert type(task).__name__ == "Mine"
    assert isinstance(model, Predictor)
    other = changed(clips_run / "classifier.pth", tmp_path / "other.pth", model={"_target_": "os.system"})
    with pytest.raises(CheckpointError, match=r"os.system, which is not arcvae's"):
        open_model(other, [plugin])


def test_file_that_names_no_task_is_refused_with_plugins_too(clips_run: Path, tmp_path: Path, plugin: str) -> None:
    content = load_torch(clips_run / "classifier.pth")
    save_torch(tmp_path / "old.pth", content | {"task": {}})
    with pytest.raises(CheckpointError, match=r"which is not arcvae's"):
        open_model(tmp_path / "old.pth", [plugin])
