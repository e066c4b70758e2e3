"""Priors as files: the same after saving, and refused where they do not fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from arcvae.errors import CheckpointError
from arcvae.grid.codes.object_prior import ObjectPrior
from arcvae.grid.codes.prior_files import load_prior, save_prior
from arcvae.grid.codes.quantization import LatentQuantizer
from arcvae.grid.models.objects import ObjectsVAE
from arcvae.io.tensors import load_safetensors, save_safetensors
from tests.grid.codes.test_prior import packed_model, prior_of


def test_prior_is_the_same_after_saving(tmp_path: Path) -> None:
    model = packed_model()
    prior = prior_of(LatentQuantizer.of(model), scale=0.3)
    save_prior(tmp_path / "prior.safetensors", prior, model)
    again = load_prior(tmp_path / "prior.safetensors", model)
    tokens = torch.randint(0, 5, (3, 16, 2))
    assert torch.equal(again.log_prob(tokens), prior.log_prob(tokens))
    assert not again.training


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"part": "decoder"}, "is not a prior of codes"),
        ({"format": 2}, "has format 2, this arcvae knows 1; update arcvae"),
        ({"prior": {"width": 8}}, "layers=null must be"),
        ({"prior": {"width": 10**9, "layers": 1}}, "width=1000000000"),
        ({"prior": {"width": 10, "layers": 1}}, "width=10 must be divisible by 4, the heads of attention"),
        ({"prior": {"width": 16, "layers": 1}}, "has shape"),
        ({"decoder_sha256": "0"}, "is the prior of another model"),
    ],
)
def test_files_that_do_not_fit_are_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    model, path = packed_model(), tmp_path / "prior.safetensors"
    save_prior(path, prior_of(LatentQuantizer.of(model)), model)
    tensors, facts = load_safetensors(path)
    save_safetensors(path, tensors, facts | changes)
    with pytest.raises(CheckpointError, match=message):
        load_prior(path, model)


def test_prior_of_another_decoder_is_refused(tmp_path: Path) -> None:
    model = packed_model()
    save_prior(tmp_path / "prior.safetensors", prior_of(LatentQuantizer.of(model)), model)
    with pytest.raises(CheckpointError, match="of another model; make one for this"):
        load_prior(tmp_path / "prior.safetensors", packed_model())


def random_prior(model: ObjectsVAE, components: int) -> ObjectPrior:
    prior = ObjectPrior(model.slots, model.num_colors, model.shape_numbers, components)
    for name, buffer in prior.named_buffers():
        buffer.copy_(torch.rand_like(buffer) if name == "variances" else torch.randn_like(buffer))
    return prior.eval()


def test_prior_of_objects_is_the_same_after_saving(tmp_path: Path) -> None:
    model, path = ObjectsVAE(width=8), tmp_path / "prior.safetensors"
    prior = random_prior(model, 3)
    save_prior(path, prior, model)
    again = load_prior(path, model)
    assert isinstance(again, ObjectPrior)
    for name, buffer in prior.named_buffers():
        assert torch.equal(again.get_buffer(name), buffer)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"components": 4}, "has shape"),
        ({"components": 10**9}, "components=1000000000"),
        ({}, "components=null must be"),
    ],
)
def test_priors_of_objects_that_do_not_fit_are_refused(tmp_path: Path, sizes: dict[str, int], message: str) -> None:
    model, path = ObjectsVAE(width=8), tmp_path / "prior.safetensors"
    save_prior(path, random_prior(model, 3), model)
    tensors, facts = load_safetensors(path)
    save_safetensors(path, tensors, facts | {"prior": sizes})
    with pytest.raises(CheckpointError, match=message):
        load_prior(path, model)
