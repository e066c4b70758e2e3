"""Runs below a folder: which there are, in which state, and what may be removed of them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from arcvae.app.found_runs import FoundRun, found_runs, named_runs
from arcvae.errors import BusyError, DataError
from arcvae.io.locks import is_held, lock_folder


@pytest.fixture
def outputs(tmp_path: Path, run_folder: Path) -> Path:
    """Three runs: a finished one, one without a record that is older, and a finished one of a sweep that is newest."""
    output_dir = tmp_path / "outputs"
    for name, age in (("train/finished", 20), ("train/broken_off", 30), ("sweeps/one/0", 10)):
        folder = output_dir / name
        shutil.copytree(run_folder, folder)
        for path in folder.rglob("*"):
            os.utime(path, (1e9 - age, 1e9 - age))
    (output_dir / "train" / "broken_off" / "metrics.json").unlink()
    (output_dir / "train" / "empty").mkdir()
    evaluation = output_dir / "sweeps" / "one" / "1"
    evaluation.mkdir()
    (evaluation / "metrics.json").write_text('{"split": "test"}')  # of another command
    return output_dir


def states(output_dir: Path) -> dict[str, str]:
    return {run.folder.name: run.state for run in found_runs(output_dir)}


def test_training_runs_are_found_newest_first_with_their_state(outputs: Path) -> None:
    assert list(states(outputs).items()) == [("0", "finished"), ("finished", "finished"), ("broken_off", "interrupted")]
    with lock_folder(outputs / "train" / "broken_off"):
        assert states(outputs)["broken_off"] == "running"
    assert states(outputs)["broken_off"] == "interrupted"
    assert not is_held(outputs / "train" / "empty")
    assert not any((outputs / "train" / "empty").iterdir())  # looking leaves nothing
    assert found_runs(outputs / "none") == []


def test_a_run_says_what_it_is(outputs: Path) -> None:
    newest, _, broken = found_runs(outputs)
    assert newest.record is not None
    name = newest.record.monitor.rpartition("/")[2]  # type: ignore[union-attr]
    assert newest.figure == f"{name} {newest.record.test[name]:.4f} (trivial 0.0000)"  # type: ignore[index]
    assert newest.epochs == broken.epochs == 2
    assert "loss=option_b" in newest.overrides
    assert not any(word.startswith(("hydra.", "output_dir=")) for word in newest.overrides)
    assert newest.verdict == "no collapse" or newest.verdict.isupper()
    assert (broken.figure, broken.verdict) == ("", "")
    assert newest.size == sum(path.stat().st_size for path in newest.folder.rglob("*") if path.is_file())


def named(run: FoundRun) -> list[str]:
    return sorted(path.name for path in run.folder.glob("checkpoints/*"))


def test_pruning_keeps_best_and_last_and_says_what_it_frees(outputs: Path) -> None:
    run = found_runs(outputs)[0]
    before = named(run)
    for number in (1, 2):
        (run.folder / "checkpoints" / f"best_{number}.ckpt").write_bytes(b"x" * 1000)
    assert [path.name for path in run.superfluous] == ["best_1.ckpt", "best_2.ckpt"]
    assert run.prune() == 2000
    assert named(run) == before
    assert {"best.ckpt", "last.ckpt"} <= set(before)
    assert run.prune() == 0


def test_a_run_that_goes_on_or_has_no_best_keeps_all(outputs: Path) -> None:
    run = found_runs(outputs)[0]
    (run.folder / "checkpoints" / "best_1.ckpt").write_bytes(b"x")
    with lock_folder(run.folder):
        (held,) = (found for found in found_runs(outputs) if found.folder == run.folder and found.record is not None)
        with pytest.raises(BusyError):  # it was taken after the look
            held.prune()
    (run.folder / "checkpoints" / "best.ckpt").unlink()  # as in a run with callbacks.checkpoint.filename=best_1
    assert found_runs(outputs)[0].superfluous == []
    broken = outputs / "train" / "broken_off"
    (broken / "checkpoints" / "best_1.ckpt").write_bytes(b"x")
    with lock_folder(broken):
        (broken / "checkpoints" / "best.ckpt").write_bytes(b"x")
        (running,) = (found for found in found_runs(outputs) if found.folder == broken)
        assert running.superfluous == []


def test_newest_runs_are_named_by_their_number(outputs: Path) -> None:
    newest = [str(outputs / "sweeps" / "one" / "0"), str(outputs / "train" / "finished")]
    config = {"output_dir": str(outputs)}
    assert named_runs({**config, "runs": "last:2"}) == newest
    assert named_runs({**config, "runs": "last:1"}) == newest[:1]
    assert named_runs({**config, "runs": ["a", "b"]}) == ["a", "b"]
    with pytest.raises(DataError, match=r"runs=last:3: finished runs below .*: 2; runs=last:2 takes all"):
        named_runs({**config, "runs": "last:3"})
