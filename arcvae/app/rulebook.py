"""Which rule a key of a config is under: the settings of the rooms, of the tasks that it names, and of its plugins."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import pkgutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from arcvae.app.plugins import plugin_names, plugin_settings
from arcvae.io.settings import Rule, Settings, paths

SHARED: Final = ("training", "imbalance", "app")
"""Rooms whose settings apply to every config."""
PACKAGE: Final = Path(__file__).parents[1]


@functools.cache
def room_settings() -> dict[str, Settings]:
    """The settings of each room of the package that has some: the shared ones first, then those of tasks."""
    packages = sorted(module.name for module in pkgutil.iter_modules([str(PACKAGE)]) if module.ispkg)
    found: dict[str, Settings] = {}
    for room in (*SHARED, *packages):
        if room in found or importlib.util.find_spec(f"arcvae.{room}.settings") is None:
            continue
        settings = getattr(importlib.import_module(f"arcvae.{room}.settings"), "SETTINGS", None)
        if isinstance(settings, Settings):
            found[room] = settings
    return found


def all_settings(plugins: Collection[str]) -> tuple[Settings, ...]:
    """The settings of every room and of some modules of the user.

    Raises:
        ConfigError: A plugin that cannot be used.
    """
    return (*room_settings().values(), *plugin_settings(plugins).values())


def _task_settings() -> dict[str, Settings]:
    """The settings of the rooms of tasks."""
    return {room: settings for room, settings in room_settings().items() if room not in SHARED}


@dataclass(frozen=True)
class Rulebook:
    """All settings that apply to one config."""

    shared: tuple[Settings, ...]
    """Of every config."""
    tasks: tuple[Settings, ...]
    """Of the tasks that the targets of the config belong to; of all tasks, if it has no target."""
    plugins: Mapping[str, Settings]
    """Of modules of the user, by name."""

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Rulebook:
        """The settings that apply to a config.

        Raises:
            ConfigError: A plugin that cannot be used.
        """
        rooms = {_room_of(value) for path, value in paths(config) if path[-1] == "_target_" and value is not None}
        shared = tuple(room_settings()[room] for room in SHARED)
        tasks = tuple(settings for room, settings in _task_settings().items() if room in rooms or not rooms)
        return cls(shared, tasks, plugin_settings(plugin_names(config.get("plugins"))))

    def all(self) -> tuple[Settings, ...]:
        """Every one of them."""
        return (*self.shared, *self.tasks, *self.plugins.values())

    def rule(self, config: Mapping[str, Any], path: Sequence[str]) -> Rule | None:
        """The rule for a key: that of the room or plugin whose class its node builds, else of a shared room or plugin.

        Keys outside any such node are those of a command; a task may have some of its own there.
        """
        owner = owner_of(config, path)
        own = self._owned_by(owner.target) if owner else tuple(_task_settings().values())
        candidates = (*own, *self.shared, *self.plugins.values())
        found = [settings.rule(path) for settings in candidates]
        if owner and owner.name == path[-1]:
            found += [settings.named.get(str(owner.node.get("name")), {}).get(owner.name) for settings in own]
        return next((rule for rule in found if rule is not None), None)

    def _owned_by(self, target: str) -> tuple[Settings, ...]:
        """The settings of the room or plugin that a target comes from."""
        if plugins := [name for name in self.plugins if target.startswith(f"{name}.")]:
            return (self.plugins[max(plugins, key=len)],)
        settings = room_settings().get(_room_of(target) or "")
        return () if settings is None else (settings,)

    def inspector(self, target: str) -> str | None:
        """The function that knows what a target takes beside certain values, if there is one."""
        return next((one.inspectors[target] for one in self.all() if target in one.inspectors), None)


def _room_of(target: Any) -> str | None:
    """The room of the package that a target names, if it names one."""
    parts = target.split(".") if isinstance(target, str) else []
    return parts[1] if len(parts) > 2 and parts[0] == "arcvae" else None


@dataclass(frozen=True)
class Owner:
    """The node that a key belongs to."""

    target: str
    node: Mapping[str, Any]
    name: str
    """Of the parameter that the key, or what it is a part of, is passed to."""


def owner_of(config: Mapping[str, Any], path: Sequence[str]) -> Owner | None:
    """The innermost node with a ``_target_`` around a key."""
    node: Any = config
    owner = None
    for depth, part in enumerate(path[:-1]):
        node = node.get(part) if isinstance(node, Mapping) else None
        if isinstance(node, Mapping) and node.get("_target_"):
            owner = Owner(str(node["_target_"]), node, path[depth + 1])
    return owner
