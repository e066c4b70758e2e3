"""Whole runs of ``python -m arcvae.train``, small but real."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from arcvae.grid.callbacks import ReconstructionSnapshots
from arcvae.grid.module import GridModule
from arcvae.io.tensors import load_torch
from tests.conftest import FAST, Command, metrics, runs, save_arrays

Capture = pytest.CaptureFixture[str]


def same(a: Any, b: Any) -> bool:
    """Equality of nested states, tensors bit for bit."""
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and torch.equal(a, b)
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return bool(a == b)


def test_run_leaves_every_file_and_nothing_else_outside_its_folder(run_folder: Path) -> None:
    left = {str(path.relative_to(run_folder)) for path in run_folder.rglob("*") if path.is_file()}
    checkpoints = {
        "best.ckpt",
        "last.ckpt",
        "reconstructions_best.png",
        *(f"reconstructions_epoch_{n}.png" for n in (1, 2)),
    }
    hydra = {".hydra/config.yaml", ".hydra/hydra.yaml", ".hydra/overrides.yaml"}
    plain = {
        "class_weights.pth",
        "encoder.pth",
        "decoder.pth",
        "vae_best.pth",
        "encoder.safetensors",
        "decoder.safetensors",
        "vae_best.safetensors",
        "exports.json",
        "metrics.json",
        "metrics.csv",
        "train.log",
    }
    assert left == {f"checkpoints/{name}" for name in checkpoints} | hydra | plain | {
        "csv/metrics.csv",
        "csv/hparams.yaml",
        "run.lock",
    }
    outputs = run_folder.parent.parent
    assert {path.name for path in outputs.iterdir()} == {"train", "cache", "latest"}
    assert {path.name for path in outputs.parent.iterdir()} == {"outputs"}
    assert (outputs / "latest").resolve() == run_folder


def test_metrics_hold_the_whole_record_of_the_run(run_folder: Path, tiny_corpus: Path) -> None:
    record = metrics(run_folder)
    promised = {
        "run_id",
        "command",
        "config",
        "git_commit",
        "git_dirty",
        "seed",
        "packages",
        "corpus",
        "parameters",
        "wall_seconds",
        "grids_per_second",
        "val",
        "test",
        "baseline",
        "verdict",
    }
    assert promised <= record.keys()
    assert record["run_id"] == run_folder.name
    assert record["corpus"]["path"] == str(tiny_corpus)
    assert len(record["corpus"]["sha256"]) == 64
    assert record["packages"]["torch"] == torch.__version__
    assert record["config"]["loss"]["class_weights"] == "sqrt_inverse"
    assert (record["epochs"], record["steps"]) == (2, 6)
    names = {
        "pixel_accuracy",
        "object_recall",
        "object_precision",
        "object_f1",
        "balanced_accuracy",
        "mean_iou",
        "exact_match",
        "per_class_recall",
        "kl_per_dim",
        "active_dims",
    }
    for part in ("val", "test", "baseline"):
        assert names <= record[part].keys()
        assert len(record[part]["per_class_recall"]) == len(record[part]["kl_per_dim"]) == 10
    assert record["verdict"].keys() >= {
        "mode_collapse",
        "posterior_collapse",
        "predicted_background_share",
        "active_dims",
    }


def test_baseline_is_what_painting_everything_black_scores(run_folder: Path, tiny_corpus: Path) -> None:
    test = np.load(tiny_corpus, allow_pickle=False)["test"]
    baseline = metrics(run_folder)["baseline"]
    assert baseline["pixel_accuracy"] == pytest.approx((test == 0).mean())
    assert baseline["balanced_accuracy"] == pytest.approx(0.1)
    assert (baseline["object_f1"], baseline["object_recall"], baseline["exact_match"]) == (0, 0, 0)
    assert baseline["object_precision"] is None  # nothing was predicted: not a number, and not zero
    assert baseline["per_class_recall"] == [1] + [0] * 9


def test_every_torch_file_opens_with_weights_only(run_folder: Path) -> None:
    files = [*run_folder.rglob("*.pth"), *run_folder.rglob("*.ckpt")]
    assert len(files) == 6
    for path in files:
        assert torch.load(path, weights_only=True)


def test_checkpoint_knows_what_it_takes_to_use_it(run_folder: Path) -> None:
    stamp = load_torch(run_folder / "checkpoints" / "best.ckpt")["arcvae"]
    assert stamp["config"]["model"]["latent_dim"] == 10
    assert stamp["corpus_sha256"] == metrics(run_folder)["corpus"]["sha256"]
    weights = load_torch(run_folder / "class_weights.pth")
    assert stamp["class_weights"] == pytest.approx(weights["class_weights"].tolist())
    assert stamp["class_counts"] == weights["class_counts"].tolist()


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
    for name in (
        "train/loss",
        "val/loss",
        "val/object_f1",
        "train/object_f1",
        "val/per_class_recall/9",
        "val/kl_per_dim/0",
        "val/beta",
    ):
        assert all(np.isfinite(float(row[name])) for row in rows), name
    best = max(float(row["val/object_f1"]) for row in rows)
    assert metrics(run_folder)["val"]["object_f1"] == pytest.approx(best, abs=1e-9)


def test_log_ends_with_the_table_the_verdict_and_where_the_pictures_are(run_folder: Path) -> None:
    log = (run_folder / "train.log").read_text()
    for part in (
        "all-background",
        "pixel_accuracy",
        "object_f1",
        "Verdict: ",
        "Pictures ",
        "Class weights",
        "effective beta 0.1",
    ):
        assert part in log
    assert log.count("[VISUALIZATION] Saved: reconstructions_epoch_2.png") == 1


def test_two_equal_runs_are_bit_equal_and_another_seed_is_not(run_folder: Path, train: Command, tmp_path: Path) -> None:
    assert train("loss=option_b", *FAST) == 0
    assert train("loss=option_b", *FAST, "seed=0") == 0
    again, other = runs(tmp_path)
    state = load_torch(run_folder / "vae_best.pth")["state_dict"]
    assert same(load_torch(again / "vae_best.pth")["state_dict"], state)
    assert not same(load_torch(other / "vae_best.pth")["state_dict"], state)
    assert metrics(other)["seed"] == 0


@pytest.mark.parametrize("data", ["data=atomic", "data=atomic_stream"])
def test_resumed_run_equals_the_uninterrupted_one_bit_for_bit(
    train: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture, data: str
) -> None:
    longer = [*FAST, data, "loss=fading", "trainer.max_epochs=3", "data.symmetries=true", "data.permute_colors=true"]
    assert train(*longer) == 0
    (whole,) = runs(tmp_path)

    class Killed(BaseException):
        pass

    draw = ReconstructionSnapshots.on_train_epoch_end

    def die(self: ReconstructionSnapshots, trainer: Any, module: Any) -> None:
        draw(self, trainer, module)
        if trainer.current_epoch == 1:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(ReconstructionSnapshots, "on_train_epoch_end", die)
        with pytest.raises(Killed):
            train(*longer)
    (killed,) = set((tmp_path / "outputs" / "train").iterdir()) - {whole}
    assert load_torch(killed / "checkpoints" / "last.ckpt")["global_step"] == 6  # of epoch 2, best or not
    assert (tmp_path / "outputs" / "latest").resolve() == killed
    # Nothing but the checkpoint is named: its overrides are taken over.
    assert train("ckpt_path=outputs/latest/checkpoints/last.ckpt") == 0
    assert "Continuing with the overrides of that run: trainer=quick_test" in capsys.readouterr().out
    (resumed,) = set(runs(tmp_path)) - {whole}
    assert metrics(resumed)["epochs"] == 3
    a, b = (load_torch(folder / "checkpoints" / "last.ckpt") for folder in (whole, resumed))
    for part in ("state_dict", "optimizer_states", "lr_schedulers", "global_step", "epoch"):
        assert same(a[part], b[part]), part
    assert same(metrics(whole)["test"], metrics(resumed)["test"])
    rows = [list(csv.DictReader((folder / "metrics.csv").open())) for folder in (whole, resumed)]
    assert [{k: v for k, v in row.items() if k != "seconds"} for row in rows[0]] == [
        {k: v for k, v in row.items() if k != "seconds"} for row in rows[1]
    ]
    capsys.readouterr()
    assert train(f"ckpt_path={killed}/checkpoints/last.ckpt", "trainer.max_epochs=1") == 4
    assert "has 2 epochs behind it; set trainer.max_epochs to more" in fault(capsys)
    # Another run is not continued by accident.
    assert train(f"ckpt_path={killed}/checkpoints/last.ckpt", "model.latent_dim=3", "seed=5") == 4
    error = capsys.readouterr().err
    assert "cannot be continued with other settings" in error
    assert "seed (was 42, now 5)" in error
    assert len(runs(tmp_path)) == 2


def test_sweep_leaves_a_folder_for_each_job_and_goes_on_after_a_failed_one(
    train: Command, tmp_path: Path, capsys: Capture
) -> None:
    assert train("-m", "loss.gamma=0,2", *FAST, "trainer.max_epochs=1") == 0
    assert [metrics(folder)["config"]["loss"]["gamma"] for folder in runs(tmp_path)] == [0, 2]
    capsys.readouterr()
    # Which metrics there are is known only once the module is built.
    assert train("-m", "monitor=val/object_fl,val/exact_match", *FAST, "trainer.max_epochs=1") == 1
    assert "monitor=val/object_fl is not logged (did you mean val/object_f1?)" in fault(capsys)
    assert [metrics(folder)["monitor"] for folder in runs(tmp_path)].count("val/exact_match") == 1
    assert len(runs(tmp_path)) == 3


def test_option_a_is_reported_truthfully(train: Command, tmp_path: Path) -> None:
    assert train("loss=option_a", *FAST, "trainer.max_epochs=8", "optimizer.lr=0.01", "monitor=val/pixel_accuracy") == 0
    record = metrics(runs(tmp_path)[0])
    collapsed = record["test"]["predicted_background_share"] >= 0.99 and record["test"]["object_recall"] < 0.05
    assert record["verdict"]["mode_collapse"] is collapsed is True
    assert "MODE COLLAPSE" in (runs(tmp_path)[0] / "train.log").read_text()
    assert torch.equal(load_torch(runs(tmp_path)[0] / "class_weights.pth")["class_weights"], torch.ones(10))


def test_overfit_mode_stops_at_the_target_with_weights_of_the_whole_split(
    train: Command, tmp_path: Path, tiny_corpus: Path
) -> None:
    small = ["trainer=overfit_batch", "trainer.accelerator=cpu", "callbacks.progress_bar.refresh_rate=0"]
    assert train(*small) == 0
    (folder,) = runs(tmp_path)
    log, record = (folder / "train.log").read_text(), metrics(folder)
    assert log.count("Overfit target reached in epoch") == 1
    assert record["epochs"] <= 10
    assert record["test"] is None  # nothing was held out
    assert record["val"]["balanced_accuracy"] >= 0.95
    assert record["val"]["pixel_accuracy"] >= 0.95
    train_split = np.load(tiny_corpus, allow_pickle=False)["train"]
    assert record["class_counts"] == np.bincount(train_split.ravel()).tolist()
    assert "192 grids" in log
    assert "without class weights" not in log


def test_overfit_mode_without_weights_warns_and_admits_a_missed_target(train: Command, tmp_path: Path) -> None:
    small = ["trainer=overfit_batch", "data.overfit_repeats=1", "loss.class_weights=none", *FAST[1:]]
    assert train(*small) == 0
    log = (runs(tmp_path)[0] / "train.log").read_text()
    assert "Overfit mode without class weights" in log
    assert "Overfit target MISSED after 2 epochs" in log


def test_early_stopping_waits_for_the_ramp(train: Command, tmp_path: Path) -> None:
    stuck = [
        *FAST,
        "optimizer.lr=1e-12",
        "scheduler.final_lr=0",
        "callbacks.early_stopping.patience=1",
        "trainer.max_epochs=8",
    ]
    assert train(*stuck, "beta.ramp=3") == 0
    assert metrics(runs(tmp_path)[0])["epochs"] == 5  # counted in epochs 4 and 5 only


@pytest.mark.parametrize("logger", ["tensorboard", "wandb", "none"])
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


def test_other_corpora_and_models_work(train: Command, tmp_path: Path) -> None:
    grids = np.random.default_rng(0).integers(0, 3, (12, 8, 8)).astype(np.uint8)
    corpus = save_arrays(tmp_path / "a folder with späce=.npz", train=grids[:9], val=grids[9:], test=grids[:0])
    small = ["model.grid_size=8", "model.widths=[4,4]", "model.latent_dim=1", "data.batch_size=65536", *FAST[1:5]]
    with pytest.warns(UserWarning, match="never occurs in the train split"):
        assert (
            train(f"data.path='{corpus}'", "loss=option_b", "beta=cyclical", "optimizer=adam", *small, corpus=None) == 0
        )
    (folder,) = runs(tmp_path)
    record = metrics(folder)
    assert record["test"] is None
    assert record["baseline_split"] == "val"
    assert record["baseline"]["pixel_accuracy"] == pytest.approx((grids[9:] == 0).mean())
    assert record["steps"] == 2
    assert np.isfinite(record["class_weights"]).all()
    assert "There is no test split" in (folder / "train.log").read_text()


def test_picture_that_cannot_be_drawn_costs_a_warning(
    train: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError("no fonts")

    monkeypatch.setattr("arcvae.grid.callbacks.to_png", fail)
    assert train(*FAST, "trainer.max_epochs=1") == 0
    assert metrics(runs(tmp_path)[0])["pictures_not_saved"] == [
        "reconstructions_epoch_1.png",
        "reconstructions_best.png",
    ]


def test_corpus_is_generated_once_when_none_is_given(train: Command, tmp_path: Path, capsys: Capture) -> None:
    small = ["data.num_grids=100", *FAST, "trainer.max_epochs=1"]
    assert train(*small, corpus=None) == 0
    assert "Generating 100 atomic grids (seed 42) into" in capsys.readouterr().out
    (corpus,) = (tmp_path / "outputs" / "corpora").iterdir()
    before = corpus.stat()
    assert train(*small, corpus=None) == 0
    assert "Generating" not in capsys.readouterr().out
    assert corpus.stat() == before


def fault(capsys: Capture) -> str:
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("arcvae:")]
    assert len(lines) == 1
    return lines[0]


def test_bad_corpus_ends_in_one_line_and_writes_nothing(train: Command, tmp_path: Path, capsys: Capture) -> None:
    bad = save_arrays(tmp_path / "bad.npz", train=np.full((8, 16, 16), 11, np.uint8))
    content = bad.read_bytes()
    assert train(f"data.path={bad}", corpus=None) == 3
    assert "bad.npz: train[0, 0, 0] is 11, expected a colour 0-9" in fault(capsys)
    assert train("data.path=/nowhere.npz", corpus=None) == 3
    assert "there is no file /nowhere.npz" in fault(capsys)
    assert train("ckpt_path=none.ckpt") == 4
    assert f"ckpt_path={tmp_path}/none.ckpt: there is no such checkpoint" in fault(capsys)
    assert list(tmp_path.iterdir()) == [bad]
    assert bad.read_bytes() == content


def test_values_that_only_the_corpus_proves_wrong_end_in_one_line(train: Command, capsys: Capture) -> None:
    assert train("model.grid_size=8", *FAST) == 2
    assert "model.grid_size=8 but" in fault(capsys)
    assert not Path("outputs").exists()
    assert train("model.widths=[4,4,4,4,4,4]", *FAST[:-2]) == 2
    assert "a grid of size 16 cannot be halved 5 times" in fault(capsys)
    if not torch.cuda.is_available():
        assert train("trainer=gpu", *FAST[1:2]) == 2
        assert "trainer:" in fault(capsys)


def test_foreign_checkpoint_is_not_continued(train: Command, run_folder: Path, tmp_path: Path, capsys: Capture) -> None:
    assert train(f"ckpt_path={run_folder}/encoder.pth", *FAST) == 4
    assert "is an export (encoder); give a checkpoint of arcvae.train" in fault(capsys)
    (tmp_path / "torn.ckpt").write_bytes((run_folder / "checkpoints" / "last.ckpt").read_bytes()[:-100])
    assert train(f"ckpt_path={tmp_path}/torn.ckpt", *FAST) == 4
    assert "not an intact checkpoint" in fault(capsys)


def test_loss_that_is_not_finite_ends_the_run_with_code_6_and_no_best(
    train: Command, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = GridModule.step

    def poisoned(self: GridModule, batch: torch.Tensor, stage: str) -> Any:
        if stage == "train" and self.global_step == 2:
            torch.nn.init.constant_(self.model.encoder.mu.bias, float("inf"))
        return step(self, batch, stage)

    monkeypatch.setattr(GridModule, "step", poisoned)
    assert train(*FAST) == 6
    assert "at step 2 (epoch 0; not finite: reconstruction, kl; learning rate" in fault(capsys)
    assert list(tmp_path.rglob("*.ckpt")) == []
    assert list(tmp_path.rglob("vae_best.pth")) == []


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


def test_accumulated_batches_count_as_one_step_and_move_beta_as_far(train: Command, tmp_path: Path) -> None:
    log = "trainer.log_every_n_steps=1"
    assert train(*FAST, log, "beta.ramp=2", "data.batch_size=32", "trainer.accumulate_grad_batches=2") == 0
    (folder,) = runs(tmp_path)
    with (folder / "csv" / "metrics.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["step/beta"]]
    assert [row["step"] for row in rows] == ["1", "2", "3", "4", "5", "6"]  # 6 batches in an epoch, 2 to a step
    assert float(rows[-1]["step/beta"]) == pytest.approx(0.1 * 11 / 12)  # of the last of 12 batches


def test_weights_ruined_by_the_last_step_of_an_epoch_are_never_saved(
    train: Command, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The loss of that step was finite, and the argmax of NaN is background: without a look it would be the best.
    def ruin(self: GridModule) -> None:
        torch.nn.init.constant_(self.model.encoder.mu.bias, float("nan"))

    monkeypatch.setattr(GridModule, "on_validation_start", ruin)
    assert train(*FAST, "trainer.num_sanity_val_steps=0") == 6
    assert "the validation loss is nan after epoch 0" in fault(capsys)
    assert list(tmp_path.rglob("*.ckpt")) == []


def test_last_checkpoint_is_that_of_the_last_epoch_even_if_the_first_was_best(
    train: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    derive = GridModule.derive

    def falling(self: GridModule, results: dict[str, Any]) -> dict[str, Any]:
        return derive(self, results) | {"active_dims": 10 - self.current_epoch}

    monkeypatch.setattr(GridModule, "derive", falling)
    assert train(*FAST, "monitor=val/active_dims") == 0
    (folder,) = runs(tmp_path)
    steps = [load_torch(folder / "checkpoints" / f"{name}.ckpt")["global_step"] for name in ("best", "last")]
    assert steps == [3, 6]
    assert metrics(folder)["val"]["object_f1"] == pytest.approx(
        float(next(csv.DictReader((folder / "metrics.csv").open()))["val/object_f1"]), abs=1e-9
    )


def test_value_from_the_environment_is_used_but_not_written_down(
    train: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARCVAE_OUT", str(tmp_path / "elsewhere"))
    assert train("output_dir=${oc.env:ARCVAE_OUT}", *FAST, "trainer.max_epochs=1") == 0
    (record,) = (tmp_path / "elsewhere").glob("train/*/metrics.json")
    assert json.loads(record.read_text())["config"]["output_dir"] == "${oc.env:ARCVAE_OUT}"
    assert (tmp_path / "elsewhere" / "latest").resolve() == record.parent.resolve()


def test_finished_or_busy_run_folder_is_refused(train: Command, run_folder: Path, capsys: Capture) -> None:
    before = {path: path.stat().st_mtime_ns for path in run_folder.rglob("*")}
    assert train(f"hydra.run.dir={run_folder}", *FAST) == 7
    assert "holds a finished run" in fault(capsys)
    assert {path: path.stat().st_mtime_ns for path in run_folder.rglob("*")} == before


def test_folder_of_a_running_run_is_refused(train: Command, tmp_path: Path, capsys: Capture) -> None:
    import fcntl

    (tmp_path / "busy").mkdir()
    with (tmp_path / "busy" / "run.lock").open("w") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        assert train(f"hydra.run.dir={tmp_path}/busy", *FAST) == 7
    assert "another run is going on" in fault(capsys)


def test_secret_of_the_environment_is_written_nowhere(
    train: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARCVAE_SECRET", "hunter2hunter2")
    assert train("tags=['${oc.env:ARCVAE_SECRET}']", *FAST, "trainer.max_epochs=1") == 0
    for path in tmp_path.rglob("*"):
        assert path.is_dir() or b"hunter2hunter2" not in path.read_bytes(), path
    assert metrics(runs(tmp_path)[0])["config"]["tags"] == ["${oc.env:ARCVAE_SECRET}"]


def test_latest_points_to_the_newest_run(train: Command, tmp_path: Path) -> None:
    for expected in (1, 2):
        assert train(*FAST, "trainer.max_epochs=1") == 0
        assert len(runs(tmp_path)) == expected
        newest = max(runs(tmp_path), key=lambda folder: (folder / "metrics.json").stat().st_mtime_ns)
        assert (tmp_path / "outputs" / "latest").resolve() == newest.resolve()
