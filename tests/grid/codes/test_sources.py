"""Sources of codes: what each draws, leaves and records, and that its file in conf/prior says what it does."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from arcvae.errors import CheckpointError
from arcvae.grid.codes import sources
from arcvae.grid.codes.prior_files import load_prior
from arcvae.grid.codes.prior_training import independent_nats
from arcvae.grid.codes.quantization import LatentQuantizer
from arcvae.grid.codes.sampling import mixture_codes, normal_codes, posterior_codes, posterior_latents
from arcvae.grid.codes.sources import (
    AutoregressivePrior,
    CodeSource,
    FittedObjects,
    MixturePrior,
    NormalPrior,
    PosteriorCodes,
)
from arcvae.grid.corpus.data import GridDataModule
from arcvae.grid.models.base import GridModel
from arcvae.grid.models.beta_vae import BetaVAE
from arcvae.grid.models.objects import ObjectsVAE
from arcvae.grid.models.spatial import SpatialVAE
from arcvae.io.tensors import load_safetensors
from tests.grid.models.perfect import perfect_vae

CPU = torch.device("cpu")
CONFIGS = sorted((Path(__file__).parents[3] / "conf" / "prior").glob("*.yaml"))
SMALL = AutoregressivePrior(max_epochs=2, width=8, layers=1)


def flat() -> GridModel:
    return BetaVAE(latent_dim=3, widths=[4, 4, 4], hidden=8).eval()


def packed() -> GridModel:
    return SpatialVAE(latent_dim=8, width=8, patch_width=16, digits=4, levels=5).eval()


@pytest.fixture
def data(tiny_corpus: Path, tmp_path: Path) -> GridDataModule:
    return GridDataModule(
        str(tiny_corpus), cache_dir=str(tmp_path), batch_size=32, symmetries=True, permute_colors=True
    )


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_config_says_the_defaults_of_its_source(path: Path) -> None:
    node = yaml.safe_load(path.read_text())
    module, _, name = node.pop("_target_").rpartition(".")
    assert module == sources.__name__
    source = getattr(sources, name)(**{key: float(v) if key == "lr" else v for key, v in node.items()})
    assert isinstance(source, CodeSource)
    assert source == type(source)()
    assert set(node) == {field.name for field in dataclasses.fields(source)}
    assert source.description


def test_every_source_has_a_config() -> None:
    targets = {yaml.safe_load(path.read_text())["_target_"].rpartition(".")[2] for path in CONFIGS}
    assert targets == {source.__name__ for source in CodeSource.__subclasses__()}


@pytest.mark.parametrize("make", [flat, packed])
def test_sources_draw_what_their_functions_draw(make: Any, data: GridDataModule, tmp_path: Path) -> None:
    model, train = make(), data.splits["train"]
    expected = {
        NormalPrior(): normal_codes(20, model.latent_dim, 5),
        PosteriorCodes(): posterior_codes(model, train, 20, seed=5, device=CPU),
        MixturePrior(3): mixture_codes(model, train, 20, components=3, seed=5, device=CPU),
    }
    for source, codes in expected.items():
        drawn, fit = source.draw(model, data, 20, 5, tmp_path, CPU)
        assert np.array_equal(drawn, codes)
        assert drawn.dtype == np.float32
        assert fit is None
    assert not list(tmp_path.glob("*.safetensors"))


@pytest.mark.parametrize("make", [flat, packed])
def test_a_trained_prior_is_recorded_left_behind_and_drawn_from(
    make: Any, data: GridDataModule, tmp_path: Path
) -> None:
    model = make()
    drawn, fit = SMALL.draw(model, data, 20, 5, tmp_path, CPU)
    assert drawn.shape == (20, model.latent_dim)
    assert fit is not None
    assert len(fit["nats_per_code"]) == 2
    prior = load_prior(tmp_path / "prior.safetensors", model)
    assert np.array_equal(prior.codes(model, 20, 5).numpy(), drawn)
    # What it says of the validation split is what the prior that it left says, but for the noise of flat codes.
    tokens = prior.quantizer.tokens(
        posterior_latents(model, data.splits["val"], device=CPU, generator=torch.Generator().manual_seed(1))
    )
    with torch.no_grad():
        cost = -prior.log_prob(tokens).mean().item()
    assert min(fit["nats_per_code"]) == pytest.approx(cost, rel=0.1 if model.levels is None else 1e-4)
    again, no_fit = AutoregressivePrior(path=str(tmp_path / "prior.safetensors")).draw(
        model, data, 20, 5, tmp_path / "unused", CPU
    )
    assert np.array_equal(again, drawn)
    assert no_fit is None


def test_the_same_seed_trains_and_draws_the_same(data: GridDataModule, tmp_path: Path) -> None:
    model = packed()
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
    first, again, other = (
        SMALL.draw(model, data, 10, seed, tmp_path / name, CPU) for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert np.array_equal(first[0], again[0])
    assert not np.array_equal(first[0], other[0])
    one, two = (load_safetensors(tmp_path / name / "prior.safetensors")[0] for name in ("a", "b"))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_the_data_of_the_caller_keep_their_settings(data: GridDataModule, tmp_path: Path) -> None:
    AutoregressivePrior(max_epochs=1, width=8, layers=1, augment=False).draw(flat(), data, 2, 0, tmp_path, CPU)
    assert (data.batch_size, data.symmetries, data.permute_colors, data.trainer) == (32, True, True, None)


def test_a_prior_is_trained_on_augmented_grids_only_if_the_model_was(data: GridDataModule, tmp_path: Path) -> None:
    def nats(augment: bool, symmetries: bool, batch_size: int = 64) -> list[float]:
        data.symmetries, data.permute_colors = symmetries, False
        source = AutoregressivePrior(max_epochs=1, batch_size=batch_size, width=8, layers=1, augment=augment)
        fit = source.draw(model, data, 1, 0, tmp_path, CPU)[1]
        assert fit is not None
        found: list[float] = fit["nats_per_code"]
        return found

    model = packed()
    assert nats(augment=True, symmetries=False) == nats(augment=False, symmetries=False)
    assert nats(augment=False, symmetries=True) == nats(augment=False, symmetries=False)
    assert nats(augment=True, symmetries=True) != nats(augment=False, symmetries=True)
    assert nats(augment=True, symmetries=False, batch_size=16) != nats(augment=True, symmetries=False)


def test_independent_latents_are_the_figure_to_beat(data: GridDataModule, tmp_path: Path) -> None:
    model = packed()
    _, fit = SMALL.draw(model, data, 1, 5, tmp_path, CPU)
    quantizer, generator = LatentQuantizer.of(model), torch.Generator()
    train, val = (
        quantizer.tokens(posterior_latents(model, data.splits[split], device=CPU, generator=generator))
        for split in ("train", "val")
    )
    assert fit is not None
    assert fit["independent_nats_per_code"] == independent_nats(train, val, 5)


def test_latents_that_the_bins_do_not_hold_are_warned_of(
    data: GridDataModule, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = flat()
    with torch.no_grad():
        model.encoder.mu.bias += 9  # type: ignore[union-attr, operator, assignment]
    with caplog.at_level(logging.WARNING):
        AutoregressivePrior(max_epochs=1, width=8, layers=1).draw(model, data, 1, 0, tmp_path, CPU)
    assert "100 % of the latents are beyond 4" in caplog.text


def test_prior_of_another_model_is_refused(data: GridDataModule, tmp_path: Path) -> None:
    SMALL.draw(packed(), data, 1, 0, tmp_path, CPU)
    source = AutoregressivePrior(path=str(tmp_path / "prior.safetensors"))
    with pytest.raises(CheckpointError, match="is the prior of another model"):
        source.draw(packed(), data, 1, 0, tmp_path, CPU)


def test_objects_are_fitted_left_behind_and_drawn_from(data: GridDataModule, tmp_path: Path) -> None:
    model = perfect_vae(data.splits["train"])
    codes, fit = FittedObjects(components=5).draw(model, data, 30, 1, tmp_path, CPU)
    assert fit is not None
    assert fit["components"] == 5
    prior = load_prior(tmp_path / "prior.safetensors", model)
    np.testing.assert_array_equal(prior.codes(model, 30, 1).numpy(), codes)
    uniform, none = NormalPrior().draw(model, data, 30, 1, tmp_path, CPU)
    assert none is None
    np.testing.assert_array_equal(uniform, model.sample_prior(30, torch.Generator().manual_seed(1)).numpy())


def test_priors_for_another_kind_of_code_name_the_one_that_fits(data: GridDataModule, tmp_path: Path) -> None:
    objects = ObjectsVAE(width=8).eval()
    for source in (MixturePrior(), SMALL):
        with pytest.raises(CheckpointError, match="is not for codes of objects; use prior=objects"):
            source.draw(objects, data, 3, 0, tmp_path, CPU)
    with pytest.raises(CheckpointError, match="prior=objects is for models whose codes are objects"):
        FittedObjects().draw(flat(), data, 3, 0, tmp_path, CPU)
    assert list(tmp_path.glob("*.safetensors")) == []
