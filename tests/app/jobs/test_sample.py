"""The job of ``arcvae.sample``: it draws from a restored model, with any prior, and keeps what it needed for that."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import arcvae
from arcvae.errors import CheckpointError
from tests.conftest import FAST, Job, metrics

SMALL = ("prior.max_epochs=1", "prior.width=8", "prior.layers=1", "prior.batch_size=16", "prior.lr=1e-2")


def checkpoint(run: Path) -> str:
    return f"ckpt_path='{run}/checkpoints/best.ckpt'"


def drawn(folder: Path) -> dict[str, Any]:
    with np.load(folder / "samples.npz", allow_pickle=False) as saved:
        return dict(saved)


@pytest.mark.slow
@pytest.mark.parametrize("prior", ["normal", "aggregate", "posterior"])
def test_samples_follow_the_seed(job: Job, run_folder: Path, tmp_path: Path, prior: str) -> None:
    words = (checkpoint(run_folder), f"prior={prior}", "num_samples=20")
    words += ("prior.components=2",) if prior == "aggregate" else ()
    for name, seed in (("one", 0), ("two", 0), ("three", 1)):
        job("sample", *words, f"seed={seed}", folder=name)
    one, two, three = (drawn(tmp_path / name) for name in ("one", "two", "three"))
    assert (one["samples"] == two["samples"]).all()
    assert (one["z"] == two["z"]).all()
    assert (one["z"] != three["z"]).any()
    assert one["samples"].shape == (20, 16, 16)


@pytest.mark.parametrize("decision", ["argmax", "adjusted"])
def test_samples_are_what_the_codec_decodes(job: Job, run_folder: Path, tmp_path: Path, decision: str) -> None:
    record = job("sample", checkpoint(run_folder), f"decision={decision}", "num_samples=5")
    saved = drawn(tmp_path / "sample")
    assert (arcvae.load(run_folder).decode(saved["z"], decision) == saved["samples"]).all()
    assert record["logit_adjustment"] == (metrics(run_folder)["logit_adjustment"] if decision == "adjusted" else None)
    assert record["version"] == arcvae.__version__
    assert record["corpus"]["is_that_of_the_training"] is True
    assert metrics(tmp_path / "sample")["scores"]["real"]["valid"] == 1


@pytest.mark.slow
def test_prior_is_trained_kept_and_used_again(job: Job, run_folder: Path, tmp_path: Path) -> None:
    words = (checkpoint(run_folder), "prior=autoregressive", "num_samples=20", "decision=argmax")
    fit = job("sample", *words, *SMALL, "prior.max_epochs=2", folder="trained")["fit"]
    assert fit["nats_per_code"][1] < fit["nats_per_code"][0]
    assert fit["independent_nats_per_code"] > 0
    first = drawn(tmp_path / "trained")
    prior = shutil.move(tmp_path / "trained" / "prior.safetensors", tmp_path)
    codec = arcvae.load(run_folder, prior=prior)
    assert (codec.sample_codes(20) == first["z"]).all()
    again = job("sample", *words, f"prior.path={prior}", "prior.temperature=0.5", folder="again")
    assert again["fit"] is None
    assert not (tmp_path / "again" / "prior.safetensors").exists()
    second = drawn(tmp_path / "again")
    assert (second["z"] == codec.sample_codes(20, temperature=0.5)).all()
    assert (second["samples"] == codec.sample(20, temperature=0.5)).all()
    assert (second["z"] != first["z"]).any()


@pytest.mark.slow
def test_settings_of_the_training_of_a_prior_reach_it(job: Job, run_folder: Path) -> None:
    words = (checkpoint(run_folder), "prior=autoregressive", "num_samples=2", *SMALL)
    changes = ("seed=0", "prior.lr=1.5e-3", "prior.batch_size=32", "prior.augment=false")
    costs = [job("sample", *words, change, folder=change)["fit"]["nats_per_code"] for change in changes]
    assert costs[1] != costs[0]
    assert costs[2] != costs[0]
    assert costs[3] == costs[0]  # this run knows no augmentation


def test_prior_that_does_not_fit_is_refused(job: Job, run_folder: Path, tmp_path: Path) -> None:
    words = (checkpoint(run_folder), "prior=autoregressive")
    with pytest.raises(CheckpointError, match=r"there is no file .*none.safetensors"):
        job("sample", *words, "prior.path=none.safetensors", folder="none")
    another = run_folder / "vae_best.safetensors"
    with pytest.raises(CheckpointError, match="is not a prior of codes"):
        job("sample", *words, f"prior.path={another}", folder="another")
    assert not list(tmp_path.rglob("metrics.json"))


def test_task_without_samples_is_refused_before_anything_is_fitted(job: Job, clips_run: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"best.ckpt is a model for clips; it has nothing to draw samples with"):
        job("sample", checkpoint(clips_run))
    assert {path.name for path in (tmp_path / "sample").iterdir()} == {"run.lock"}


@pytest.mark.slow
def test_recipe_of_packed_codes_works_from_training_to_samples(job: Job, tmp_path: Path) -> None:
    fast = [word for word in FAST if not word.startswith("model.")]  # those of another model
    trained = job("train", *fast, "experiment=best_d10", "model.width=8", "model.patch_width=16")
    # A loss that fades is scored at the state in which the best epoch left it, not at its end.
    again = job("evaluate", checkpoint(tmp_path / "train"), "importance_samples=1", "accelerator=cpu")["test"]
    for name, figure in trained.test.items():
        assert again[name] == pytest.approx(figure, rel=1e-5, nan_ok=True), name
    job("sample", checkpoint(tmp_path / "train"), "prior=aggregate", "num_samples=20", "prior.components=2")
    saved = drawn(tmp_path / "sample")
    assert saved["z"].shape == (20, 10)
    codec = arcvae.load(tmp_path / "train")
    assert (codec.decode(saved["z"], "adjusted") == saved["samples"]).all()
    mu, logvar = codec.encode(saved["samples"])
    assert mu.shape == logvar.shape == (20, 10)
    assert np.isfinite(logvar).all()
