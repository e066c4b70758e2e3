"""Which checkpoint a run goes on from."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from arcvae.errors import CheckpointError
from arcvae.io.exports import CHECKPOINT_FORMAT
from arcvae.io.tensors import save_torch
from arcvae.training.resuming import newest_checkpoint, read_or_name_another, starting_point


def write(path: Path, step: int, *, cut: int = 0) -> Path:
    """A checkpoint of so many steps; ``cut`` bytes are missing at its end."""
    node = {"_target_": "some.where"}
    config = dict.fromkeys(("task", "data", "model", "loss"), node)
    stamp = {"format": CHECKPOINT_FORMAT, "config": config, "class_counts": [1], "corpus_sha256": ""}
    save_torch(path, {"global_step": step, "state_dict": {}, "arcvae": stamp})
    path.write_bytes(path.read_bytes()[: -cut or None])
    return path


def test_newest_is_that_of_most_steps_whatever_the_times_of_the_files(tmp_path: Path) -> None:
    assert newest_checkpoint(tmp_path) is None
    best = write(tmp_path / "checkpoints" / "best.ckpt", 20)
    assert newest_checkpoint(tmp_path) == best
    last = write(tmp_path / "checkpoints" / "last.ckpt", 30)
    os.utime(last, (1, 1))
    assert newest_checkpoint(tmp_path) == last
    write(best, 30)
    assert newest_checkpoint(tmp_path) == last  # of the same step


def test_damaged_one_is_passed_over_and_both_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    best = write(tmp_path / "checkpoints" / "best.ckpt", 20)
    last = write(tmp_path / "checkpoints" / "last.ckpt", 30, cut=50)
    with caplog.at_level(logging.WARNING):
        assert newest_checkpoint(tmp_path) == best
    (line,) = (record.getMessage() for record in caplog.records)
    assert str(last) in line
    assert str(best) in line
    for one, other in ((last, best), (best, last)):
        write(other, 40)
        write(one, 30, cut=50)
        with pytest.raises(CheckpointError) as raised:
            read_or_name_another(one)
        assert str(raised.value).startswith(str(one))
        assert str(raised.value).endswith(f"intact beside it: {other}")
    write(last, 20, cut=50)
    for ckpt_path in (None, "auto", str(tmp_path)):  # and never a new beginning
        with pytest.raises(CheckpointError, match="there is no other checkpoint"):
            starting_point(tmp_path, ckpt_path)


def test_folder_goes_on_from_its_own_checkpoint(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder, other = tmp_path / "new", write(tmp_path / "old" / "checkpoints" / "last.ckpt", 10)
    assert starting_point(folder, None) is None
    with caplog.at_level(logging.INFO):
        assert starting_point(folder, "auto") is None
    assert "holds no checkpoint, so that this run begins" in caplog.text
    assert starting_point(folder, str(other)) == starting_point(folder, str(tmp_path / "old")) == other
    last = write(folder / "checkpoints" / "last.ckpt", 20)
    for ckpt_path in (None, "auto", str(other), str(tmp_path / "old"), str(last), str(folder)):
        assert starting_point(folder, ckpt_path) == last
    best = write(folder / "checkpoints" / "best.ckpt", 15)
    with pytest.raises(CheckpointError, match=f"{best} would be continued over {last}, which is newer"):
        starting_point(folder, str(best))
    assert starting_point(tmp_path / "third", str(best)) == best
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointError, match="holds no checkpoint"):
        starting_point(tmp_path / "third", str(tmp_path / "empty"))
