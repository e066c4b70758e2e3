"""``python -m arcvae.runs``: what it shows, what it frees, and that it leaves nothing."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.conftest import NamedCommand


@pytest.fixture
def outputs(tmp_path: Path, run_folder: Path) -> Path:
    shutil.copytree(run_folder, tmp_path / "outputs" / "train" / "mine")
    (tmp_path / "outputs" / "train" / "mine" / "checkpoints" / "best_7.ckpt").write_bytes(b"x" * 2**20)
    return tmp_path / "outputs"


def test_runs_are_listed_and_pruned_only_when_that_is_asked_for(
    outputs: Path, command: NamedCommand, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(outputs.parent.rglob("*"))
    assert command("runs") == 0
    shown = capsys.readouterr().out
    assert "train/mine" in shown
    assert "finished" in shown
    assert "object_f1 0." in shown
    assert "(trivial 0.0000)" in shown
    assert "loss=option_b" in shown
    assert "prune=true keeps the best and the last: it removes 1 superfluous checkpoint, 1.0 MiB" in shown
    assert sorted(outputs.parent.rglob("*")) == before  # no log, no run folder
    assert command("runs", "prune=true", "limit=1") == 0
    assert "Freed 1.0 MiB" in capsys.readouterr().out
    assert sorted(path.name for path in outputs.rglob("*.ckpt")) == ["best.ckpt", "last.ckpt"]


def test_folder_that_is_not_there_is_refused(command: NamedCommand, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("runs", "output_dir=nowhere") != 0
    assert "there is no such folder; train first" in capsys.readouterr().err


@pytest.mark.slow
def test_newest_runs_are_compared(outputs: Path, command: NamedCommand, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("compare", "runs=last:1") == 0
    assert list((outputs / "compare").glob("*/results.md"))
    capsys.readouterr()
    assert command("compare", "runs=last:2") != 0
    assert "finished runs below outputs: 1; runs=last:1 takes all" in capsys.readouterr().err
    assert command("compare", "runs=last") != 0
    assert "must be last: and a number" in capsys.readouterr().err
