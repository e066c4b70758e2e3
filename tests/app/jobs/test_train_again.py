"""The same command again: it goes on where it was interrupted, and leaves alone what is finished."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from arcvae.io.tensors import load_torch
from arcvae.training.callbacks import EpochRecord
from tests import processes
from tests.conftest import FAST, Command, fault, metrics, runs, same

pytestmark = pytest.mark.slow

FOUR = (*FAST, "trainer.max_epochs=4")
Interrupt = Callable[..., None]


class Killed(BaseException):
    """Stands for a signal that ends the process."""


@pytest.fixture
def killed(train: Command, monkeypatch: pytest.MonkeyPatch) -> Interrupt:
    """Train, and die at the beginning of an epoch."""

    def run(epoch: int, *words: str) -> None:
        def die(_: EpochRecord, trainer: Any, *__: Any) -> None:
            if trainer.current_epoch == epoch:
                raise Killed

        with monkeypatch.context() as patch:
            patch.setattr(EpochRecord, "on_train_epoch_start", die)
            with pytest.raises(Killed):
                train(*words)

    return run


def contents(folder: Path) -> dict[Path, tuple[bytes, int]]:
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


def equal_weights(one: Path, other: Path) -> bool:
    a, b = (load_torch(path / "checkpoints" / "last.ckpt") for path in (one, other))
    return all(same(a[part], b[part]) for part in ("state_dict", "optimizer_states", "lr_schedulers", "global_step"))


def test_same_command_goes_on_in_its_folder_until_it_says_that_it_is_finished(
    train: Command, killed: Interrupt, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, words = tmp_path / "one", (*FOUR, "hydra.run.dir=one")
    assert train(*FOUR) == 0
    (whole,) = runs(tmp_path)
    killed(1, *words)
    steps = contents(one / "csv")
    killed(2, *words)
    assert load_torch(one / "checkpoints" / "last.ckpt")["global_step"] == 6
    before = contents(one)
    assert train(*words, "loss.gamma=3") == 4  # another run does not go on over this one
    assert "cannot be continued with other settings: loss (was " in fault(capsys)
    log = one / "train.log"
    assert {path: now for path, now in contents(one).items() if path != log} == {
        path: then for path, then in before.items() if path != log
    }
    assert train(*words) == 0
    assert equal_weights(whole, one)
    assert same(metrics(whole)["test"], metrics(one)["test"])
    assert steps.items() <= contents(one / "csv").items()
    assert len((one / "metrics.csv").read_text().splitlines()) == 5
    finished = contents(one)
    capsys.readouterr()
    assert train(*words) == 0
    assert f"This run is finished, and its folder stays as it is: {one}" in capsys.readouterr().out
    assert train(*words, "seed=7") == 7
    assert "holds a finished run; choose another hydra.run.dir" in fault(capsys)
    assert contents(one) == finished


def test_run_that_dies_before_its_first_checkpoint_begins_again(
    train: Command, killed: Interrupt, tmp_path: Path
) -> None:
    killed(0, *FOUR, "hydra.run.dir=one")
    assert train(*FOUR, "trainer.max_epochs=1", "ckpt_path=auto", "hydra.run.dir=one") == 0
    assert metrics(tmp_path / "one")["epochs"] == 1


def test_continued_run_is_never_without_a_checkpoint_and_may_be_moved(
    train: Command, killed: Interrupt, tmp_path: Path
) -> None:
    killed(2, *FOUR, "hydra.run.dir=old")
    best = load_torch(tmp_path / "old" / "checkpoints" / "best.ckpt")["global_step"]
    killed(2, "ckpt_path=old", "hydra.run.dir=new")
    latest = tmp_path / "outputs" / "latest"
    assert latest.resolve() == tmp_path / "new"
    assert load_torch(latest / "checkpoints" / "last.ckpt")["global_step"] == 6
    assert load_torch(latest / "checkpoints" / "best.ckpt")["global_step"] == best
    (tmp_path / "old").rename(tmp_path / "gone")
    (tmp_path / "new").rename(tmp_path / "moved")
    assert train("ckpt_path=moved") == 0
    (found,) = runs(tmp_path)
    assert "missing or damaged" not in (found / "train.log").read_text()
    history = metrics(found)["history"]
    monitored = [row[metrics(found)["monitor"]] for row in history]
    assert metrics(found)["best"] == max(monitored)
    assert latest.samefile(found)


@pytest.mark.parametrize("name", ["best", "last"])
def test_damaged_checkpoint_costs_no_exports(
    train: Command, killed: Interrupt, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    killed(2, *FOUR, "hydra.run.dir=one")
    damaged = tmp_path / "one" / "checkpoints" / f"{name}.ckpt"
    other = damaged.with_stem({"best": "last", "last": "best"}[name])
    damaged.write_bytes(damaged.read_bytes()[:-100])
    assert train(f"ckpt_path={damaged}", "hydra.run.dir=two") == 4
    assert f"intact beside it: {other}" in fault(capsys)
    assert train(*FOUR, "hydra.run.dir=one", "trainer.max_epochs=2" if name == "best" else "seed=42") == 0
    assert f"{damaged} cannot be read: using {other} instead" in (tmp_path / "one" / "train.log").read_text()
    assert (tmp_path / "one" / "exports.json").is_file()


def test_same_sweep_again_touches_only_what_is_not_finished(train: Command, tmp_path: Path, tiny_corpus: Path) -> None:
    bad = tmp_path / "bad.npz"
    bad.write_bytes(tiny_corpus.read_bytes()[:1000])
    words = ("-m", f"data.path={bad},{tiny_corpus}", "seed=1,2", "hydra.sweep.dir=all", *FOUR)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(EpochRecord, "on_train_epoch_start", _die_in_the_last_job)
        with pytest.raises(Killed):
            train(*words, corpus=None)
    one, two = tmp_path / "all" / "2", tmp_path / "all" / "3"
    before = contents(one)
    bad.write_bytes(tiny_corpus.read_bytes())
    assert train(*words, corpus=None) == 0
    assert contents(one) == before
    assert [row["step"] for row in metrics(two)["history"]] == [3, 6, 9, 12]
    assert "continuing from last.ckpt" in (two / "train.log").read_text()
    states = [job["state"] for job in json.loads((tmp_path / "all" / "sweep.json").read_text()).values()]
    assert states == ["finished"] * 4


def _die_in_the_last_job(_: EpochRecord, trainer: Any, *__: Any) -> None:
    if trainer.current_epoch == 2 and Path(trainer.default_root_dir).name == "3":
        raise Killed


def test_second_resume_of_a_run_is_refused_at_once_and_the_first_goes_on(
    train: Command, killed: Interrupt, tmp_path: Path, tiny_corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, words = tmp_path / "one", (*FOUR, "trainer.max_epochs=3", "hydra.run.dir=one")
    killed(1, *words)
    command = ["arcvae.train", f"data.path={tiny_corpus}", *words]
    seen: list[tuple[int, str, bool]] = []

    def resume_again(_: EpochRecord, trainer: Any, *__: Any) -> None:
        if trainer.current_epoch == 2:
            before = contents(one)
            done = processes.run(*command, cwd=tmp_path, timeout=120)
            seen.append((done.returncode, done.stderr, contents(one) == before))

    with monkeypatch.context() as patch:
        patch.setattr(EpochRecord, "on_train_epoch_start", resume_again)
        assert train(*words) == 0
    assert seen == [
        (7, f"arcvae: error[E_BUSY]: another run is going on in {one}; choose another hydra.run.dir\n", True)
    ]
    assert [row["step"] for row in metrics(one)["history"]] == [3, 6, 9]
