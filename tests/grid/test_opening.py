"""Exports of models of grids become codecs, and what holds no codes is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from arcvae.errors import CheckpointError
from arcvae.grid.codec import Codec
from arcvae.grid.codes.object_prior import ObjectPrior
from arcvae.grid.codes.prior_files import OF_RUN, save_prior
from arcvae.grid.corpus.generator import generate_grids
from arcvae.grid.models.base import GridModel
from arcvae.grid.models.beta_vae import BetaVAE
from arcvae.grid.models.objects import ObjectsVAE
from arcvae.grid.opening import load_codec


def export_of(model: GridModel, part: str = "vae_best") -> dict[str, Any]:
    """What :func:`arcvae.io.exports.read_export` returns for a model."""
    network: torch.nn.Module = model if part == "vae_best" else getattr(model, part)
    values = {"_target_": "arcvae.grid.models.beta_vae.BetaVAE", "latent_dim": 3, "widths": [4, 4, 4], "hidden": 8}
    adjustment = {"tau": 0.25, "class_counts": [91, *[1] * 9]}
    return {"part": part, "model": values, "state_dict": network.state_dict(), "logit_adjustment": adjustment}


def test_codec_of_an_export_is_that_of_its_model() -> None:
    model = BetaVAE(latent_dim=3, widths=[4, 4, 4], hidden=8)
    codec = load_codec(export_of(model), Path("x.pth"))
    grids, _ = generate_grids("atomic", 5, seed=0)
    mu, _ = codec.encode(grids)
    assert np.array_equal(mu, Codec(model).encode(grids)[0])
    assert (codec.tau, codec.part) == (0.25, "vae_best")
    expected = torch.log(torch.tensor([0.91, *[0.01] * 9]))
    assert codec.log_prior is not None
    torch.testing.assert_close(codec.log_prior, expected)
    assert load_codec(export_of(model) | {"logit_adjustment": None}, Path("x.pth")).log_prior is None


def test_export_that_holds_no_codes_is_refused() -> None:
    model = BetaVAE(latent_dim=3, widths=[4, 4, 4], hidden=8)
    with pytest.raises(CheckpointError, match=r"x\.pth holds a classifier, which has no codes"):
        load_codec(export_of(model) | {"part": "classifier"}, Path("x.pth"))
    with pytest.raises(CheckpointError, match=r"holds only the encoder and has no use for a prior; load vae_best\.pth"):
        load_codec(export_of(model, "encoder"), Path("x.pth"), prior="prior.safetensors")
    with pytest.raises(CheckpointError, match="holds only the encoder and has no use for operators; load vae_best"):
        load_codec(export_of(model, "encoder"), Path("x.pth"), operators="operators.safetensors")
    with pytest.raises(CheckpointError, match="does not fit its architecture"):
        load_codec(export_of(model) | {"state_dict": {}}, Path("x.pth"))


def test_codec_of_a_run_draws_from_the_prior_that_was_fitted_at_its_end(tmp_path: Path) -> None:
    model, other = ObjectsVAE(width=8), ObjectsVAE(width=8)
    save_prior(tmp_path / OF_RUN, ObjectPrior(6, 10, 8, 2), model)

    def open_one(network: ObjectsVAE) -> Codec:
        values = {"_target_": "arcvae.grid.models.objects.ObjectsVAE", "width": 8}
        return load_codec(export_of(network) | {"model": values}, tmp_path / "vae_best.pth")

    assert isinstance(open_one(model).code_prior, ObjectPrior)
    assert open_one(other).code_prior is None  # that of other weights
    (tmp_path / OF_RUN).write_bytes(b"damaged")
    assert open_one(model).code_prior is None
