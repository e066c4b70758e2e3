"""What is told of a checkpoint that cannot be continued, and what a continued run takes over."""

from __future__ import annotations

from pathlib import Path

import pytest

from arcvae.app.continuing import take_over, told_of
from arcvae.errors import CheckpointError, DataError


def test_errors_of_anything_but_restoring_stay_what_they_are() -> None:
    with pytest.raises(ZeroDivisionError), told_of(Path("last.ckpt")):
        1 / 0  # noqa: B018
    with pytest.raises(DataError), told_of(Path("last.ckpt")):
        raise DataError("a corpus")


def test_error_of_restoring_is_one_of_the_checkpoint() -> None:
    code = compile("def restore_callbacks():\n    raise KeyError('state')\nrestore_callbacks()", "lightning", "exec")
    names = {"__name__": "lightning.pytorch.trainer.connectors.checkpoint_connector"}
    with pytest.raises(CheckpointError, match=r"last\.ckpt cannot be continued \(Key"), told_of(Path("last.ckpt")):
        exec(code, names)


def test_new_folder_begins_with_the_checkpoint_and_the_old_one_is_left_alone(tmp_path: Path) -> None:
    start = tmp_path / "old" / "checkpoints" / "last.ckpt"
    start.parent.mkdir(parents=True)
    start.write_bytes(b"weights")
    (tmp_path / "new" / "checkpoints").mkdir(parents=True)
    take_over(start, tmp_path / "new", tmp_path)
    assert (tmp_path / "new" / "checkpoints" / "last.ckpt").read_bytes() == b"weights"
    assert (tmp_path / "latest").resolve() == (tmp_path / "new").resolve()
    before = start.stat().st_mtime_ns
    take_over(start, tmp_path / "old", tmp_path)
    assert start.stat().st_mtime_ns == before
