"""The settings of the grid task: promised ranges, and what does not go together."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from arcvae.grid.corpus.shapes import SIZE
from arcvae.grid.elbo import ThreePhase
from arcvae.grid.models.beta_vae import BetaVAE
from arcvae.grid.models.objects import ObjectsVAE
from arcvae.grid.models.separable import SeparableVAE
from arcvae.grid.models.spatial import SpatialVAE
from arcvae.grid.settings import (
    GENERATED_SIZE,
    PRIOR_HEADS,
    SETTINGS,
    model_problems,
    phases_problem,
    prior_width_problem,
)


@pytest.mark.parametrize(
    ("key", "low", "high"), [("model.latent_dim", 1, 4096), ("beta.maximum", 0, 100), ("data.num_grids", 10, 10**8)]
)
def test_promised_ranges(key: str, low: int, high: int) -> None:
    rule = SETTINGS.rules[key]
    assert [bool(rule.problem(value)) for value in (low - 1, low, high, high + 1)] == [True, False, False, True]


@pytest.mark.parametrize(("first", "second"), [(10, 30), (0.5, 1), (5, 5), (30, 10), (1e-9, 1e6)])
def test_schedule_refuses_phases_as_the_check_does(first: float, second: float) -> None:
    problem = phases_problem(first, second)
    assert (problem is None) == (first < second)
    assert SETTINGS.problems({"beta": {"first": first, "second": second}}) == ([problem] if problem else [])
    if problem is None:
        ThreePhase(first, second)
    else:
        with pytest.raises(ValueError, match=r"beta\.first") as caught:
            ThreePhase(first, second)
        assert str(caught.value) == problem


def test_phase_that_ends_before_it_begins_is_reported_once() -> None:
    assert SETTINGS.problems({"beta": {"first": 0, "second": 10}}) == [
        "beta.first=0 must be a number above 0 and at most 1e+06"
    ]
    assert phases_problem(0, 10) is not None  # nobody checks the arguments of a caller by a rule


@pytest.mark.parametrize("width", [4, 6, 128, 130])
def test_width_of_a_prior_is_shared_by_its_heads(width: int) -> None:
    problem = prior_width_problem(width)
    assert (problem is None) == (width % PRIOR_HEADS == 0)
    assert SETTINGS.problems({"prior": {"width": width}}) == ([problem] if problem else [])


def test_alpha_has_a_value_for_each_colour() -> None:
    model = {"num_colors": 10}
    assert SETTINGS.problems({"model": model, "loss": {"alpha": [1.0] * 10}}) == []
    assert len(SETTINGS.problems({"model": model, "loss": {"alpha": [1.0] * 9}})) == 1


def test_a_single_value_is_told_in_words() -> None:
    assert SETTINGS.problems({"model": {"num_colors": 9}}) == ["model.num_colors=9 must be 10: a grid has ten colours"]


SIZES = (1, 2, 4, 6, 8, 10, 12, 15, 16, 30, 32)
MODELS: dict[type[Any], dict[str, tuple[Any, ...]]] = {
    BetaVAE: {"grid_size": SIZES, "widths": ([4], [4, 4], [4, 4, 4], [4] * 6), "hidden": (4,)},
    SeparableVAE: {
        "grid_size": SIZES, "widths": ([4], [4, 4], [4, 4, 4, 4]), "hidden": (4,), "maps": (2,), "coarse": (2,),
        "decoder_width": (4,),
    },
    SpatialVAE: {
        "grid_size": SIZES, "latent_dim": (1, 4, 10, 64), "digits": (1, 4, 8, 16), "levels": (2, 8, 16), "width": (4,),
        "patch_width": (4,), "blocks": (0,),
    },
    ObjectsVAE: {
        "grid_size": (1, 15, 30), "frame": (2, 5, 8, 9), "width": (4,), "slots": (1,), "shape_numbers": (8,),
        "max_cells": (4,), "encoder_blocks": (0,), "decoder_blocks": (0,),
    },
}  # fmt: skip


def is_refused(model: type[Any], node: dict[str, Any]) -> bool:
    try:
        model(**node)
    except ValueError:
        return True
    return False


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_sizes_are_refused_where_the_constructor_refuses_them_and_nowhere_else(model: type[Any]) -> None:
    answers = set()
    for values in itertools.product(*MODELS[model].values()):
        node = dict(zip(MODELS[model], values, strict=True))
        found = model_problems({"_target_": f"{model.__module__}.{model.__name__}", **node})
        assert bool(found) == is_refused(model, node), node
        answers.add(bool(found))
    assert answers == {True, False}


def test_rules_of_single_sizes_are_those_of_the_constructors() -> None:
    assert SETTINGS.problems({"model": {"shape_numbers": 3}}) == [
        "model.shape_numbers=3 must be a whole number at least 8 and at most 64"
    ]
    with pytest.raises(ValueError, match="shape_numbers=7 must be at least 8"):
        ObjectsVAE(shape_numbers=7)


def test_corpus_that_is_made_for_the_run_has_one_size() -> None:
    assert GENERATED_SIZE == SIZE
    data = {"_target_": "arcvae.grid.corpus.data.GridDataModule", "path": None}
    assert SETTINGS.problems({"data": data, "model": {"grid_size": 32}}) == [
        "model.grid_size=32 but a corpus without data.path has 16; set it to that"
    ]
    assert SETTINGS.problems({"data": data, "model": {"grid_size": 16}}) == []
    assert SETTINGS.problems({"data": data | {"path": "c.npz"}, "model": {"grid_size": 32}}) == []


def test_sizes_of_models_of_a_user_are_their_own_matter() -> None:
    assert model_problems({"_target_": "mine.Model", "grid_size": 30, "widths": [1, 2, 3], "frame": 3}) == []
    for odd in (None, 3, "x", {"_target_": "arcvae.grid.models.x.X", "grid_size": "x", "widths": 3, "digits": None}):
        assert model_problems(odd) == []
