"""What lies beside a model: the same after saving, with its model in the file, and never built for another."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from arcvae.errors import CheckpointError
from arcvae.grid.codes.companions import load_companion, save_companion, weights_digest
from arcvae.grid.models.beta_vae import BetaVAE
from arcvae.io.tensors import load_safetensors


def test_digest_depends_on_every_weight_and_its_name() -> None:
    one = torch.nn.Linear(3, 2)
    same = torch.nn.Linear(3, 2)
    same.load_state_dict(one.state_dict())
    assert weights_digest(one) == weights_digest(same) != weights_digest(torch.nn.Sequential(one))
    with torch.no_grad():
        same.bias[1] += 1e-6
    assert weights_digest(one) != weights_digest(same)


def test_companion_is_the_same_after_saving_and_nothing_is_built_for_another_model(tmp_path: Path) -> None:
    model, other = (BetaVAE(latent_dim=2, widths=[4, 4, 4], hidden=8) for _ in range(2))
    path, one, built = tmp_path / "x.safetensors", torch.nn.Linear(3, 2), []

    def build(sizes: Mapping[str, Any]) -> torch.nn.Linear:
        built.append(sizes)
        return torch.nn.Linear(**sizes)

    save_companion(path, "line", one.state_dict(), {"in_features": 3, "out_features": 2}, model)
    _, facts = load_safetensors(path)
    assert (facts["part"], facts["decoder_sha256"]) == ("line", weights_digest(model.decoder))
    words = {"wrong": "holds no line", "foreign": "is that of another model"}
    for part, whose, message in (("curve", model, "x.safetensors holds no line"), ("line", other, "of another model")):
        with pytest.raises(CheckpointError, match=message):
            load_companion(path, part, build, whose, **words)
    assert built == []
    again = load_companion(path, "line", build, model, **words)
    assert torch.equal(again.weight, one.weight)
    assert not again.training
