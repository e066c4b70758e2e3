"""Checkpoints as plain data, with the facts of their run."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from arcvae.errors import CheckpointError, FileSystemError
from arcvae.io.exports import CHECKPOINT_FORMAT
from arcvae.training.callbacks import Checkpoint
from arcvae.training.checkpoint import AtomicCheckpointIO, RunStamp, model_checkpoint
from tests.training.tiny import TinyData, build, trainer


def test_whoever_waits_for_the_first_checkpoint_is_called_once_it_can_be_read(tmp_path: Path) -> None:
    path, found = tmp_path / "one.ckpt", []
    files = AtomicCheckpointIO(first=lambda: found.append(files.load_checkpoint(path)))
    assert found == []
    with pytest.raises(FileSystemError):
        files.save_checkpoint({"epoch": 1}, Path(__file__) / "below" / "a.file")
    for epoch in (2, 3):
        files.save_checkpoint({"epoch": epoch}, path)
    assert found == [{"epoch": 2}]


def test_checkpoint_is_plain_data_with_the_facts_of_the_run(tmp_path: Path) -> None:
    facts = {"config": {"seed": 3}, "class_counts": [5, 2, 1]}
    fit = trainer(tmp_path, RunStamp(facts), plugins=[AtomicCheckpointIO()], max_epochs=1)
    fit.fit(module := build(), TinyData())
    fit.save_checkpoint(tmp_path / "one.ckpt")
    found = torch.load(tmp_path / "one.ckpt", weights_only=True)
    assert found["arcvae"] == {"format": CHECKPOINT_FORMAT, **facts}
    assert "format" not in facts  # the caller's stays as it was
    for name, tensor in module.state_dict().items():
        assert torch.equal(found["state_dict"][name], tensor)
    resumed = trainer(tmp_path, plugins=[AtomicCheckpointIO()], max_epochs=2)
    resumed.fit(build(), TinyData(), ckpt_path=tmp_path / "one.ckpt")
    assert resumed.global_step == 6


def test_damaged_checkpoint_is_refused_and_a_missing_one_may_be_removed(tmp_path: Path) -> None:
    files, path = AtomicCheckpointIO(), tmp_path / "one.ckpt"
    files.save_checkpoint({"epoch": 3, "weights": torch.ones(50)}, path)
    assert files.load_checkpoint(path)["epoch"] == 3
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(CheckpointError, match=r"one\.ckpt"):
        files.load_checkpoint(path)
    files.remove_checkpoint(path)
    files.remove_checkpoint(path)
    assert not path.exists()


def test_checkpoint_that_cannot_be_written_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FileSystemError):
        AtomicCheckpointIO().save_checkpoint({"epoch": 1}, tmp_path / "file" / "one.ckpt")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_trainer_is_asked_for_its_checkpoint_callback(tmp_path: Path) -> None:
    for callback in (ModelCheckpoint(tmp_path), Checkpoint(tmp_path)):
        assert model_checkpoint(trainer(tmp_path, callback, enable_checkpointing=True)) is callback
    assert model_checkpoint(trainer(tmp_path)) is None
