"""The job of ``arcvae.train``: what a run leaves behind, and that it can be repeated and is reported truthfully."""

from __future__ import annotations

import csv
import json
import logging
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import arcvae
from arcvae.app.command import CHILD
from arcvae.errors import BusyError, CheckpointError, ConfigError, DataError, NonFiniteError
from arcvae.grid.module import GridModule
from arcvae.io.tensors import load_torch
from arcvae.training.record import RunRecord
from tests.conftest import FAST, Command, Job, metrics, runs, same, save_arrays

BRIEF = (*FAST, "trainer.max_epochs=1", "logger=none")
CLIPS_OR_GRIDS = pytest.mark.parametrize("run", ["run_folder", "clips_run"], indirect=True)


@pytest.fixture
def run(request: pytest.FixtureRequest) -> Path:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Path)
    return found


def test_run_leaves_every_file_and_nothing_else_outside_its_folder(run_folder: Path) -> None:
    left = {str(path.relative_to(run_folder)) for path in run_folder.rglob("*") if path.is_file()}
    exports = [f"{name}.{suffix}" for name in ("encoder", "decoder", "vae_best") for suffix in ("pth", "safetensors")]
    pictures = [f"reconstructions_{name}.png" for name in ("epoch_1", "epoch_2", "best")]
    assert left == {
        *exports, "exports.json", "class_weights.pth", "metrics.json", "report.html", "metrics.csv", "train.log",
        "run.lock",
        *(f"checkpoints/{name}" for name in ("best.ckpt", "last.ckpt", *pictures)),
        *(f".hydra/{name}.yaml" for name in ("config", "hydra", "overrides")), "csv/metrics.csv", "csv/hparams.yaml",
    }  # fmt: skip
    outputs = run_folder.parent.parent
    assert {path.name for path in outputs.iterdir()} == {"train", "cache", "latest"}
    assert {path.name for path in outputs.parent.iterdir()} == {"outputs"}
    assert (outputs / "latest").resolve() == run_folder.resolve()


@CLIPS_OR_GRIDS
def test_record_holds_what_it_takes_to_redo_and_compare_the_run(run: Path) -> None:
    record = metrics(run)
    assert RunRecord.read(run).run_id == record["run_id"] == run.name
    assert record["version"] == arcvae.__version__
    assert len(record["corpus"]["sha256"]) == 64
    assert record["corpus"]["path"] == record["config"]["data"]["path"]
    assert record["software"]["packages"]["torch"] == torch.__version__
    assert record["command"][:3] == ["python", "-m", "arcvae.train"]
    assert record["epochs"] == len(record["history"]) == 2
    assert record["samples_per_second"] > 0
    assert record["best"] == pytest.approx(record["val"][record["monitor"].removeprefix("val/")])
    classes = len(record["class_names"])
    assert len(record["class_counts"]) == classes
    for part in ("val", "test", "baseline", "adjusted"):
        assert {"balanced_accuracy", "f1_macro", "f1_weighted"} <= record[part].keys()
        assert len(record[part]["per_class_recall"]) == len(record[part]["per_class_f1"]) == classes
    assert None not in record["config"]["model"].values()  # what the corpus knew has been filled in


def test_settings_of_the_model_and_the_length_of_the_run_are_in_the_record(run_folder: Path) -> None:
    record = metrics(run_folder)
    assert record["config"]["loss"]["class_weights"] == "sqrt_inverse"
    assert record["steps"] == 6  # 192 grids, 64 to a batch, 2 epochs
    parameters = [tensor.numel() for tensor in load_torch(run_folder / "vae_best.pth")["state_dict"].values()]
    assert record["parameters"] == sum(parameters)
    assert record["sample_unit"] == "grids"


def test_baseline_is_what_painting_everything_black_scores(run_folder: Path, tiny_corpus: Path) -> None:
    test = np.load(tiny_corpus, allow_pickle=False)["test"]
    baseline = metrics(run_folder)["baseline"]
    assert baseline["pixel_accuracy"] == pytest.approx((test == 0).mean())
    assert baseline["balanced_accuracy"] == pytest.approx(0.1)
    assert (baseline["object_f1"], baseline["object_recall"], baseline["exact_match"]) == (0, 0, 0)
    assert baseline["object_precision"] is None  # nothing was predicted: not a number, and not zero
    assert baseline["per_class_recall"] == [1] + [0] * 9


def test_baseline_of_a_classifier_is_the_most_frequent_class(clips_run: Path, tiny_clips: Path) -> None:
    record = metrics(clips_run)
    test = np.load(tiny_clips, allow_pickle=False)["test_labels"]
    assert record["baseline"]["accuracy"] == pytest.approx((test == np.argmax(record["class_counts"])).mean())


@CLIPS_OR_GRIDS
def test_every_torch_file_opens_with_weights_only(run: Path) -> None:
    files = [*run.rglob("*.pth"), *run.rglob("*.ckpt")]
    assert len(files) >= 4
    for path in files:
        assert torch.load(path, weights_only=True)


@CLIPS_OR_GRIDS
def test_checkpoint_knows_what_it_takes_to_use_it(run: Path) -> None:
    stamp, record = load_torch(run / "checkpoints" / "best.ckpt")["arcvae"], metrics(run)
    assert stamp["config"] == record["config"]
    assert stamp["corpus_sha256"] == record["corpus"]["sha256"]
    assert stamp["class_counts"] == record["class_counts"]
    assert stamp["class_names"] == record["class_names"]
    assert stamp["class_weights"] == record["class_weights"]
    weights = load_torch(run / "class_weights.pth")
    assert weights["class_counts"].tolist() == record["class_counts"]
    expected = stamp["class_weights"] or [1.0] * len(record["class_names"])
    assert weights["class_weights"].tolist() == pytest.approx(expected)


def test_exports_are_the_best_checkpoint(run_folder: Path) -> None:
    state = load_torch(run_folder / "checkpoints" / "best.ckpt")["state_dict"]
    exported = load_torch(run_folder / "vae_best.pth")["state_dict"]
    for name, tensor in exported.items():
        assert torch.equal(tensor, state[f"model.{name}"])
    encoder = load_torch(run_folder / "encoder.pth")["state_dict"]
    assert {f"encoder.{name}" for name in encoder} == {name for name in exported if name.startswith("encoder.")}


def test_epochs_are_in_metrics_csv_a_row_each(run_folder: Path) -> None:
    with (run_folder / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["epoch"], row["step"]) for row in rows] == [("1", "3"), ("2", "6")]
    names = ("train/loss", "val/loss", "val/object_f1", "val/per_class_recall/9", "val/kl_per_dim/0", "val/beta")
    for name in names:
        assert all(np.isfinite(float(row[name])) for row in rows), name
    best = max(float(row["val/object_f1"]) for row in rows)
    assert metrics(run_folder)["val"]["object_f1"] == pytest.approx(best, abs=1e-9)


@CLIPS_OR_GRIDS
def test_log_ends_with_the_table_the_verdict_and_where_things_are(run: Path) -> None:
    log = (run / "train.log").read_text()
    for part in ("Class weights", "accuracy", "Verdict: ", f"Figures     {run / 'metrics.json'}"):
        assert part in log
    assert ("all-background" in log) != ("majority-class" in log)


@pytest.mark.slow
def test_two_equal_runs_are_bit_equal_and_another_seed_is_not(job: Job, run_folder: Path, tmp_path: Path) -> None:
    # As jobs, without a command around them: the weights are those of the command all the same.
    job("train", "loss=option_b", *FAST, folder="again")
    job("train", "loss=option_b", *FAST, "seed=0", folder="other")
    state = load_torch(run_folder / "vae_best.pth")["state_dict"]
    assert same(load_torch(tmp_path / "again" / "vae_best.pth")["state_dict"], state)
    assert not same(load_torch(tmp_path / "other" / "vae_best.pth")["state_dict"], state)


@pytest.mark.slow
def test_job_returns_what_it_has_written(job: Job, tmp_path: Path) -> None:
    record = job("train", *BRIEF, "monitor=val/exact_match")
    assert isinstance(record, RunRecord)
    (tmp_path / "again").mkdir()
    record.write(tmp_path / "again")
    assert metrics(tmp_path / "again") == metrics(tmp_path / "train")
    assert record.objective == record.val["exact_match"]
    assert (tmp_path / "outputs" / "latest").resolve() == (tmp_path / "train").resolve()


@pytest.mark.slow
def test_best_is_of_the_metric_that_the_checkpoint_was_chosen_by(job: Job) -> None:
    words = ("callbacks.checkpoint.monitor=val/loss", "callbacks.checkpoint.mode=min")
    record = job("train", *BRIEF, *words)
    assert (record.monitor, record.monitor_mode) == ("val/loss", "min")
    assert record.best == pytest.approx(record.val["loss"])
    assert record.config["monitor"] == "val/object_f1"  # of which another number is the best


@pytest.mark.slow
def test_collapse_is_reported_truthfully(job: Job, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    words = ("loss=option_a", *BRIEF, "trainer.max_epochs=8", "optimizer.lr=0.01", "monitor=val/pixel_accuracy")
    with caplog.at_level(logging.INFO, logger="arcvae"):
        record = job("train", *words)
    collapsed = record.test["predicted_background_share"] >= 0.99 and record.test["object_recall"] < 0.05
    assert record.verdict["mode_collapse"] is collapsed is True
    assert "Verdict: MODE COLLAPSE" in caplog.text
    assert record.findings[0]["name"].startswith("mode collapse")
    assert torch.equal(load_torch(tmp_path / "train" / "class_weights.pth")["class_weights"], torch.ones(10))


@pytest.mark.slow
def test_without_a_test_split_the_run_is_judged_by_validation(job: Job, tmp_path: Path) -> None:
    grids = np.random.default_rng(0).integers(0, 3, (12, 8, 8)).astype(np.uint8)
    corpus = save_arrays(tmp_path / "a folder with späce=.npz", train=grids[:9], val=grids[9:], test=grids[:0])
    small = ("model.grid_size=8", "model.widths=[4,4]", "model.latent_dim=1", "data.batch_size=65536", *FAST[1:3])
    quiet = ("trainer=quick_test", "callbacks.progress_bar.refresh_rate=0", "logger=none")
    with pytest.warns(UserWarning, match="never occurs in the train split"):
        record = job("train", "loss=option_b", "beta=cyclical", "optimizer=adam", *quiet, *small, corpus=corpus)
    assert record.test is None
    assert (record.split, record.baseline_split) == ("val", "val")
    assert record.baseline["pixel_accuracy"] == pytest.approx((grids[9:] == 0).mean())
    assert record.steps == 2
    assert np.isfinite(record.class_weights).all()


@pytest.mark.slow
def test_overfit_mode_stops_at_the_target_with_weights_of_the_whole_split(
    job: Job, tiny_corpus: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        record = job("train", "trainer=overfit_batch", *FAST[2:3], "callbacks.progress_bar.refresh_rate=0")
    assert caplog.text.count("Overfit target reached in epoch") == 1
    assert record.epochs <= 10
    assert record.test is None  # nothing was held out
    assert min(record.val["balanced_accuracy"], record.val["pixel_accuracy"]) >= 0.95
    train_split = np.load(tiny_corpus, allow_pickle=False)["train"]
    assert record.class_counts == np.bincount(train_split.ravel()).tolist()
    assert "192 grids" in caplog.text
    assert "without class weights" not in caplog.text


@pytest.mark.slow
def test_overfit_mode_without_weights_warns_and_admits_a_missed_target(
    job: Job, caplog: pytest.LogCaptureFixture
) -> None:
    job("train", "trainer=overfit_batch", "data.overfit_repeats=1", "loss.class_weights=none", *FAST[1:])
    assert "overfit mode without class weights" in caplog.text
    assert "Overfit target MISSED after 2 epochs" in caplog.text


@pytest.mark.slow
def test_early_stopping_waits_for_the_ramp(job: Job) -> None:
    stuck = ("optimizer.lr=1e-12", "scheduler.final_lr=0", "callbacks.early_stopping.patience=1")
    record = job("train", *BRIEF, *stuck, "trainer.max_epochs=8", "beta.ramp=3")
    assert record.epochs == 5  # patience is counted in epochs 4 and 5 only


@pytest.mark.slow
def test_accumulated_batches_count_as_one_step_and_move_beta_as_far(job: Job, tmp_path: Path) -> None:
    words = ("trainer.log_every_n_steps=1", "beta.ramp=2", "data.batch_size=32", "trainer.accumulate_grad_batches=2")
    job("train", *FAST, *words)
    with (tmp_path / "train" / "csv" / "metrics.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["step/beta"]]
    assert [row["step"] for row in rows] == ["1", "2", "3", "4", "5", "6"]  # 6 batches in an epoch, 2 to a step
    assert float(rows[-1]["step/beta"]) == pytest.approx(0.1 * 11 / 12)  # of the last of 12 batches


@pytest.mark.slow
def test_corpus_is_generated_once_when_none_is_given(job: Job, tmp_path: Path, caplog: Any) -> None:
    words = ("data.num_grids=100", *BRIEF)
    with caplog.at_level(logging.INFO):
        job("train", *words, corpus=None, folder="first")
    assert "Generating 100 atomic grids (seed 42) into" in caplog.text
    (corpus,) = (tmp_path / "outputs" / "corpora").glob("*.npz")
    before = corpus.stat()
    caplog.clear()
    with caplog.at_level(logging.INFO):
        job("train", *words, corpus=None, folder="second")
    assert "Generating" not in caplog.text
    assert corpus.stat() == before


def test_loss_that_is_not_finite_ends_the_run_and_leaves_no_best(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = GridModule.step

    def poisoned(self: GridModule, batch: torch.Tensor, stage: str) -> Any:
        if stage == "train" and self.global_step == 2:
            torch.nn.init.constant_(self.model.encoder.mu.bias, float("inf"))  # type: ignore[union-attr,arg-type]
        return step(self, batch, stage)

    monkeypatch.setattr(GridModule, "step", poisoned)
    with pytest.raises(NonFiniteError, match=r"at step 2 \(epoch 0; not finite: reconstruction, kl; learning rate"):
        job("train", *BRIEF)
    assert list(tmp_path.rglob("*.ckpt")) == list(tmp_path.rglob("vae_best.pth")) == []
    assert CHILD not in os.environ


def test_weights_ruined_by_the_last_step_of_an_epoch_are_never_saved(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The loss of that step was finite, and the argmax of NaN is background: without a look it would be the best.
    def ruin(self: GridModule) -> None:
        torch.nn.init.constant_(self.model.encoder.mu.bias, float("nan"))  # type: ignore[union-attr,arg-type]

    monkeypatch.setattr(GridModule, "on_validation_start", ruin)
    with pytest.raises(NonFiniteError, match="the validation loss is nan after epoch 0"):
        job("train", *BRIEF, "trainer.num_sanity_val_steps=0")
    assert list(tmp_path.rglob("*.ckpt")) == []


@pytest.mark.slow
def test_monitor_that_is_never_a_number_ends_the_run_without_exports(job: Job, tmp_path: Path) -> None:
    # There is no F1 of objects where there are no objects.
    grids = np.random.default_rng(0).integers(0, 10, (12, 16, 16)).astype(np.uint8)
    corpus = save_arrays(tmp_path / "bare.npz", train=grids, val=np.zeros_like(grids))
    said = r"^val/object_recall was not a number after any of \d epochs, .*: choose another monitor$"
    with pytest.raises(NonFiniteError, match=said):
        job("train", *BRIEF, "trainer.max_epochs=2", "monitor=val/object_recall", corpus=corpus)
    assert {path.stem for path in (tmp_path / "train" / "checkpoints").glob("*.ckpt")} == {"last"}
    assert not any((tmp_path / "train" / name).exists() for name in ("metrics.json", "exports.json", "vae_best.pth"))


@pytest.mark.slow
def test_best_checkpoint_is_evaluated_and_the_last_is_kept_beside_it(job: Job, tmp_path: Path) -> None:
    # With steps of no length no epoch is better than the first, and beta alone tells them apart.
    record = job("train", *BRIEF, "trainer.max_epochs=2", "optimizer.lr=1e-12", "beta.hold=0", "beta.ramp=2")
    files = [tmp_path / "train" / "checkpoints" / f"{name}.ckpt" for name in ("best", "last")]
    assert [load_torch(file)["global_step"] for file in files] == [3, 6]
    betas = [row["val/beta"] for row in record.history]
    assert betas[1] > betas[0] == pytest.approx(record.val["beta"], rel=1e-6)
    assert record.test["beta"] == record.val["beta"]


@pytest.mark.slow
def test_values_that_only_the_corpus_proves_wrong_are_refused(job: Job, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"a grid of size 16 cannot be halved 5 times"):
        job("train", *FAST[:-2], "model.widths=[4,4,4,4,4,4]")
    grids = np.zeros((12, 8, 8), np.uint8)
    corpus = save_arrays(tmp_path / "small.npz", train=grids, val=grids, test=grids)
    with pytest.raises(ConfigError, match=r"model.grid_size=16 but the grids of .*small.npz have 8; set it to that"):
        job("train", *FAST, "model.grid_size=16", corpus=corpus)
    with pytest.raises(ConfigError, match=r"trainer.limit_train_batches=0 must be a number above 0"):
        job("train", *FAST, "+trainer.limit_train_batches=0")
    with pytest.raises(DataError, match="no training step was taken"):
        job("train", *FAST, "+trainer.max_steps=0")
    # A link to a run with nothing to load would hide the one before.
    assert not (tmp_path / "outputs" / "latest").is_symlink()


def test_finished_or_busy_run_folder_is_refused(job: Job, tmp_path: Path) -> None:
    import fcntl

    (tmp_path / "finished").mkdir()
    (tmp_path / "finished" / "metrics.json").write_text("{}")
    with pytest.raises(BusyError, match="holds a finished run"):
        job("train", *BRIEF, folder="finished")
    (tmp_path / "busy").mkdir()
    with (tmp_path / "busy" / "run.lock").open("w") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        with pytest.raises(BusyError, match="another run is going on"):
            job("train", *BRIEF, folder="busy")
    assert json.loads((tmp_path / "finished" / "metrics.json").read_text()) == {}
    assert {path.name for path in (tmp_path / "busy").iterdir()} == {"run.lock"}


@pytest.mark.slow
def test_run_is_continued_with_its_own_settings_only(job: Job, run_folder: Path) -> None:
    checkpoint = f"ckpt_path={run_folder}/checkpoints/last.ckpt"
    with pytest.raises(CheckpointError, match=r"has 2 epochs behind it; set trainer.max_epochs to more"):
        job("train", checkpoint, "loss=option_b", *FAST, "trainer.max_epochs=1", folder="shorter")
    with pytest.raises(CheckpointError, match=r"cannot be continued with .*seed \(was 42, now 5\)") as one:
        job("train", checkpoint, "loss=option_b", *FAST, "model.latent_dim=3", "seed=5", folder="other")
    assert "model (was {" in str(one.value)
    longer = job("train", checkpoint, "loss=option_b", *FAST, "trainer.max_epochs=3", folder="longer")
    assert (longer.epochs, longer.steps) == (3, 9)
    assert [row["epoch"] for row in longer.history] == [1, 2, 3]


@pytest.mark.slow
def test_value_of_a_secret_is_in_no_file_of_a_run(
    train: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ARCVAE_SECRET", "hunter2")
    words = ("tags=['${oc.env:ARCVAE_SECRET}','x-${oc.env:ARCVAE_SECRET}']", "logger=wandb", "logger.offline=true")
    assert train(*FAST, *words, "trainer.max_epochs=1") == 0
    assert "hunter2" not in "".join(capfd.readouterr())
    (run,) = runs(tmp_path)
    assert any(path.suffix == ".wandb" for path in run.rglob("*"))
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or b"hunter2" not in path.read_bytes(), path
    assert metrics(run)["config"]["logger"]["tags"][0] == "${oc.env:ARCVAE_SECRET}"
