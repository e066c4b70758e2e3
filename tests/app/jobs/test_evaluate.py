"""The job of ``arcvae.evaluate``: the figures of a run once more, a table of the classes, and pictures."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import arcvae
from arcvae.errors import BusyError, ConfigError, DataError
from arcvae.io.tensors import load_torch, save_torch
from tests.conftest import FAST, Job, NamedCommand, metrics, save_arrays

ANY_TASK = {"recall_per_class.png", "confusion.png", "calibration.png"}
GRIDS = {
    "reconstructions.png",
    "kl_per_dimension.png",
    "codes.png",
    "traversals.png",
    "interpolations.png",
    "walks.png",
}


def checkpoint(run: Path) -> str:
    return f"ckpt_path='{run}/checkpoints/best.ckpt'"


def table(folder: Path) -> list[dict[str, str]]:
    with open(folder / "classes.csv", newline="") as file:
        return list(csv.DictReader(file))


def assert_same_figures(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    for split in ("test", "adjusted", "baseline"):
        for name, value in theirs[split].items():
            assert ours[split][name] == pytest.approx(value, abs=1e-6), (split, name)
    assert ours["logit_adjustment"] == theirs["logit_adjustment"]
    assert ours["verdict"] == pytest.approx(theirs["verdict"], abs=1e-6)


def test_figures_are_those_of_the_training_run(evaluated: Path, run_folder: Path) -> None:
    ours = metrics(evaluated)
    assert_same_figures(ours, metrics(run_folder))
    assert ours["corpus"]["is_that_of_the_training"] is True
    assert ours["version"] == arcvae.__version__
    assert (ours["samples"], ours["tuning_samples"]) == (24, 24)
    assert {path.name for path in evaluated.parent.parent.iterdir()} <= {"evaluate", "cache"}


def test_every_picture_is_there_and_is_one(evaluated: Path) -> None:
    assert {path.name for path in evaluated.glob("*.png")} == ANY_TASK | GRIDS
    for path in evaluated.glob("*.png"):
        pixels = np.asarray(Image.open(path).convert("RGB"))
        assert min(pixels.shape[:2]) > 200
        assert len(np.unique(pixels @ np.array([1, 256, 65536]))) > 5  # colours


def test_classes_are_in_a_table_beside_the_trivial_predictor(evaluated: Path) -> None:
    rows, found = table(evaluated), metrics(evaluated)
    assert [row["name"] for row in rows[:3]] == ["background", "blue", "red"]
    assert [float(row["recall"]) for row in rows] == found["test"]["per_class_recall"]
    assert [float(row["adjusted_f1"]) for row in rows] == found["adjusted"]["per_class_f1"]
    assert [float(row["trivial_recall"]) for row in rows] == [1.0] + [0.0] * 9
    assert [int(row["targets"]) for row in rows] == np.sum(found["confusion"], 1).tolist()


def test_confusion_is_that_of_the_plain_argmax(evaluated: Path) -> None:
    with np.load(evaluated / "reconstructions.npz", allow_pickle=False) as saved:
        original, decoded = saved["original"].ravel(), saved["argmax"].ravel()
    confusion = np.zeros((10, 10), int)
    np.add.at(confusion, (original, decoded), 1)
    assert metrics(evaluated)["confusion"] == confusion.tolist()


def test_findings_say_evidence_cause_and_remedy_in_one_text(evaluated: Path) -> None:
    findings = metrics(evaluated)["findings"]
    assert findings  # after two epochs
    for finding in findings:
        assert re.match(rf"{finding['name'].upper()}: .*\. Cause: .*\. Remedy: .*\.$", finding["text"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "blamed"),
    [({}, True), ({"loss": {"defer": 0.8}}, False), ({"data": {"sampler": "progressive"}}, False)],
)
def test_loss_that_rises_by_plan_is_not_blamed_on_the_learning_rate(
    job: Job, run_folder: Path, tmp_path: Path, changes: dict[str, Any], blamed: bool
) -> None:
    # Ten epochs, the loss of which jumps after eight, when deferred weights set in.
    best = run_folder / "checkpoints" / "best.ckpt"
    content, record = load_torch(best), metrics(run_folder)
    config = content["arcvae"]["config"]
    config["beta"] = {"_target_": "arcvae.grid.elbo.Constant", "maximum": 0.1}
    for name, values in ({"trainer": {"max_epochs": 10}} | changes).items():
        config[name] |= values
    losses = (9, 8, 7, 6, 5, 4, 3, 3, 5, 5)
    record["history"] = [{"epoch": n, "train/reconstruction": loss} for n, loss in enumerate(losses, 1)]
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    save_torch(tmp_path / "run" / "checkpoints" / "best.ckpt", content)
    (tmp_path / "run" / "metrics.json").write_text(json.dumps(record | {"steps": 5000, "epochs": 10}))
    found = job("evaluate", checkpoint(tmp_path / "run"), "importance_samples=1", "accelerator=cpu", "limit=8")
    assert found["findings"]
    assert any("rises" in finding["cause"] for finding in found["findings"]) is blamed


@pytest.mark.slow
def test_checkpoint_without_its_record_tells_nothing_of_how_its_run_ended(
    job: Job, run_folder: Path, tmp_path: Path
) -> None:
    shutil.copy(run_folder / "checkpoints" / "best.ckpt", tmp_path / "copied.ckpt")
    words = (f"ckpt_path='{tmp_path}/copied.ckpt'", "importance_samples=1", "accelerator=cpu", "limit=8")
    found = job("evaluate", *words)
    assert found["findings"]
    for finding in found["findings"]:
        assert "too short" not in finding["cause"]
        assert "ended" not in finding["remedy"]


def test_clips_are_evaluated_by_the_same_job(job: Job, clips_run: Path, tmp_path: Path) -> None:
    found, record = job("evaluate", checkpoint(clips_run), "accelerator=cpu"), metrics(clips_run)
    ours = metrics(tmp_path / "evaluate")
    assert_same_figures(ours, record)
    assert found["findings"] == ours["findings"]
    assert {path.name for path in (tmp_path / "evaluate").glob("*.png")} == ANY_TASK
    rows = table(tmp_path / "evaluate")
    clips = [int(row["train"]) for row in rows]
    assert clips == sorted(record["class_counts"], reverse=True)  # no class stands for nothing: frequent ones first
    assert [record["class_names"].index(row["name"]) for row in rows] == [int(row["class"]) for row in rows]


def test_settings_of_another_task_are_refused(job: Job, clips_run: Path, tmp_path: Path) -> None:
    for name in ("refine", "importance_samples"):
        with pytest.raises(ConfigError, match=rf"{name}=3: .*best.ckpt is a model for clips; set {name}=null"):
            job("evaluate", checkpoint(clips_run), f"{name}=3", folder=name)
        assert {path.name for path in (tmp_path / name).iterdir()} == {"run.lock"}


@pytest.mark.slow
def test_another_corpus_split_and_limit_are_kept_to(job: Job, run_folder: Path, tmp_path: Path, caplog: Any) -> None:
    other = save_arrays(tmp_path / "other.npz")
    words = (checkpoint(run_folder), f"data.path={other}", "importance_samples=1", "accelerator=cpu")
    record = job("evaluate", *words, "split=train", "limit=3")
    assert "is not the corpus that" in caplog.text
    assert record["corpus"]["is_that_of_the_training"] is False
    assert (record["samples"], record["tuning_samples"]) == (3, 2)
    grids = np.load(other, allow_pickle=False)["train"][:3]
    accuracy = (arcvae.load(run_folder).reconstruct(grids) == grids).mean()
    assert record["train"]["pixel_accuracy"] == pytest.approx(accuracy, abs=1e-9)
    assert record["baseline"]["pixel_accuracy"] == pytest.approx((grids == 0).mean())


def test_empty_split_and_finished_folder_are_refused(job: Job, run_folder: Path, tmp_path: Path) -> None:
    corpus = save_arrays(tmp_path / "untested.npz", test=np.zeros((0, 16, 16), np.uint8))
    with pytest.raises(DataError, match=r"untested.npz: test is empty; choose another split"):
        job("evaluate", checkpoint(run_folder), f"data.path={corpus}")
    (tmp_path / "evaluate" / "metrics.json").write_text("{}")
    with pytest.raises(BusyError, match="holds a finished run"):
        job("evaluate", checkpoint(run_folder))


@pytest.mark.slow
def test_beta_is_that_of_the_best_epoch(job: Job, tmp_path: Path) -> None:
    # The best epoch of a cyclical schedule has another beta than the end of the run or the top of the cycle.
    trained = job("train", *FAST, "logger=none", "beta=cyclical", "beta.period=3")
    record = job("evaluate", checkpoint(tmp_path / "train"), "importance_samples=1", "accelerator=cpu")
    assert record["test"]["loss"] == pytest.approx(trained.test["loss"], abs=1e-6)
    assert record["test"]["beta"] == trained.test["beta"]
    assert trained.test["beta"] not in (0, trained.config["beta"]["maximum"])


@pytest.mark.slow
def test_path_out_of_the_environment_is_written_nowhere(
    command: NamedCommand, run_folder: Path, tiny_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "hunter2"
    secret.mkdir()
    shutil.copy(tiny_corpus, secret / "c.npz")
    shutil.copy(run_folder / "checkpoints" / "best.ckpt", secret / "best.ckpt")
    monkeypatch.setenv("ARCVAE_SECRET", str(secret))
    words = ("data.path=${oc.env:ARCVAE_SECRET}/c.npz", "ckpt_path=${oc.env:ARCVAE_SECRET}/best.ckpt")
    assert command("evaluate", *words, "importance_samples=1", "accelerator=cpu", "limit=8") == 0
    (found,) = tmp_path.glob("outputs/evaluate/*")
    assert metrics(found)["corpus"]["path"] == "${oc.env:ARCVAE_SECRET}/c.npz"
    assert metrics(found)["checkpoint"] == "${oc.env:ARCVAE_SECRET}/best.ckpt"
    for path in found.rglob("*"):
        assert path.is_dir() or b"hunter2" not in path.read_bytes(), path
