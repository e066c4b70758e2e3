"""Draws from a model: decoded, scored and written as they were drawn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from arcvae.grid.analysis.drawing import draw_grids
from arcvae.grid.analysis.validity import Reference
from arcvae.grid.codec import Codec
from arcvae.grid.codes.sources import AutoregressivePrior, NormalPrior, PosteriorCodes
from arcvae.grid.corpus.data import GridDataModule
from arcvae.grid.models.base import GridModel
from arcvae.grid.models.beta_vae import BetaVAE

SETTINGS = {"num_samples": 30, "seed": 3, "max_objects": None}


@pytest.fixture
def data(tiny_corpus: Path, tmp_path: Path) -> GridDataModule:
    return GridDataModule(str(tiny_corpus), cache_dir=str(tmp_path))


@pytest.fixture
def model() -> GridModel:
    return BetaVAE(latent_dim=3, widths=[4, 4, 4], hidden=8).eval()


def saved(folder: Path) -> dict[str, Any]:
    with np.load(folder / "samples.npz", allow_pickle=False) as arrays:
        return dict(arrays)


def test_grids_are_those_that_the_codes_of_the_source_decode_to(
    model: GridModel, data: GridDataModule, tmp_path: Path
) -> None:
    found = draw_grids(model, data, SETTINGS, NormalPrior(), tmp_path, None)
    arrays = saved(tmp_path)
    codes, _ = NormalPrior().draw(model, data, 30, 3, tmp_path, torch.device("cpu"))
    assert np.array_equal(arrays["z"], codes)
    assert np.array_equal(arrays["samples"], Codec(model).decode(codes))
    reference = Reference.of(data.splits["train"].numpy())
    assert found["scores"]["samples"] == reference.score(arrays["samples"], 3)
    assert found["fit"] is None
    assert (tmp_path / "samples.png").stat().st_size > 2000


def test_few_valid_grids_name_a_better_prior(
    model: GridModel, data: GridDataModule, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    valid = draw_grids(model, data, SETTINGS, NormalPrior(), tmp_path, None)["scores"]["samples"]["valid"]
    assert valid < 0.5  # of a model that has learned nothing
    assert "codes do not follow N(0, I); a prior that learns them is prior=autoregressive" in caplog.text
    caplog.clear()
    draw_grids(model, data, SETTINGS, PosteriorCodes(), tmp_path, None)
    assert "prior=" not in caplog.text


def test_adjustment_decides_if_there_is_one(model: GridModel, data: GridDataModule, tmp_path: Path) -> None:
    adjustment = {"tau": 1.0, "class_counts": [10**6, *[1] * 9]}
    draw_grids(model, data, SETTINGS, NormalPrior(), tmp_path, adjustment)
    arrays = saved(tmp_path)
    decoded = Codec(model, logit_adjustment=adjustment).decode(arrays["z"], "adjusted")
    assert np.array_equal(arrays["samples"], decoded)
    assert not np.array_equal(decoded, Codec(model).decode(arrays["z"]))


def test_scores_stand_between_those_of_real_and_of_empty_grids(
    model: GridModel, data: GridDataModule, tmp_path: Path
) -> None:
    found = draw_grids(model, data, SETTINGS | {"num_samples": 10}, PosteriorCodes(), tmp_path, None)
    assert found["real_grids"] == 10
    assert found["scores"]["real"]["valid"] == 1
    assert found["scores"]["real"]["distinct"] == 1
    assert found["scores"]["all-background"]["valid"] == 0
    assert found["scores"]["all-background"]["colored_cells"] == 0
    # Of 24 test grids no more than 24 are scored.
    assert draw_grids(model, data, SETTINGS, PosteriorCodes(), tmp_path, None)["real_grids"] == 24
    # No grid has more objects than a single one allows.
    found = draw_grids(model, data, SETTINGS | {"max_objects": 1}, PosteriorCodes(), tmp_path, None)
    assert 0 < found["scores"]["real"]["valid"] < 1


def test_fit_of_a_prior_is_handed_on(model: GridModel, data: GridDataModule, tmp_path: Path) -> None:
    source = AutoregressivePrior(max_epochs=1, width=8, layers=1)
    found = draw_grids(model, data, SETTINGS, source, tmp_path, None)
    assert len(found["fit"]["nats_per_code"]) == 1
    assert (tmp_path / "prior.safetensors").is_file()
