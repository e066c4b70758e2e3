"""What makes two runs the same run: names of run folders, and a hash of what a result depends on."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from arcvae.app.rulebook import room_settings
from arcvae.io.files import sha256

FREE: Final = ("callbacks", "logger", "ckpt_path", "output_dir", "monitor", "monitor_mode", "tags", "plugins")
"""Nodes that may differ between a run and its continuation: where things lie, and what is watched."""
FREE_WITHIN: Final[Mapping[str, tuple[str, ...]]] = {
    "data": ("path", "num_workers", "eval_batch_size", "max_bytes", "corpus_dir", "cache_dir"),
    "trainer": ("max_epochs", "accelerator", "log_every_n_steps", "num_sanity_val_steps"),
}
"""Keys within other nodes that may."""
KEPT: Final = (("data", "generator_version"),)
"""Keys that a run which is continued takes from its checkpoint, for their default moves with the version of arcvae."""


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
    cosmetic = {name for settings in room_settings().values() for name in settings.cosmetic}
    kept["callbacks"] = {name: node for name, node in (config.get("callbacks") or {}).items() if name not in cosmetic}
    for group, free in FREE_WITHIN.items():
        kept[group] = {k: v for k, v in kept.get(group, {}).items() if k not in free or k == "max_epochs"}
    kept["monitor"] = [config.get("monitor"), config.get("monitor_mode")]
    return sha256(json.dumps(kept, sort_keys=True).encode())


def make_run_id() -> str:
    """Name of a run folder: the time, and enough randomness for jobs that start in the same second."""
    return f"{time.strftime('%Y-%m-%d_%H-%M-%S')}_{secrets.token_hex(4)}"
