"""`arcvae.evaluate` and `arcvae.sample` on a small but real run, and what they refuse."""

from __future__ import annotations

import csv
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import arcvae
from arcvae.io.tensors import load_torch, save_torch
from tests.conftest import FAST, Command, metrics, save_arrays

Capture = pytest.CaptureFixture[str]
Door = Callable[..., tuple[int, Path]]

PICTURES = {
    "reconstructions.png", "kl_per_dimension.png", "codes.png", "traversals.png", "interpolations.png",
    "recall_per_class.png", "confusion.png", "calibration.png",
}  # fmt: skip


@pytest.fixture
def door(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Door:
    """Run a command in ``tmp_path``; returns the exit code and the folder that it wrote last."""

    def run(name: str, *arguments: str) -> tuple[int, Path]:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", [f"arcvae.{name}", *arguments])
        code = __import__(f"arcvae.{name}", fromlist=["main"]).main()
        return code, max((tmp_path / "outputs" / name).glob("*"), default=tmp_path)

    return run


@pytest.fixture(scope="module")
def evaluated(run_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What an evaluation of the run leaves."""
    folder = tmp_path_factory.mktemp("evaluated")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        arguments = [
            f"ckpt_path={run_folder}/checkpoints/best.ckpt",
            "importance_samples=4",
            "refine=3",
            "accelerator=cpu",
        ]
        patch.setattr(sys, "argv", ["arcvae.evaluate", *arguments])
        from arcvae.evaluate import main

        assert main() == 0
    (found,) = (folder / "outputs" / "evaluate").iterdir()
    assert {path.name for path in (folder / "outputs").iterdir()} <= {"evaluate", "cache"}
    return found


def test_refined_metrics_are_those_of_refined_codes(evaluated: Path, run_folder: Path, tiny_corpus: Path) -> None:
    record = json.loads((evaluated / "metrics.json").read_text())
    refined = record["refined"]
    grids = np.load(tiny_corpus, allow_pickle=False)["test"]
    decoded = arcvae.load(run_folder).reconstruct(grids, refine=3)
    hits = ((decoded == grids) & (grids > 0)).sum()
    assert refined["object_f1"] == pytest.approx(2 * hits / ((decoded > 0).sum() + (grids > 0).sum()))
    assert refined["pixel_accuracy"] == pytest.approx((decoded == grids).mean())
    assert refined["rounds"] == 3
    assert refined["by_objects"].keys() == record["by_objects"].keys()


def test_metrics_are_those_of_the_training_run(evaluated: Path, run_folder: Path) -> None:
    ours, theirs = metrics(evaluated), metrics(run_folder)
    for split in ("test", "at_tuned_decision"):
        for name, value in theirs[split].items():
            assert ours[split][name] == pytest.approx(value, abs=1e-6, nan_ok=True), name
    assert ours["baseline"] == theirs["baseline"]
    assert ours["decision"] == theirs["decision"]
    assert ours["corpus"]["is_that_of_the_training"] is True


def test_every_picture_is_there_and_is_one(evaluated: Path) -> None:
    assert {path.name for path in evaluated.glob("*.png")} == PICTURES
    for name in PICTURES:
        pixels = np.asarray(Image.open(evaluated / name).convert("RGB"))
        assert min(pixels.shape[:2]) > 200
        assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 5


def test_classes_are_in_a_table_beside_the_trivial_predictor(evaluated: Path) -> None:
    with open(evaluated / "classes.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows[:3]] == ["background", "blue", "red"]
    found = metrics(evaluated)
    assert [float(row["recall"]) for row in rows] == found["test"]["per_class_recall"]
    assert [float(row["trivial_recall"]) for row in rows] == [1.0] + [0.0] * 9
    assert [int(row["targets"]) for row in rows] == np.sum(found["confusion"], 1).tolist()


def test_loaded_codec_gives_the_evaluated_reconstructions_bit_for_bit(evaluated: Path, run_folder: Path) -> None:
    saved = np.load(evaluated / "reconstructions.npz", allow_pickle=False)
    for path in (run_folder, run_folder / "vae_best.safetensors", run_folder / "checkpoints" / "best.ckpt"):
        codec = arcvae.load(path)
        mu, _ = codec.encode(saved["original"])
        assert (codec.decode(mu) == saved["argmax"]).all()
        assert (mu == saved["mu"]).all()
    codec = arcvae.load(run_folder)
    assert (codec.reconstruct(saved["original"], decision="corrected") == saved["corrected"]).all()
    halves = arcvae.load(run_folder / "encoder.pth"), arcvae.load(run_folder / "decoder.safetensors")
    assert (halves[1].decode(halves[0].encode(saved["original"])[0]) == saved["argmax"]).all()


def test_likelihood_stands_beside_that_of_independent_cells(evaluated: Path) -> None:
    found = metrics(evaluated)["likelihood"]
    assert found["grids"] == 24
    assert 0 < found["bits_per_cell_of_independent_cells"] < 1
    assert found["bits_per_cell"] > 0


def test_errors_by_number_of_objects_add_up_to_those_of_the_split(evaluated: Path) -> None:
    record = metrics(evaluated)
    rows = record["by_objects"].values()
    assert sum(row["share"] for row in rows) == pytest.approx(1)
    exact = sum(row["share"] * row["exact_match"] for row in rows)
    assert exact == pytest.approx(record["test"]["exact_match"])
    wrong = sum(row["share"] * (row["left_out"] + row["added"] + row["recolored"]) for row in rows)
    assert wrong / 256 == pytest.approx(1 - record["test"]["pixel_accuracy"])


def test_another_corpus_is_said_to_be_one(run_folder: Path, door: Door, tmp_path: Path, capsys: Capture) -> None:
    other = save_arrays(tmp_path / "other.npz")
    arguments = [f"ckpt_path={run_folder}/checkpoints/best.ckpt", f"data.path={other}", "importance_samples=1"]
    code, folder = door("evaluate", *arguments, "split=val")
    assert code == 0
    assert "is not the corpus that" in capsys.readouterr().out
    assert metrics(folder)["corpus"]["is_that_of_the_training"] is False
    assert metrics(folder)["samples"] == 2


def bad_checkpoints(run: Path, folder: Path) -> dict[str, tuple[Path, str]]:
    """Files that are no checkpoint to evaluate, and what is said of each."""
    good = run / "checkpoints" / "best.ckpt"
    found = {
        "text": (folder / "text.ckpt", "is not an intact checkpoint"),
        "truncated": (folder / "truncated.ckpt", "is not an intact checkpoint"),
        "export": (run / "encoder.pth", "is an export (encoder); give a checkpoint"),
        "weights": (run / "class_weights.pth", "is the class weights of a run"),
    }
    found["text"][0].write_text("not a checkpoint")
    found["truncated"][0].write_bytes(good.read_bytes()[:-100])

    def changed(name: str, message: str, change: Callable[[dict[str, Any]], object]) -> None:
        content = load_torch(good)
        change(content)
        save_torch(folder / f"{name}.ckpt", content)
        found[name] = (folder / f"{name}.ckpt", message)

    config = "arcvae", "config"
    changed("newer", "has format 99, this arcvae knows 1", lambda c: c["arcvae"].update(format=99))
    changed("foreign", "a Lightning checkpoint of another program", lambda c: c.pop("arcvae"))
    changed("smaller", "does not fit its architecture", lambda c: c[config[0]][config[1]]["model"].update(hidden=17))
    changed("missing", "model.encoder.mu.bias is missing", lambda c: c["state_dict"].pop("model.encoder.mu.bias"))
    changed("huge", "model.latent_dim=1000000000", lambda c: c["arcvae"]["config"]["model"].update(latent_dim=10**9))
    changed("nan", "not finite", lambda c: c["state_dict"]["model.encoder.mu.bias"].fill_(torch.nan))
    shell = {"_target_": "os.system", "command": "touch canary"}
    changed("shell", "is not arcvae's", lambda c: c["arcvae"]["config"].update(model=shell))
    inner = {"_target_": "torch.optim.optimizer.torch.utils.collect_env.run", "command": "touch canary"}
    changed("nested", "is more than a value", lambda c: c["arcvae"]["config"]["model"].update(latent_dim=inner))
    changed("counts", "lacks class_counts", lambda c: c["arcvae"].pop("class_counts"))
    changed("stranger", "unknown key model.depth", lambda c: c["arcvae"]["config"]["model"].update(depth=3))
    return found


NAMES = [
    "text", "truncated", "export", "weights", "newer", "foreign",
    "smaller", "missing", "huge", "nan", "shell", "nested", "counts", "stranger",
]  # fmt: skip


@pytest.mark.parametrize("command", ["evaluate", "sample"])
@pytest.mark.parametrize("name", NAMES)
def test_what_is_no_checkpoint_ends_in_one_line(
    run_folder: Path, door: Door, tmp_path: Path, capsys: Capture, name: str, command: str
) -> None:
    path, message = bad_checkpoints(run_folder, tmp_path)[name]
    code, folder = door(command, f"ckpt_path={path}")
    error = capsys.readouterr().err
    assert code == 4
    assert error.startswith("arcvae: error[E_CKPT]: ")
    assert len(error.splitlines()) == 1
    assert str(path) in error
    assert message in error
    assert not (tmp_path / "canary").exists()
    assert not (folder / "metrics.json").exists()


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"export", "missing"}))
def test_what_is_no_checkpoint_is_not_loaded_either(run_folder: Path, tmp_path: Path, name: str) -> None:
    path, message = bad_checkpoints(run_folder, tmp_path)[name]
    with pytest.raises(arcvae.errors.CheckpointError, match=r"\S"):
        arcvae.load(path)
    assert not (tmp_path / "canary").exists()
    assert message


def test_missing_files_are_refused_before_anything_is_written(door: Door, tmp_path: Path, capsys: Capture) -> None:
    assert door("evaluate")[0] == 4
    assert "there is no such checkpoint" in capsys.readouterr().err
    (tmp_path / "some.ckpt").write_text("")
    assert door("evaluate", "ckpt_path=some.ckpt", "data.path=none.npz")[0] == 3
    assert door("evaluate", "ckpt_path=some.ckpt", "split=training")[0] == 2
    assert door("sample", "ckpt_path=null")[0] == 2
    assert not (tmp_path / "outputs").exists()


def test_corpus_with_another_grid_size_or_an_empty_split_is_refused(
    run_folder: Path, door: Door, tmp_path: Path, capsys: Capture
) -> None:
    small = {name: np.zeros((4, 8, 8), np.uint8) for name in ("train", "val", "test")}
    corpus = save_arrays(tmp_path / "small.npz", **small)
    assert door("evaluate", f"ckpt_path={run_folder}/checkpoints/best.ckpt", f"data.path={corpus}")[0] == 3
    assert "has grid_size 8, " in capsys.readouterr().err
    corpus = save_arrays(tmp_path / "untested.npz", test=np.zeros((0, 16, 16), np.uint8))
    assert door("evaluate", f"ckpt_path={run_folder}/checkpoints/best.ckpt", f"data.path={corpus}")[0] == 3
    assert "test is empty" in capsys.readouterr().err


@pytest.mark.parametrize("prior", ["normal", "aggregate", "posterior"])
def test_samples_are_saved_scored_and_follow_the_seed(run_folder: Path, door: Door, prior: str) -> None:
    arguments = [f"ckpt_path={run_folder}/checkpoints/best.ckpt", f"prior={prior}", "num_samples=20"]
    arguments += ["prior.components=2"] if prior == "aggregate" else []
    drawn = []
    for seed in (0, 0, 1):
        code, folder = door("sample", *arguments, f"seed={seed}")
        assert code == 0
        drawn.append(np.load(folder / "samples.npz", allow_pickle=False))
        shutil.move(folder, folder.parent.parent / f"moved-{len(drawn)}")
        folder = folder.parent.parent / f"moved-{len(drawn)}"
    assert (drawn[0]["samples"] == drawn[1]["samples"]).all()
    assert (drawn[0]["z"] != drawn[2]["z"]).any()
    assert drawn[0]["samples"].shape == (20, 16, 16)
    scores = metrics(folder)["scores"]
    assert scores["real"]["valid"] == 1
    assert scores["all-background"]["valid"] == 0
    assert set(scores["samples"]) == set(scores["real"])
    assert (folder / "samples.png").stat().st_size > 2000


def test_autoregressive_prior_is_trained_kept_and_used_again(run_folder: Path, door: Door, tmp_path: Path) -> None:
    checkpoint = f"ckpt_path={run_folder}/checkpoints/best.ckpt"
    common = (checkpoint, "prior=autoregressive", "num_samples=20", "decision=argmax")
    small = ("prior.max_epochs=2", "prior.width=8", "prior.layers=1", "prior.lr=1e-2", "prior.batch_size=16")
    code, folder = door("sample", *common, *small)
    assert code == 0
    fit = metrics(folder)["fit"]
    assert len(fit["nats_per_code"]) == 2
    assert fit["nats_per_code"][1] < fit["nats_per_code"][0]
    assert fit["independent_nats_per_code"] > 0
    drawn = np.load(folder / "samples.npz", allow_pickle=False)
    prior = shutil.move(folder / "prior.safetensors", tmp_path)
    codec = arcvae.load(run_folder, prior=prior)
    assert (codec.sample_codes(20) == drawn["z"]).all()
    for temperature in (1.0, 0.5):
        shutil.rmtree(folder)
        code, folder = door("sample", *common, f"prior.path={prior}", f"prior.temperature={temperature}")
        assert code == 0
        assert not (folder / "prior.safetensors").exists()
        assert metrics(folder)["fit"] is None
        again = np.load(folder / "samples.npz", allow_pickle=False)
        assert (again["z"] == codec.sample_codes(20, temperature=temperature)).all()
        assert (again["samples"] == codec.sample(20, temperature=temperature)).all()
    assert (again["z"] != drawn["z"]).any()


def test_settings_of_the_training_of_a_prior_reach_it(run_folder: Path, door: Door) -> None:
    costs = []
    for change in ("prior.lr=1.5e-3", "prior.lr=1e-2", "prior.batch_size=16", "prior.augment=false"):
        code, folder = door(
            "sample", f"ckpt_path={run_folder}/checkpoints/best.ckpt", "prior=autoregressive", "num_samples=2",
            "prior.max_epochs=1", "prior.width=8", "prior.layers=1", change,
        )  # fmt: skip
        assert code == 0
        costs.append(metrics(folder)["fit"]["nats_per_code"])
        shutil.rmtree(folder)
    assert costs[1] != costs[0]
    assert costs[2] != costs[0]
    assert costs[3] == costs[0]  # this run knows no augmentation


def test_prior_that_does_not_fit_is_refused(run_folder: Path, door: Door, tmp_path: Path, capsys: Capture) -> None:
    checkpoint = f"ckpt_path={run_folder}/checkpoints/best.ckpt"
    assert door("sample", checkpoint, "prior=autoregressive", "prior.path=none.safetensors")[0] == 4
    assert "there is no such prior" in capsys.readouterr().err
    assert door("sample", checkpoint, "prior.temperature=0.5")[0] == 2
    assert "unknown key prior.temperature" in capsys.readouterr().err
    assert door("sample", checkpoint, "prior=autoregressive", "prior.width=10", "prior.temperature=0")[0] == 2
    assert len(capsys.readouterr().err.splitlines()) == 2
    assert not (tmp_path / "outputs").exists()
    another = run_folder / "vae_best.safetensors"
    assert door("sample", checkpoint, "prior=autoregressive", f"prior.path={another}")[0] == 4
    assert "is not a prior of codes" in capsys.readouterr().err
    with pytest.raises(arcvae.errors.CheckpointError, match="holds only the encoder"):
        arcvae.load(run_folder / "encoder.pth", prior=another)


def test_plain_decision_is_that_of_the_codec(run_folder: Path, door: Door) -> None:
    _, folder = door("sample", f"ckpt_path={run_folder}/checkpoints/best.ckpt", "decision=argmax", "num_samples=5")
    saved = np.load(folder / "samples.npz", allow_pickle=False)
    assert (arcvae.load(run_folder).decode(saved["z"]) == saved["samples"]).all()


def test_evaluated_beta_is_that_of_the_best_epoch(train: Command, door: Door, tmp_path: Path) -> None:
    # The best epoch of a cyclical schedule has another beta than the end of the run or the top of the cycle.
    assert train(*FAST, "beta=cyclical", "beta.period=3", "trainer.max_epochs=2") == 0
    (path,) = (tmp_path / "outputs" / "train").iterdir()
    _, folder = door("evaluate", f"ckpt_path={path}/checkpoints/best.ckpt", "importance_samples=1")
    assert metrics(folder)["test"]["loss"] == pytest.approx(metrics(path)["test"]["loss"], abs=1e-6)
    assert json.loads((folder / "metrics.json").read_text())["test"]["beta"] == metrics(path)["test"]["beta"]


def test_recipe_of_packed_codes_works_from_training_to_samples(train: Command, door: Door, tmp_path: Path) -> None:
    fast = [word for word in FAST if not word.startswith("model.")]  # those of another model
    assert train(*fast, "experiment=best_d10", "model.width=8", "model.patch_width=16") == 0
    (path,) = (tmp_path / "outputs" / "train").iterdir()
    checkpoint = f"ckpt_path={path}/checkpoints/best.ckpt"
    # A loss that fades is scored at the state in which the best epoch left it, not at its end.
    _, folder = door("evaluate", checkpoint, "importance_samples=1")
    again = metrics(folder)["test"]
    for name, figure in metrics(path)["test"].items():
        assert again[name] == (figure if figure is None else pytest.approx(figure, rel=1e-5)), name
    code, folder = door("sample", checkpoint, "prior=aggregate", "num_samples=20", "prior.components=2")
    assert code == 0
    saved = np.load(folder / "samples.npz", allow_pickle=False)
    assert saved["z"].shape == (20, 10)
    codec = arcvae.load(path)
    assert (codec.decode(saved["z"], "corrected") == saved["samples"]).all()
    mu, logvar = codec.encode(saved["samples"])
    assert mu.shape == logvar.shape == (20, 10)
    assert np.isfinite(logvar).all()
