"""What a config may build: it is data, and must not be able to run arbitrary code."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from arcvae.app.rulebook import all_settings
from arcvae.io.renamed import RENAMED
from arcvae.io.settings import paths


def trusted(target: Any, plugins: Collection[str]) -> bool:
    """Whether ``_target_: target`` may be built: what a room or plugin states, and what lies inside a plugin.

    Args:
        target: As a config gives it, which may be of any type.
        plugins: Modules of the user; those that are not imported yet are.

    Raises:
        ConfigError: A plugin that cannot be used.
    """
    if not isinstance(target, str):
        return False
    if any(target.startswith(f"{name}.") for name in plugins):
        return True
    return any(settings.allows(target) for settings in all_settings(plugins))


def target_problems(config: Mapping[str, Any], plugins: Collection[str]) -> list[str]:
    """What a config names that must not be built, a line each."""
    found = []
    for path, target in paths(config):
        if path[-1] != "_target_" or target is None or trusted(target, plugins):
            continue
        remedy = "is not among what may be built from a config; name a module of yours in plugins"
        if isinstance(target, str) and target in RENAMED:
            remedy = f"is now {RENAMED[target]}"
        found.append(f"{'.'.join(path)}={target} {remedy}")
    return found


def foreign_targets(config: Mapping[str, Any]) -> list[str]:
    """What a config that comes out of a file may not build, a line each: anything but arcvae's own and plugins."""
    own = ("arcvae.", *(f"{plugin}." for plugin in config.get("plugins") or []))
    targets = [(key, node.get("_target_")) for key, node in config.items() if isinstance(node, Mapping)]
    foreign = [
        f"{key}._target_={target} is not arcvae's; if it is yours, name its module in plugins"
        for key, target in targets
        if target is not None and not str(target).startswith(own)
    ]
    return foreign + [
        f"{'.'.join(path)} is more than a value"
        for path, _ in paths(config)
        if len(path) > 2 and path[-1].startswith("_")
    ]
