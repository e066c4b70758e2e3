"""Which models a file may name, and what it may say of them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import arcvae.grid.models
from arcvae.errors import CheckpointError
from arcvae.grid.models import build_model, model_class
from arcvae.grid.models.base import GridModel
from arcvae.grid.models.beta_vae import BetaVAE

BETA = {"_target_": "arcvae.grid.models.beta_vae.BetaVAE"}
FILE = Path("some.pth")


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "torch.nn.Linear",
        "arcvae.grid.models",
        "arcvae.grid.models.beta_vae",
        "arcvae.grid.models.beta_vae.ConvEncoder",  # a network, but not a model
        "arcvae.grid.models.beta_vae.bottom_size",
        "arcvae.grid.models.beta_vae.GridModel",  # known there, but defined elsewhere
        "arcvae.grid.models.base.GridModel",
        "arcvae.grid.models.BetaVAE",
        "arcvae.grid.models.beta_vae.BetaVAE.__init__",
        "arcvae.grid.models.beta_vae.BetaVAE\n",
        "arcvae.grid.models.beta_vae.nn.Module",
        "arcvae.grid.models..beta_vae.BetaVAE",
        "arcvae.grid.models.missing.Model",
        "xarcvae.grid.models.beta_vae.BetaVAE",
        "arcvae/grid/models/beta_vae/BetaVAE",
        "",
    ],
)
def test_nothing_but_a_model_of_the_package_can_be_named(target: str) -> None:
    assert model_class(target) is None
    with pytest.raises(CheckpointError, match="which is not arcvae's; give the class"):
        build_model({"_target_": target}, FILE)


def test_names_import_nothing_outside_the_package_of_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "hostile.py").write_text("raise SystemExit")
    monkeypatch.syspath_prepend(str(tmp_path))
    for target in ("hostile.Model", "arcvae.grid.models.hostile.Model", "arcvae.grid.corpus.data.GridDataModule"):
        assert model_class(target) is None
    assert "hostile" not in sys.modules


NEW_MODEL = """
import torch
from torch import nn
from arcvae.grid.models.base import GridModel
from arcvae.grid.models.layers import one_hot


class Encoder(nn.Linear):
    def forward(self, grids):
        features = super().forward(one_hot(grids, 10).flatten(1))
        return features, torch.zeros_like(features)


class LinearVAE(GridModel):
    def __init__(self, latent_dim=3, num_colors=10, grid_size=16, scale=1.0):
        super().__init__(latent_dim, num_colors, grid_size)
        cells = num_colors * grid_size**2
        self.encoder = Encoder(cells, latent_dim)
        self.decoder = nn.Sequential(nn.Linear(latent_dim, cells), nn.Unflatten(1, (num_colors, grid_size, grid_size)))
"""


def test_a_module_in_the_package_is_all_that_a_new_model_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "linear.py").write_text(NEW_MODEL)
    monkeypatch.setattr(arcvae.grid.models, "__path__", [*arcvae.grid.models.__path__, str(tmp_path)])
    try:
        config = {"_target_": "arcvae.grid.models.linear.LinearVAE", "latent_dim": 2, "scale": 0.5}
        model = build_model(config, FILE)
        assert model(torch.zeros(1, 16, 16, dtype=torch.uint8)).shape == (1, 10, 16, 16)
        with pytest.raises(CheckpointError, match=r"model\.scale=10000000000 must be"):
            build_model({**config, "scale": 10**10}, FILE)
    finally:
        sys.modules.pop("arcvae.grid.models.linear", None)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"latent_dim": 10**9}, r"model\.latent_dim=1000000000 must be a whole number"),
        ({"latent_dim": "4"}, r"model\.latent_dim=4 must be"),
        ({"widths": [10**9]}, r"model\.widths=\[1000000000\] has an item"),
        ({"widths": {"a": 1}}, "must be a list"),
        ({"num_colors": 11}, r"model\.num_colors=11 must be 10"),
        ({"grid_size": 10}, "grid of size 10 cannot be halved"),
        ({"depth": 3}, "unexpected keyword argument 'depth'"),
        ({"depth": 10**12}, r"model\.depth=1000000000000 must be"),
        ({"depth": {"_target_": "os.system"}}, r"model\.depth="),
    ],
)
def test_values_that_a_model_cannot_have_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(CheckpointError, match=rf"some\.pth describes a model that cannot be built: .*{message}"):
        build_model(BETA | values, FILE)


class Foreign(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x


def test_class_of_the_user_goes_before_the_one_named_and_must_be_a_grid_model() -> None:
    class Mine(BetaVAE):
        pass

    assert type(build_model({"_target_": "mine.Model", "latent_dim": 2}, FILE, Mine)) is Mine
    assert type(build_model(BETA | {"latent_dim": 2}, FILE, Mine)) is Mine
    with pytest.raises(CheckpointError, match="Foreign is not a GridModel; derive it from"):
        build_model({"_target_": "mine.Foreign"}, FILE, Foreign)  # type: ignore[arg-type]
    assert issubclass(Mine, GridModel)
