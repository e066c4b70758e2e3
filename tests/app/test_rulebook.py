"""Which rule a key is under."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import arcvae
from arcvae.app.rulebook import SHARED, Owner, Rulebook, owner_of, room_settings
from arcvae.io.settings import Number
from tests.app.configs import AUDIO, GRID


def test_every_room_with_settings_is_found() -> None:
    folders = {path.parent.name for path in Path(arcvae.__file__).parent.glob("*/settings.py")} - {"io"}
    assert set(room_settings()) == folders
    assert tuple(room_settings())[:3] == SHARED


@pytest.mark.parametrize(
    ("config", "key", "high"),
    [
        (GRID, "model.latent_dim", 4096),
        (AUDIO, "model.latent_dim", None),  # of grids
        (AUDIO, "model.dropout", 0.99),
        (GRID, "model.dropout", None),
        (GRID, "trainer.max_epochs", 1e6),
        (GRID, "seed", 2**32 - 1),
        ({}, "num_clips", 1e7),  # a command without a task
        ({}, "limit", 1e8),
        ({}, "refine", 10_000),
        ({}, "no.such.key", None),
    ],
)
def test_a_key_is_under_the_rule_of_the_room_whose_class_it_builds(
    config: Mapping[str, Any], key: str, high: float | None
) -> None:
    rule = Rulebook.of(config).rule(config, key.split("."))
    assert (rule.high if isinstance(rule, Number) else rule) == high


def test_a_rule_of_a_room_goes_by_the_innermost_class() -> None:
    config: dict[str, Any] = {
        "model": {"_target_": "arcvae.grid.models.x.X", "inner": {"_target_": "arcvae.audio.model.Y", "dropout": 2}}
    }
    book = Rulebook.of(config)
    assert book.rule(config, ("model", "inner", "dropout")) is None  # the pattern is another
    inner = owner_of(config, ("model", "inner", "dropout", "first"))
    assert inner == Owner("arcvae.audio.model.Y", config["model"]["inner"], "dropout")
    assert owner_of(config, ("seed",)) is None
    assert book.rule(config, ("model", "latent_dim")) is room_settings()["grid"].rules["model.latent_dim"]
