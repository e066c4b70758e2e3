"""The study of a model of grids: its files are what the model gives, and its figures add up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import arcvae
from arcvae.grid.analysis.likelihood import bits_per_cell, independent_bits, log_likelihoods
from arcvae.grid.analysis.study import study
from arcvae.grid.corpus.data import GridDataModule
from arcvae.grid.models.objects import ObjectsVAE
from arcvae.imbalance.logit_adjustment import log_prior
from tests.conftest import metrics, save_arrays
from tests.elsewhere import elsewhere
from tests.grid.test_module import make, trainer_for


@pytest.fixture
def saved(evaluated: Path) -> dict[str, Any]:
    with np.load(evaluated / "reconstructions.npz", allow_pickle=False) as arrays:
        return dict(arrays)


def test_reconstructions_are_those_of_the_loaded_codec_bit_for_bit(
    saved: dict[str, Any], run_folder: Path, tiny_corpus: Path
) -> None:
    assert (saved["original"] == np.load(tiny_corpus, allow_pickle=False)["test"]).all()
    for path in (run_folder, run_folder / "vae_best.safetensors", run_folder / "checkpoints" / "best.ckpt"):
        codec = arcvae.load(path)
        mu, _ = codec.encode(saved["original"])
        assert (codec.decode(mu) == saved["argmax"]).all()
        assert (mu == saved["mu"]).all()
    codec = arcvae.load(run_folder)
    assert (codec.reconstruct(saved["original"], decision="adjusted") == saved["adjusted"]).all()
    halves = arcvae.load(run_folder / "encoder.pth"), arcvae.load(run_folder / "decoder.safetensors")
    assert (halves[1].decode(halves[0].encode(saved["original"])[0]) == saved["argmax"]).all()


def test_refined_metrics_are_those_of_refined_codes(evaluated: Path, run_folder: Path, saved: dict[str, Any]) -> None:
    record, grids = metrics(evaluated), saved["original"]
    refined = record["refined"]
    decoded = arcvae.load(run_folder).reconstruct(grids, refine=3)
    hits = ((decoded == grids) & (grids > 0)).sum()
    assert refined["object_f1"] == pytest.approx(2 * hits / ((decoded > 0).sum() + (grids > 0).sum()))
    assert refined["pixel_accuracy"] == pytest.approx((decoded == grids).mean())
    assert refined["rounds"] == 3
    assert refined["by_objects"].keys() == record["by_objects"].keys()


def test_errors_by_number_of_objects_add_up_to_those_of_the_split(evaluated: Path) -> None:
    record = metrics(evaluated)
    rows = record["by_objects"].values()
    assert sum(row["share"] for row in rows) == pytest.approx(1)
    exact = sum(row["share"] * row["exact_match"] for row in rows)
    assert exact == pytest.approx(record["test"]["exact_match"])
    wrong = sum(row["share"] * (row["left_out"] + row["added"] + row["recolored"]) for row in rows)
    assert wrong / 256 == pytest.approx(1 - record["test"]["pixel_accuracy"])


def test_likelihood_is_that_of_both_decoders_beside_independent_cells(evaluated: Path, run_folder: Path) -> None:
    found, record = metrics(evaluated)["likelihood"], metrics(run_folder)
    grids = torch.from_numpy(np.load(evaluated / "reconstructions.npz", allow_pickle=False)["original"])
    adjustment = record["logit_adjustment"]
    prior = log_prior(adjustment["class_counts"])
    bounds = log_likelihoods(
        arcvae.load(run_folder).model, grids, samples=4, adjustments=[(prior, 0.0), (prior, adjustment["tau"])],
        generator=torch.Generator().manual_seed(0),
    )  # fmt: skip
    bits = [bits_per_cell(bound, 256)[0] for bound in bounds]
    assert found["bits_per_cell"] == pytest.approx(bits[0], rel=1e-5)
    assert found["bits_per_cell_adjusted"] == pytest.approx(bits[1], rel=1e-5)
    counts = torch.bincount(grids.flatten().long(), minlength=10).tolist()
    trivial = independent_bits(adjustment["class_counts"], counts)
    assert found["bits_per_cell_of_independent_cells"] == pytest.approx(trivial)
    assert (found["grids"], found["importance_samples"]) == (24, 4)


@pytest.mark.slow
def test_limit_bounds_what_is_looked_at_and_nothing_is_refined_unasked(tiny_corpus: Path, tmp_path: Path) -> None:
    module, data = make(), GridDataModule(str(tiny_corpus), cache_dir=str(tmp_path))
    trainer_for(tmp_path).test(module, data.evaluation_loader("val", 4), verbose=False)
    words: dict[str, Any] = {"adjustment": {"tau": 0.1, "class_counts": [90, *[1] * 9]}, "seed": 0}
    results = module.results["test"]
    found = study(module, data, "val", results, limit=4, folder=tmp_path, importance_samples=1, **words)
    with np.load(tmp_path / "reconstructions.npz", allow_pickle=False) as arrays:
        assert (arrays["original"] == data.corpus.val[:4]).all()
    assert found["likelihood"]["grids"] == 4
    assert "refined" not in found


@pytest.mark.slow
def test_study_finds_the_same_wherever_the_model_is(tiny_corpus: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    module, data = make(model=ObjectsVAE(width=8)), GridDataModule(str(tiny_corpus), cache_dir=str(tmp_path))
    trainer_for(tmp_path).test(module, data, verbose=False)
    words: dict[str, Any] = {"adjustment": {"tau": 0.1, "class_counts": [90, *[1] * 9]}, "seed": 0, "limit": 4}
    words |= {"folder": tmp_path, "importance_samples": 2, "refine": 1}
    here = study(module, data, "test", module.results["test"], **words)
    assert "bits_per_cell_fitted_prior" in here["likelihood"]
    with elsewhere() as device:
        there = study(module.to(device), data, "test", module.results["test"], **words)
    for found in (here, there):
        del found["refined"]["seconds"]
    assert str(there) == str(here)  # NaN as well


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 2])
def test_very_few_grids_are_studied_too(tmp_path: Path, count: int) -> None:
    grids = np.zeros((count, 16, 16), np.uint8)
    data = GridDataModule(str(save_arrays(tmp_path / "few.npz", test=grids)), cache_dir=str(tmp_path))
    module = make()
    trainer_for(tmp_path).test(module, data, verbose=False)
    words: dict[str, Any] = {"adjustment": {"tau": 0.0, "class_counts": [1] * 10}, "seed": 0, "limit": 9}
    study(module, data, "test", module.results["test"], folder=tmp_path, importance_samples=1, **words)
    pictures = {path.stem for path in tmp_path.glob("*.png")}
    expected = {"reconstructions", "kl_per_dimension", "codes", "traversals"}
    assert pictures == expected | ({"interpolations"} if count > 1 else set())
