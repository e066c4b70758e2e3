"""Which configs count as the same run."""

from __future__ import annotations

import copy
import multiprocessing
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from arcvae.app.compose import plan
from arcvae.app.identity import FREE, FREE_WITHIN, config_hash, differences, is_free, kept_versions, make_run_id
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
    assert differences(config, changed(config, key, "other")) == []
    assert is_free(key) or key.startswith("callbacks.")


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


def test_differences_are_named_with_both_values(config: dict[str, Any]) -> None:
    other = changed(changed(config, "data.batch_size", 7), "seed", 2)
    assert differences(other, config) == [
        f"seed (was 2, now {config['seed']})", f"data.batch_size (was 7, now {config['data']['batch_size']})",
    ]  # fmt: skip
    assert differences(config, changed(config, "trainer.max_epochs", 99)) == []  # a run may be continued further
    assert len(differences(config, changed(config, "loss.gamma", 99))) == 1
    for odd in ({}, {"data": 3, "trainer": None}):  # a file may say anything
        assert any(line.startswith("data.batch_size (was None") for line in differences(odd, config))


def test_continued_run_keeps_the_versions_that_it_began_with(
    config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert room_settings()["grid"].versions == ("data.generator_version",)
    began = changed(changed(config, "data.generator_version", 1), "data.batch_size", 1)
    assert kept_versions(began, config) == {"data.generator_version": 1}
    for nothing in (config, {}, {"data": None}, changed(config, "data.generator_version", "1")):
        assert kept_versions(nothing, config) == {}
    assert kept_versions(began, changed(config, "data.generator_version", None)) == {}  # a corpus from a file
    (tmp_path / "versioned.py").write_text(
        "from arcvae.io.settings import Settings\nSETTINGS = Settings(versions=('data.edition',), cosmetic=('bell',))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    mine = {"plugins": ["versioned"], "data": {"edition": 3}}
    assert kept_versions({"data": {"edition": 2}}, mine) == {"data.edition": 2}
    assert config_hash(mine | {"callbacks": {"bell": {"pitch": 1}}}) == config_hash(mine)
    del sys.modules["versioned"]


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
    with multiprocessing.get_context("fork").Pool(4) as pool:  # two sweeps that start in the same second
        names = set(pool.starmap(make_run_id, [()] * 1000))
    assert len(names) == 1000
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d_[0-9a-f]{8}", name) for name in names)
