"""Runs and sweeps whose process is killed without warning: the same command again goes on as if nothing had been."""

from __future__ import annotations

import itertools
import json
import os
import random
import shutil
import signal
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from arcvae.app.sweep import DIED
from arcvae.io.tensors import load_torch
from arcvae.training.resuming import newest_checkpoint
from tests.conftest import FAST, Command, fault, metrics, outcome, run_command, same
from tests.io.crashes import OPERATIONS
from tests.processes import Process

TROUBLE = '''
import os
import shutil
import signal
import time

import torch
from lightning.pytorch import Callback


class Trouble(Callback):
    """In the second epoch: weights that are no numbers on one corpus, the end of the process on another."""

    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        name = trainer.datamodule.corpus_path.stem
        while not os.path.exists("go"):
            time.sleep(0.1)
        if name == "nan" and trainer.global_step == 4:
            shutil.copy("all/sweep.json", "seen.json")
            next(module.parameters()).data.fill_(torch.nan)
        if name == "killed" and trainer.global_step == 4 and not trainer.ckpt_path:
            os.kill(os.getpid(), signal.SIGKILL)
'''


def ending_at(operation: int, delay: float, words: Sequence[str], folder: Path) -> int:
    """Train in a child that is killed so many seconds after so many file operations, if it lasts; its exit code."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    calls = itertools.count(1)

    def counted(call: Callable[..., Any]) -> Callable[..., Any]:
        def counting(*args: Any, **kwargs: Any) -> Any:
            if next(calls) == operation:
                threading.Timer(delay, lambda: os.kill(os.getpid(), signal.SIGKILL)).start()
            return call(*args, **kwargs)

        return counting

    for name in OPERATIONS:
        setattr(os, name, counted(getattr(os, name)))
    code = 99
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        code = run_command("train", *words, folder=folder)
    finally:
        os._exit(code)


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_run_that_is_killed_again_and_again_ends_in_the_bytes_of_the_uninterrupted_one(
    tmp_path: Path, tiny_corpus: Path, pytestconfig: pytest.Config
) -> None:
    kills: int = pytestconfig.getoption("--kills")
    words = (
        f"data.path={tiny_corpus}", *FAST, f"trainer.max_epochs={2 * kills + 4}", "logger=none",
        "callbacks.early_stopping=null", "callbacks.save_in_time.minutes=1e-9",
    )  # fmt: skip
    assert ending_at(-1, 0.0, [*words, "hydra.run.dir=whole"], tmp_path) == 0
    draw, one, reached = random.Random(kills), tmp_path / "one", [0]
    for _ in range(kills):
        # The first 40 or so operations come before the first step, an epoch has about 50.
        code = ending_at(draw.randrange(15, 120), draw.uniform(0, 0.02), [*words, "hydra.run.dir=one"], tmp_path)
        assert code == -signal.SIGKILL
        if newest := newest_checkpoint(one):
            reached.append(load_torch(newest)["global_step"])
        assert reached == sorted(reached)  # nothing is ever lost
    print(f"{kills} kills, after these steps: {reached[1:]}")
    assert len(set(reached)) > kills / 4
    assert ending_at(-1, 0.0, [*words, "hydra.run.dir=one"], tmp_path) == 0
    assert list(one.rglob("*.part")) == []
    whole, again = outcome(tmp_path / "whole"), outcome(one)
    assert all(same(value, again[part]) for part, value in whole.items())


def contents(folder: Path) -> dict[Path, tuple[bytes, int]]:
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_sweep_of_which_jobs_fail_and_one_is_killed_is_finished_by_the_same_command(
    train: Command, tmp_path: Path, tiny_corpus: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    names = ("one", "two", "three", "bad", "nan", "killed")
    for name in names:
        shutil.copy(tiny_corpus, tmp_path / f"{name}.npz")
    (tmp_path / "bad.npz").write_bytes(tiny_corpus.read_bytes()[:1000])
    (tmp_path / "trouble.py").write_text(TROUBLE)
    words = (
        "-m", f"data.path={','.join(f'{name}.npz' for name in names)}", "hydra.sweep.dir=all", *FAST, "logger=none",
        "plugins=[trouble]", "+callbacks.trouble={_target_:trouble.Trouble}",
    )  # fmt: skip
    folder = tmp_path / "all"

    def jobs(path: Path = folder / "sweep.json") -> dict[str, Any]:
        found = json.loads(path.read_text())
        assert [job["overrides"][0] for job in found.values()] == [f"data.path={name}.npz" for name in names]
        return {name: (job["state"], job["error"]) for name, job in zip(names, found.values(), strict=True)}

    monkeypatch.syspath_prepend(tmp_path)
    first = Process("arcvae.train", *words, cwd=tmp_path)
    try:
        while not (folder / "0" / "run.lock").exists():
            assert first.returncode is None
            time.sleep(0.1)
        before = (folder / "multirun.yaml").stat().st_mtime_ns
        assert train(*words, corpus=None) == 7
        assert f"another sweep is going on in {folder}" in fault(capsys)
        assert (folder / "multirun.yaml").stat().st_mtime_ns == before
        (tmp_path / "go").touch()
        first.wait(timeout=1500)
    finally:
        first.kill()
    assert first.returncode == -signal.SIGKILL
    records = sorted(path.parent.name for path in folder.rglob("metrics.json"))
    assert records == ["0", "1", "2"]
    states = jobs()
    assert [states[name] for name in names[:3]] == [("finished", None)] * 3
    assert states["bad"][0] == states["nan"][0] == "failed"
    assert "bad.npz" in states["bad"][1]
    assert "the loss is nan at step 4" in states["nan"][1]
    assert states["killed"] == ("running", None)

    finished = {name: contents(folder / name) for name in records}
    assert train(*words, corpus=None) == 1
    assert jobs(tmp_path / "seen.json")["killed"] == ("interrupted", DIED)
    assert {name: state for name, (state, _) in jobs().items()} == {
        "one": "finished", "two": "finished", "three": "finished", "bad": "failed", "nan": "failed",
        "killed": "finished",
    }  # fmt: skip
    assert {name: contents(folder / name) for name in records} == finished
    assert "continuing from last.ckpt" in (folder / "5" / "train.log").read_text()
    assert metrics(folder / "5")["test"] == metrics(folder / "2")["test"]  # on the same grids, as if never killed
