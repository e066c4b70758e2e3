"""What makes two runs the same run: names of run folders, and a hash of what a result depends on."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from arcvae.app.plugins import plugin_names
from arcvae.app.rulebook import all_settings
from arcvae.io.files import sha256
from arcvae.io.settings import Settings, is_count, value_at

FREE: Final = (
    "callbacks", "logger", "ckpt_path", "output_dir", "monitor", "monitor_mode", "tags", "plugins", "report",
)  # fmt: skip
"""Nodes that may differ between a run and its continuation: where things lie, what is watched, what is shown."""
FREE_WITHIN: Final[Mapping[str, tuple[str, ...]]] = {
    "data": ("path", "num_workers", "eval_batch_size", "max_bytes", "corpus_dir", "cache_dir"),
    "trainer": ("max_epochs", "accelerator", "log_every_n_steps", "num_sanity_val_steps"),
}
"""Keys within other nodes that may."""


def is_free(key: str) -> bool:
    """Whether runs that differ in a key, parts separated by dots, are the same run.

    A continuation may have more epochs, but what a result says depends on them.

    Example:
        >>> is_free("logger.offline"), is_free("data.path"), is_free("data.seed"), is_free("trainer.max_epochs")
        (True, True, False, False)
    """
    group, _, name = key.partition(".")
    return group in FREE or (name in FREE_WITHIN.get(group, ()) and key != "trainer.max_epochs")


def config_hash(config: Mapping[str, Any], *, but: Sequence[str] = ()) -> str:
    """SHA-256 of everything in a config that a result depends on, but for the content of the corpus.

    Args:
        config: Plain, resolved config of a training run.
        but: Further keys to leave out, for example ``seed``.

    Example:
        >>> config = {"seed": 1, "loss": {"gamma": 2.0}, "tags": []}
        >>> config_hash(config) == config_hash(config | {"tags": ["mine"], "output_dir": "elsewhere"})
        True
        >>> config_hash(config) == config_hash(config | {"seed": 2})
        False
    """
    kept = {key: value for key, value in config.items() if key not in (*FREE, *but)}
    kept["plugins"] = config.get("plugins")
    cosmetic = {name for settings in _settings(config) for name in settings.cosmetic}
    kept["callbacks"] = {name: node for name, node in (config.get("callbacks") or {}).items() if name not in cosmetic}
    for group in FREE_WITHIN:
        kept[group] = {k: v for k, v in kept.get(group, {}).items() if not is_free(f"{group}.{k}")}
    kept["monitor"] = [config.get("monitor"), config.get("monitor_mode")]
    return sha256(json.dumps(kept, sort_keys=True).encode())


def kept_versions(before: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, int]:
    """The versions that a run which is continued keeps, by key, where the config has others.

    Args:
        before: Config that the run began with, from its checkpoint.
        config: Config that it is continued with.
    """
    keys = dict.fromkeys(key for settings in _settings(config) for key in settings.versions)
    pairs = {key: (value_at(before, key), value_at(config, key)) for key in keys}
    return {key: began for key, (began, now) in pairs.items() if is_count(began) and now not in (None, began)}


def differences(before: Mapping[str, Any], config: Mapping[str, Any]) -> list[str]:
    """In what a config differs from the one that a run began with, a few words each, but for what is free.

    Example:
        >>> differences({"seed": 1, "trainer": {"max_epochs": 5}}, {"seed": 2, "trainer": {"max_epochs": 10}})
        ['seed (was 1, now 2)']
    """
    keys = sorted({*before, *config} - {*FREE, *FREE_WITHIN})
    for group, free in FREE_WITHIN.items():
        nodes = [node for node in (before.get(group), config.get(group)) if isinstance(node, Mapping)]
        keys += [f"{group}.{name}" for name in sorted({name for node in nodes for name in node} - {*free})]
    pairs = [(key, value_at(before, key), value_at(config, key)) for key in keys]
    return [f"{key} (was {a}, now {b})" for key, a, b in pairs if a != b]


def _settings(config: Mapping[str, Any]) -> tuple[Settings, ...]:
    return all_settings(plugin_names(config.get("plugins")))


def make_run_id() -> str:
    """Name of a run folder: the time, and enough randomness for jobs that start in the same second."""
    return f"{time.strftime('%Y-%m-%d_%H-%M-%S')}_{secrets.token_hex(4)}"
