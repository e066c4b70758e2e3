"""Codes of objects go through every job as other codes do: train, resume, evaluate, sample, sweep, compare."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import arcvae
from arcvae.app.compose import CONF_DIR
from arcvae.grid.codes.object_prior import ObjectPrior
from arcvae.grid.corpus.files import write_corpus
from tests.conftest import metrics, run_command, run_job, runs, shared

pytestmark = pytest.mark.slow

EXPERIMENTS = [path for path in (CONF_DIR / "experiment").glob("*.yaml") if "audio" not in path.stem]
OBJECTS = (
    "experiment=objects", "model.width=16", "trainer.max_epochs=2", "trainer.accelerator=cpu", "data.batch_size=64",
    "callbacks.progress_bar.refresh_rate=0",
)  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, tiny_corpus: Path) -> Path:
    def make(folder: Path) -> None:
        assert run_command("train", f"data.path={tiny_corpus}", *OBJECTS, folder=folder) == 0

    (found,) = runs(shared(tmp_path_factory, "objects_run", make))
    return found


@pytest.mark.parametrize("option", ["option_a", "option_b", "option_c"])
def test_every_option_of_the_loss_trains(tiny_corpus: Path, tmp_path: Path, option: str) -> None:
    run_job("train", *OBJECTS, f"loss={option}", f"data.path={tiny_corpus}", folder=tmp_path / "run")
    test = metrics(tmp_path / "run")["test"]
    assert np.isfinite(test["loss"])
    assert test["kl"] > 15  # places and colours alone


def test_a_batch_is_memorised(tiny_corpus: Path, tmp_path: Path) -> None:
    words = (*OBJECTS, "trainer=overfit_batch", "trainer.max_epochs=6", "model.width=64", f"data.path={tiny_corpus}")
    run_job("train", *words, folder=tmp_path / "run")
    assert metrics(tmp_path / "run")["val"]["balanced_accuracy"] > 0.9


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda path: path.stem)
def test_every_experiment_on_grids_can_be_debugged_by_memorising(
    experiment: Path, tiny_corpus: Path, tmp_path: Path
) -> None:
    run_job(
        "train", f"experiment={experiment.stem}", "trainer=overfit_batch", "trainer.max_epochs=1",
        "trainer.accelerator=cpu", "data.overfit_repeats=2", f"data.path={tiny_corpus}", folder=tmp_path / "run",
    )  # fmt: skip
    assert metrics(tmp_path / "run")["epochs"] == 1


def test_continued_run_ends_as_one_that_was_not_interrupted(tiny_corpus: Path, tmp_path: Path) -> None:
    words = (*OBJECTS, f"data.path={tiny_corpus}")
    run_job("train", *words, "trainer.max_epochs=1", "scheduler=constant", folder=tmp_path / "half")
    last = f"ckpt_path={tmp_path}/half/checkpoints/last.ckpt"
    run_job("train", *words, "scheduler=constant", last, folder=tmp_path / "rest")
    run_job("train", *words, "scheduler=constant", folder=tmp_path / "whole")
    assert metrics(tmp_path / "rest")["test"] == metrics(tmp_path / "whole")["test"]


def test_evaluation_tells_what_is_left_out_found_and_moved(trained: Path, tmp_path: Path) -> None:
    record = run_job(
        "evaluate", f"ckpt_path={trained}/checkpoints/best.ckpt", "importance_samples=2", "refine=2",
        folder=tmp_path / "evaluation",
    )  # fmt: skip
    assert record["left_out"] == {"grids": 0, "objects": 0}
    assert record["factors"]["recovered"] == 1
    assert record["walks"]["walks"] > 10
    assert record["likelihood"]["bits_per_cell_fitted_prior"] > 0
    assert record["refined"]["object_f1"] >= record["test"]["object_f1"]
    assert (tmp_path / "evaluation" / "walks.png").is_file()


def test_it_is_evaluated_on_grids_of_another_size_and_more_objects(trained: Path, tmp_path: Path) -> None:
    write_corpus(tmp_path / "large.npz", "atomic", 60, 3, grid_size=30, min_objects=8, max_objects=8)
    record = run_job(
        "evaluate", f"ckpt_path={trained}/checkpoints/best.ckpt", f"data.path={tmp_path}/large.npz", "split=train",
        "importance_samples=2", folder=tmp_path / "evaluation",
    )  # fmt: skip
    with np.load(tmp_path / "evaluation" / "reconstructions.npz") as arrays:
        assert arrays["original"].shape == arrays["argmax"].shape == (48, 30, 30)
    assert record["left_out"]["grids"] > 40  # eight objects do not fit into six slots


def test_samples_and_a_loaded_model_draw_from_the_fitted_prior(trained: Path, tmp_path: Path) -> None:
    checkpoint = f"ckpt_path={trained}/checkpoints/best.ckpt"
    run_job("sample", checkpoint, "prior=objects", "prior.components=4", "num_samples=20", folder=tmp_path / "samples")
    codec = arcvae.load(trained, prior=tmp_path / "samples" / "prior.safetensors")
    assert isinstance(codec.code_prior, ObjectPrior)
    with np.load(tmp_path / "samples" / "samples.npz") as drawn:
        np.testing.assert_array_equal(codec.sample_codes(20, seed=0), drawn["z"])
    codes = codec.codes(codec.sample(3))
    assert codes.numbers.shape == (3, 6, 11)
