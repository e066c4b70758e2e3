"""What the grid task says of its results and models: active dimensions, verdicts, findings, notes and exports."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from arcvae.errors import ConfigError, DataError
from arcvae.grid.corpus.data import GridDataModule
from arcvae.grid.models.beta_vae import BetaVAE
from arcvae.grid.models.objects import ObjectsVAE
from arcvae.grid.models.spatial import SpatialVAE
from arcvae.grid.task import GridTask
from arcvae.imbalance.losses import make_loss
from arcvae.training.evaluation import assess
from tests.conftest import save_arrays
from tests.grid.test_module import GRIDS, make, trainer_for

TASK = GridTask()
ALIVE: dict[str, Any] = {
    "predicted_background_share": 0.9, "object_recall": 0.8, "object_precision": 0.8, "pixel_accuracy": 0.95,
    "exact_match": 0.5, "kl_per_dim": [5.0] * 4, "kl": 20.0,
}  # fmt: skip


def test_names_are_those_of_the_field() -> None:
    assert TASK.rename({"accuracy": 0.5, "object_f1": 0.1}) == {"pixel_accuracy": 0.5, "object_f1": 0.1}
    assert set(TASK.further_names) <= set(make().result_names())
    assert set(TASK.headline) <= set(make().result_names())


def test_a_model_of_another_kind_is_refused_with_the_class_to_derive_it_from() -> None:
    with pytest.raises(TypeError, match=r"Linear of model\._target_ is not a subclass of arcvae\.grid\.models"):
        TASK.build_module(torch.nn.Linear(2, 2), None, None, None, seed=0)


def test_corpus_is_checked_against_the_model(tiny_corpus: Path, tmp_path: Path) -> None:
    data = {"path": str(tiny_corpus), "max_bytes": 1e9}
    TASK.check_corpus(data, {"grid_size": 16})
    TASK.check_corpus(data, {"grid_size": None})
    with pytest.raises(ConfigError, match=rf"model.grid_size=8 but {tiny_corpus} has 16; set it to that"):
        TASK.check_corpus(data, {"grid_size": 8})
    # Setting it to 16 would lead to the next refusal.
    deep = {"_target_": "arcvae.grid.models.beta_vae.BetaVAE", "grid_size": 32, "widths": [8] * 6}
    with pytest.raises(
        ConfigError, match=r"has 16; this model cannot: model.grid_size=16: .*take a multiple of 32, or fewer widths; "
    ):
        TASK.check_corpus(data, deep)
    bad = save_arrays(tmp_path / "bad.npz", val=np.full((2, 16, 16), 77, np.uint8))
    with pytest.raises(DataError, match=r"val\[0, 0, 0\] is 77"):
        TASK.check_corpus(data | {"path": str(bad)}, {})


def test_active_dimensions_carry_more_than_a_twentieth_of_a_nat() -> None:
    found = TASK.further_results({"kl_per_dim": [0.0, 0.04, 0.06, 3.0]}, make(0.25))
    assert found == {"active_dims": 2, "beta": 0.25}
    assert TASK.further_results({"object_f1": 0.5}, make()) == {}
    # The KL of packed codes is the same for any grid; their variance is not.
    packed = {"kl_per_dim": [9.0] * 4, "code_variance": [0.0, 0.005, 0.02, 1.0]}
    assert TASK.further_results(packed, make())["active_dims"] == 2


def test_trivial_predictor_has_an_empty_code() -> None:
    assert TASK.trivial_results(make()) == {"kl": 0.0, "kl_per_dim": [0.0] * 4, "active_dims": 0}


def test_verdict_names_both_collapses() -> None:
    module = make()
    black = ALIVE | {"predicted_background_share": 1.0, "object_recall": 0.0, "kl_per_dim": [1.0, 0.0, 0.0, 0.0]}
    assert TASK.verdict(black, module) == {
        "mode_collapse": True, "predicted_background_share": 1.0, "object_recall": 0.0,
        "posterior_collapse": True, "active_dims": 1, "latent_dim": 4,
    }  # fmt: skip
    edge = ALIVE | {"predicted_background_share": 0.995, "object_recall": 0.06, "kl_per_dim": [1.0, 1.0, 0.0, 0.0]}
    verdict = TASK.verdict(edge, module)
    assert verdict["mode_collapse"] is verdict["posterior_collapse"] is False


def named(results: dict[str, Any], **settings: Any) -> list[str]:
    """Names of the findings on some results."""
    _, findings = assess(make(**settings), ALIVE | results)
    return [finding.name for finding in findings]


def test_findings_name_what_is_wrong_and_only_that() -> None:
    assert named({}) == []
    assert named({"predicted_background_share": 1.0, "object_recall": 0.0}) == ["mode collapse"]
    assert named({"kl_per_dim": [1.0, 0.0, 0.0, 0.0]}) == ["posterior collapse"]
    assert named({"object_recall": 0.9, "object_precision": 0.3}) == ["over-painting"]
    both = {"object_recall": 0.3, "object_precision": 0.9, "kl_per_dim": [0.0, 0.0, 0.0, 0.0]}
    assert named(both) == ["omission", "posterior collapse"]


def test_code_that_says_nothing_is_not_blamed_on_a_reduction_that_changes_nothing() -> None:
    module = make(0.5)
    module.loss = make_loss("dice", reduction="mean")
    _, (finding,) = assess(module, ALIVE | {"kl_per_dim": [0.0] * 4, "kl": 0.0})
    assert finding.cause.startswith("a beta of 0.5 against nats per grid, ")
    assert "mean over cells" not in finding.cause
    assert "loss.reduction" not in finding.remedy


@pytest.mark.parametrize("collapsed", [True, False])
def test_collapse_of_packed_codes_is_found_although_their_rate_never_changes(
    tmp_path: Path, tiny_corpus: Path, collapsed: bool
) -> None:
    model = SpatialVAE(8, width=4, patch_width=8, digits=4)
    if collapsed:
        torch.nn.init.zeros_(model.encoder.latents.mu.weight)  # type: ignore[union-attr,arg-type]
    module = make(0.1, model=model)
    trainer_for(tmp_path).test(module, GridDataModule(str(tiny_corpus), cache_dir=str(tmp_path)), verbose=False)
    results: dict[str, Any] = module.results["test"]
    assert results["kl"] == pytest.approx(8 * (4 * math.log(8) - 0.176), abs=0.01)
    assert (results["active_dims"] == 0) if collapsed else (results["active_dims"] > 4)
    verdict, findings = assess(module, results)
    assert verdict["posterior_collapse"] is collapsed
    assert ("posterior collapse" in [finding.name for finding in findings]) is collapsed
    assert not collapsed or "vary over grids" in findings[-1].evidence


@pytest.mark.parametrize("collapsed", [True, False])
def test_collapse_of_shapes_is_found_although_places_and_colours_always_say_something(
    tmp_path: Path, tiny_corpus: Path, collapsed: bool
) -> None:
    model = ObjectsVAE(width=8)
    last = model.encoder.shape.network[-1]
    assert isinstance(last, torch.nn.Linear)
    if collapsed:
        torch.nn.init.zeros_(last.weight)
        torch.nn.init.zeros_(last.bias)
    module = make(0.1, model=model)
    trainer_for(tmp_path).test(module, GridDataModule(str(tiny_corpus), cache_dir=str(tmp_path)), verbose=False)
    results: dict[str, Any] = module.results["test"]
    assert results["active_dims"] == (0 if collapsed else 8)
    verdict, findings = assess(module, results)
    assert verdict["posterior_collapse"] is collapsed
    assert (verdict["active_dims"], verdict["latent_dim"]) == (0 if collapsed else 8, 8)
    evidence = [finding.evidence for finding in findings if finding.name == "posterior collapse"]
    assert len(evidence) == collapsed
    assert not collapsed or evidence[0].startswith("0 of 8 numbers of a shape carry more than 0.05 nats")
    bits = {"": 0.9, "_standard_error": 0.01, "_of_independent_cells": 0.58}
    dear = results | {"likelihood": {f"bits_per_cell{name}": value for name, value in bits.items()}}
    (remedy,) = [finding.remedy for finding in assess(module, dear)[1] if finding.name == "no density"]
    assert "prior=objects of arcvae.sample" in remedy


@pytest.mark.parametrize(
    ("beta", "reduction", "weights", "warns"),
    [
        (0.1, "mean", [1.0] * 10, True),  # as strong as in the run that collapsed
        (0.05, "mean", [1.0] * 10, False),
        (2.0, "sum", [1.0] * 10, False),
        (1.0, "sum", None, True),  # unweighted, objects mean too little to survive it
        (0.1, "sum", None, False),
    ],
)
def test_warning_where_runs_collapsed_before(
    tiny_corpus: Path, tmp_path: Path, beta: float, reduction: str, weights: list[float] | None, warns: bool
) -> None:
    data = GridDataModule(str(tiny_corpus), cache_dir=str(tmp_path))
    notes = TASK.notes(make(beta, reduction=reduction, weights=weights), data)
    assert any(line.startswith("WARNING") for line in notes) == warns
    assert f": {beta * (256 if reduction == 'mean' else 1):g} against nats per grid" in notes[0]


def test_notes_speak_of_overfit_mode_and_of_free_nats(tiny_corpus: Path, tmp_path: Path) -> None:
    data = GridDataModule(str(tiny_corpus), overfit_grids=8, cache_dir=str(tmp_path))
    notes = TASK.notes(make(), data)
    assert notes[0].startswith("Overfit mode: 8 training grids")
    assert any("overfit mode without class weights" in line for line in notes)
    assert not any("without class weights" in line for line in TASK.notes(make(weights=[1.0] * 10), data))
    floor = TASK.notes(make(free_nats=0.5), GridDataModule(str(tiny_corpus), cache_dir=str(tmp_path)))
    assert any(line.startswith("KL floor: 2 nats per grid") for line in floor)  # 4 dimensions of 0.5


def test_exports_rebuild_the_networks() -> None:
    module = make()
    exports = TASK.exports(module)
    assert set(exports) == {"encoder", "decoder", "vae_best"}
    fresh, whole = (BetaVAE(latent_dim=4, widths=[4, 4, 4], hidden=8) for _ in range(2))
    fresh.encoder.load_state_dict(exports["encoder"])
    fresh.decoder.load_state_dict(exports["decoder"])
    whole.load_state_dict(exports["vae_best"])
    for model in (fresh, whole):  # in the layout of the module: others round differently on some machines
        assert torch.equal(model.to(memory_format=torch.channels_last)(GRIDS), module.model(GRIDS))  # type: ignore[call-overload]


def test_comparison_has_a_picture_if_every_run_has_a_whole_model(run_folder: Path, tmp_path: Path) -> None:
    assert list(TASK.comparison_pictures({"a": [run_folder]}, {})) == ["reconstructions"]
    assert TASK.comparison_pictures({"a": [run_folder], "b": [tmp_path]}, {}) == {}
