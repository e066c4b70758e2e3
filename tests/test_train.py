"""``python -m arcvae.train``: what it checks before a job begins, sweeps, and what its faults end in."""

from __future__ import annotations

import json
import logging
import shutil
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.conftest import FAST, FAST_CLIPS, Command, fault, metrics, runs, save_arrays

Capture = pytest.CaptureFixture[str]
BRIEF = (*FAST, "trainer.max_epochs=1", "logger=none")


def test_bad_files_end_in_one_line_and_nothing_is_written(train: Command, tmp_path: Path, capsys: Capture) -> None:
    bad = save_arrays(tmp_path / "bad.npz", train=np.full((8, 16, 16), 11, np.uint8))
    content = bad.read_bytes()
    assert train(f"data.path={bad}", corpus=None) == 3
    assert "bad.npz: train[0, 0, 0] is 11, expected a colour 0-9" in fault(capsys)
    assert train("data.path=/nowhere.npz", corpus=None) == 3
    assert "there is no file /nowhere.npz" in fault(capsys)
    assert train("ckpt_path=none.ckpt") == 4
    assert f"ckpt_path={tmp_path}/none.ckpt: there is no such checkpoint" in fault(capsys)
    assert train("model.grid_size=8", *FAST) == 2
    assert "model.grid_size=8 but" in fault(capsys)
    assert list(tmp_path.iterdir()) == [bad]
    assert bad.read_bytes() == content


def test_corpus_of_another_task_is_refused(
    train: Command, tmp_path: Path, tiny_clips: Path, tiny_corpus: Path, capsys: Capture
) -> None:
    assert train(*FAST, corpus=tiny_clips) == 3
    assert "has no array" in fault(capsys)
    assert train("experiment=audio_cnn", corpus=tiny_corpus) == 3
    assert "has no array" in fault(capsys)
    assert train("experiment=audio_cnn", "model.num_classes=7", corpus=tiny_clips) == 2
    assert f"model.num_classes=7 but {tiny_clips} has 4" in fault(capsys)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_faults_of_the_job_end_in_one_line_with_their_code(
    train: Command, run_folder: Path, tmp_path: Path, capsys: Capture
) -> None:
    assert train("monitor=val/object_fl", *FAST) == 2
    assert "monitor=val/object_fl is not logged (did you mean val/object_f1?)" in fault(capsys)
    if not torch.cuda.is_available():
        assert train("trainer=gpu", *FAST[1:2]) == 2
        assert "trainer.accelerator=gpu: this machine has no such device; use trainer.accelerator=cpu" in fault(capsys)
    assert train(f"ckpt_path={run_folder}/encoder.pth", *FAST) == 4
    assert "is an export (encoder); give a checkpoint of arcvae.train" in fault(capsys)
    (tmp_path / "torn.ckpt").write_bytes((run_folder / "checkpoints" / "last.ckpt").read_bytes()[:-100])
    assert train(f"ckpt_path={tmp_path}/torn.ckpt", *FAST) == 4
    assert "not an intact checkpoint" in fault(capsys)
    before = {path: path.stat().st_mtime_ns for path in run_folder.rglob("*")}
    assert train(f"hydra.run.dir={run_folder}", *FAST) == 7
    assert "holds a finished run" in fault(capsys)
    assert {path: path.stat().st_mtime_ns for path in run_folder.rglob("*")} == before


def test_output_folder_that_cannot_be_written_ends_in_one_line(
    train: Command, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    mkdir = Path.mkdir

    def read_only(self: Path, *args: Any, **kwargs: Any) -> None:  # root may write anywhere: chmod would prove nothing
        if "frozen" in str(self):
            raise PermissionError(13, "Permission denied", str(self))
        mkdir(self, *args, **kwargs)

    monkeypatch.setattr(Path, "mkdir", read_only)
    assert train(f"output_dir={tmp_path}/frozen", *FAST) == 5
    assert "error[E_FILES]: Permission denied: " in fault(capsys)


@pytest.mark.slow
def test_sweep_leaves_a_folder_for_each_job_and_goes_on_after_a_failed_one(
    train: Command, tmp_path: Path, capsys: Capture
) -> None:
    # Which metrics there are is known only once the module is built.
    assert train("-m", "monitor=val/object_fl,val/exact_match", "loss.gamma=0,2", *BRIEF) == 1
    assert "monitor=val/object_fl is not logged (did you mean val/object_f1?)" in capsys.readouterr().err
    found = [metrics(folder) for folder in runs(tmp_path)]
    assert sorted((record["monitor"], record["config"]["loss"]["gamma"]) for record in found) == [
        ("val/exact_match", 0), ("val/exact_match", 2),
    ]  # fmt: skip
    assert {folder.parent.parent.name for folder in runs(tmp_path)} == {"sweeps"}


@pytest.mark.slow
def test_job_of_a_sweep_is_the_job_alone(train: Command, tmp_path: Path) -> None:
    assert train("-m", "loss=option_a,option_b", "hydra.sweep.dir=all", *BRIEF) == 0
    assert train("loss=option_b", "hydra.run.dir=alone", *BRIEF) == 0
    threads, handlers = set(threading.enumerate()), list(logging.getLogger().handlers)
    assert train("loss=option_b", "hydra.run.dir=again", *BRIEF) == 0
    left = {type(thread).__name__ for thread in set(threading.enumerate()) - threads}
    assert left <= {"TMonitor"}, left  # tqdm starts one for itself, once
    assert len(logging.getLogger().handlers) == len(handlers)
    names = sorted(path.name for path in (tmp_path / "alone").glob("*.safetensors"))
    assert len(names) == 3
    for name in names:
        first, second, alone = ((tmp_path / folder / name).read_bytes() for folder in ("all/0", "all/1", "alone"))
        assert second == alone != first
    assert metrics(tmp_path / "all" / "1")["test"] == metrics(tmp_path / "alone")["test"]


@pytest.mark.slow
def test_value_of_the_environment_is_used_but_written_nowhere(
    train: Command, tmp_path: Path, tiny_corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARCVAE_OUT", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("ARCVAE_SECRET", "hunter2hunter2")
    monkeypatch.setenv("ARCVAE_CORPORA", str(tmp_path / "swordfish"))
    (tmp_path / "swordfish").mkdir()
    shutil.copy(tiny_corpus, tmp_path / "swordfish" / "c.npz")
    words = ("output_dir=${oc.env:ARCVAE_OUT}", "tags=['${oc.env:ARCVAE_SECRET}']")
    corpus = "data.path=${oc.env:ARCVAE_CORPORA}/c.npz"
    assert train(*words, corpus, *FAST, "trainer.max_epochs=1", corpus=None) == 0
    (record,) = (tmp_path / "elsewhere").glob("train/*/metrics.json")
    config = json.loads(record.read_text())["config"]
    assert (config["output_dir"], config["tags"]) == ("${oc.env:ARCVAE_OUT}", ["${oc.env:ARCVAE_SECRET}"])
    assert (tmp_path / "elsewhere" / "latest").resolve() == record.parent.resolve()
    assert json.loads(record.read_text())["corpus"]["path"] == "${oc.env:ARCVAE_CORPORA}/c.npz"
    for path in tmp_path.rglob("*"):
        for secret in (b"hunter2hunter2", b"swordfish"):
            assert path.is_dir() or secret not in path.read_bytes(), path


@pytest.mark.slow
def test_latest_points_to_the_newest_run(train: Command, tmp_path: Path) -> None:
    for expected in (1, 2):
        assert train(*BRIEF) == 0
        assert len(runs(tmp_path)) == expected
        newest = max(runs(tmp_path), key=lambda folder: (folder / "metrics.json").stat().st_mtime_ns)
        assert (tmp_path / "outputs" / "latest").resolve() == newest.resolve()


@pytest.mark.slow
@pytest.mark.parametrize("task", ["grids", "clips"])
def test_losses_for_long_tails_are_swept_on_both_tasks(
    train: Command, tmp_path: Path, tiny_corpus: Path, tiny_clips: Path, task: str
) -> None:
    fast, corpus = (FAST, tiny_corpus) if task == "grids" else (FAST_CLIPS, tiny_clips)
    names = ["logit_adjusted", "balanced_softmax", "ldam", "vs", "focal"]
    assert train("-m", f"loss={','.join(names)}", "model.head=cosine", *fast, corpus=corpus) == 0
    found = {metrics(run)["config"]["loss"]["name"]: metrics(run)["val"]["loss"] for run in runs(tmp_path)}
    assert sorted(found) == sorted(names)
    assert len({round(loss, 3) for loss in found.values()}) >= 4  # the first two differ by a constant in all logits


@pytest.mark.slow
@pytest.mark.parametrize("logger", ["tensorboard", "wandb"])
def test_loggers_leave_their_files_in_the_run_folder(
    train: Command, tmp_path: Path, logger: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    assert train(f"logger={logger}", *FAST, "trainer.max_epochs=1") == 0
    (folder,) = runs(tmp_path)
    files = [path.name for path in folder.rglob("*") if path.is_file()]
    assert any(name.startswith("events.out.tfevents") for name in files) == (logger == "tensorboard")
    assert any(name.endswith(".wandb") for name in files) == (logger == "wandb")
    assert {path.name for path in tmp_path.iterdir()} == {"outputs"}
