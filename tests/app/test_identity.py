"""Which configs count as the same run."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest

from arcvae.app.compose import plan
from arcvae.app.identity import FREE, FREE_WITHIN, config_hash, make_run_id
from arcvae.app.rulebook import room_settings


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    return plan("train", [])[0]


def changed(config: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    """A copy of a config with another value under a dotted key."""
    copied = copy.deepcopy(config)
    node = copied
    *groups, name = key.split(".")
    for group in groups:
        node = node[group]
    node[name] = value
    return copied


@pytest.mark.parametrize(
    "key",
    [
        "tags", "output_dir", "ckpt_path", "logger", "data.path", "data.num_workers", "data.eval_batch_size",
        "data.max_bytes", "data.corpus_dir", "data.cache_dir", "trainer.accelerator", "trainer.log_every_n_steps",
        "callbacks.snapshots", "callbacks.progress_bar.refresh_rate",
    ],
)  # fmt: skip
def test_where_things_lie_and_what_is_shown_is_no_part_of_a_run(config: dict[str, Any], key: str) -> None:
    assert config_hash(changed(config, key, "other")) == config_hash(config)


@pytest.mark.parametrize(
    "key",
    [
        "seed", "loss.gamma", "model.latent_dim", "optimizer.lr", "data.batch_size", "data.seed", "beta.maximum",
        "data.generator_version",
        "trainer.max_epochs", "trainer.precision", "monitor", "monitor_mode", "plugins", "task._target_",
        "callbacks.early_stopping", "callbacks.early_stopping.patience",
    ],
)  # fmt: skip
def test_what_a_result_depends_on_is(config: dict[str, Any], key: str) -> None:
    assert config_hash(changed(config, key, "other")) != config_hash(config)


def test_keys_can_be_left_out(config: dict[str, Any]) -> None:
    assert config_hash(config, but=("seed",)) == config_hash(changed(config, "seed", 7), but=("seed",))
    assert config_hash(config, but=("seed",)) != config_hash(config)


def test_hash_is_that_of_every_process_and_order(config: dict[str, Any]) -> None:
    assert re.fullmatch(r"[0-9a-f]{64}", config_hash(config))
    assert config_hash(dict(reversed(config.items()))) == config_hash(config)


def test_lists_name_keys_that_exist(config: dict[str, Any]) -> None:
    assert set(FREE) - set(config) == set()
    for group, names in FREE_WITHIN.items():
        assert set(names) - set(config[group]) == set()
    cosmetic = {name for settings in room_settings().values() for name in settings.cosmetic}
    assert cosmetic - set(config["callbacks"]) == set()
    # Shared code names no callback of a task.
    assert "snapshots" in room_settings()["grid"].cosmetic
    for name in cosmetic:
        assert config_hash(changed(config, f"callbacks.{name}", None)) == config_hash(config)
    assert config_hash(changed(config, "callbacks.checkpoint", None)) != config_hash(config)


def test_run_folders_of_the_same_second_differ() -> None:
    names = {make_run_id() for _ in range(1000)}
    assert len(names) == 1000
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d_[0-9a-f]{8}", name) for name in names)
