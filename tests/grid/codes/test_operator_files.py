"""Operators as files: the same after saving, and refused where they do not fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from arcvae.errors import CheckpointError
from arcvae.grid.codes.companions import weights_digest
from arcvae.grid.codes.operator_files import load_operators, save_operators
from arcvae.grid.codes.operators import ShapeOperators
from arcvae.grid.models.beta_vae import BetaVAE
from arcvae.grid.models.objects import ObjectsVAE
from arcvae.io.tensors import load_safetensors, save_safetensors


@pytest.fixture
def saved(tmp_path: Path) -> tuple[Path, ObjectsVAE, ShapeOperators]:
    model, path = ObjectsVAE(width=8), tmp_path / "operators.safetensors"
    operators = ShapeOperators(model, width=16, blocks=1).half().float()  # as training leaves them
    save_operators(path, operators, model)
    return path, model, operators


def test_operators_are_the_same_after_saving(saved: tuple[Path, ObjectsVAE, ShapeOperators]) -> None:
    path, model, operators = saved
    again = load_operators(path, model)
    z, parity, change = torch.randn(5, 8), torch.tensor([0, 1, 2, 3, 3]), torch.arange(5)
    assert torch.equal(again.change(z, parity, change).shapes, operators.change(z, parity, change).shapes)
    assert not again.training
    assert again.sizes == {"width": 16, "blocks": 1}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"part": "prior"}, r"holds no operators; give operators\.safetensors of arcvae\.operate"),
        ({"format": 2}, "has format 2, this arcvae knows 1; update arcvae"),
        ({"operators": {"width": 8}}, "blocks=null must be"),
        ({"operators": {"width": 10**9, "blocks": 1}}, "width=1000000000"),
        ({"operators": {"width": 8, "blocks": 1}}, "has shape"),
        ({"decoder_sha256": "0"}, "holds the operators of another model; make some for this with arcvae.operate"),
    ],
)
def test_files_that_do_not_fit_are_refused(
    saved: tuple[Path, ObjectsVAE, ShapeOperators], changes: dict[str, Any], message: str
) -> None:
    path, model, _ = saved
    tensors, facts = load_safetensors(path)
    save_safetensors(path, tensors, facts | changes)
    with pytest.raises(CheckpointError, match=message):
        load_operators(path, model)


def test_operators_of_another_model_are_refused(saved: tuple[Path, ObjectsVAE, ShapeOperators]) -> None:
    for other in (ObjectsVAE(width=8), BetaVAE()):
        with pytest.raises(CheckpointError, match="holds the operators of another model"):
            load_operators(saved[0], other)


def test_operators_are_built_for_codes_of_objects_alone_whatever_a_file_says(
    saved: tuple[Path, ObjectsVAE, ShapeOperators],
) -> None:
    path, other = saved[0], BetaVAE()
    tensors, facts = load_safetensors(path)
    save_safetensors(path, tensors, facts | {"decoder_sha256": weights_digest(other.decoder)})
    with pytest.raises(CheckpointError, match="holds the operators of another model"):
        load_operators(path, other)
