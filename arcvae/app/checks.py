"""Checking a composed config: every problem at once, each in one line with the key, the value and the remedy.

What a value may be is said in the ``settings.py`` of the room that it belongs to; here is decided which room that is.
Nothing of this needs torch, so that a typing error is reported in half a second; only classes and functions that are
asked what they take are imported. That happens for keys without a rule and, by :func:`argument_problems`, for all
others of a config in which nothing else is wrong. Whether there is a loss of the name given, and whether a class takes
a key that others of its group take, is therefore reported after everything else.
"""

from __future__ import annotations

import functools
import importlib.util
import pkgutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from arcvae.app.arguments import said_by, unknown_argument, wrong_type
from arcvae.app.plugins import plugin_settings
from arcvae.errors import ConfigError
from arcvae.io.renamed import RENAMED
from arcvae.io.settings import Rule, Settings, leaves, nearest, problem_line, value_at

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
        return cls(shared, tasks, plugin_settings(config))

    def all(self) -> tuple[Settings, ...]:
        """Every one of them."""
        return (*self.shared, *self.tasks, *self.plugins.values())

    def rule(self, config: Mapping[str, Any], path: Sequence[str]) -> Rule | None:
        """The rule for a key: that of the room or plugin whose class its node builds, else of a shared room or plugin.

        Keys outside any such node are those of a command; a task may have some of its own there.
        """
        owner = _owner(config, path)
        own = self._owned_by(owner.target) if owner else tuple(_task_settings().values())
        candidates = (*own, *self.shared, *self.plugins.values())
        return next((rule for settings in candidates if (rule := settings.rule(path)) is not None), None)

    def _owned_by(self, target: str) -> tuple[Settings, ...]:
        """The settings of the room or plugin that a target comes from."""
        if plugins := [name for name in self.plugins if target.startswith(f"{name}.")]:
            return (self.plugins[max(plugins, key=len)],)
        settings = room_settings().get(_room_of(target) or "")
        return () if settings is None else (settings,)

    def inspector(self, target: str) -> str | None:
        """The function that knows what a target takes beside certain values, if there is one."""
        return next((one.inspectors[target] for one in self.all() if target in one.inspectors), None)

    def allows(self, target: Any) -> bool:
        """Whether ``_target_: target`` may be built."""
        if not isinstance(target, str):
            return False
        mine = any(target.startswith(f"{name}.") for name in self.plugins)
        return mine or any(settings.allows(target) for settings in (*self.all(), *self._owned_by(target)))


def _room_of(target: Any) -> str | None:
    """The room of the package that a target names, if it names one."""
    parts = target.split(".") if isinstance(target, str) else []
    return parts[1] if len(parts) > 2 and parts[0] == "arcvae" else None


def rule_for(config: Mapping[str, Any], path: Sequence[str]) -> Rule | None:
    """The rule for a key of a config, given by its parts; None if there is none."""
    return Rulebook.of(config).rule(config, path)


def trusted(target: str, config: Mapping[str, Any]) -> bool:
    """Whether ``_target_: target`` may be built: what a room or plugin states, and what lies inside a plugin.

    A config is data: it must not be able to run arbitrary code.
    """
    return Rulebook.of(config).allows(target)


def problems_of(config: Mapping[str, Any], taken_over: Mapping[tuple[str, ...], str] | None = None) -> list[str]:
    """Everything that is wrong with the values of a resolved config, a line each.

    Args:
        config: Plain dictionaries, lists and values, without the ``hydra`` node.
        taken_over: For keys whose value is that of another key, the name of the other. What is wrong with both is
            reported for the other alone.
    """
    try:
        book = Rulebook.of(config)
    except ConfigError as error:
        return error.problems
    wrong = {path: problem for path, value in leaves(config) if (problem := _problem(book, config, path, value))}
    keys = {".".join(path) for path in wrong}
    found = [problem for path, problem in wrong.items() if (taken_over or {}).get(path) not in keys]
    together = [line for settings in book.all() for check in settings.checks for line in check(config)]
    return _target_problems(book, config) + found + together + _monitor_problems(book, config)


def _problem(book: Rulebook, config: Mapping[str, Any], path: tuple[str, ...], value: Any) -> str | None:
    """What is wrong with one value."""
    if value == "???":
        return f"{'.'.join(path)} has no value; set it"
    if value is None and path[0] == "callbacks" and len(path) == 2:
        return None  # switched off
    rule = book.rule(config, path)
    return _parameter_problem(book, config, path, value) if rule is None else problem_line(path, value, rule)


@dataclass(frozen=True)
class _Owner:
    """The node that a key belongs to."""

    target: str
    node: Mapping[str, Any]
    name: str
    """Of the parameter that the key, or what it is a part of, is passed to."""


def _owner(config: Mapping[str, Any], path: Sequence[str]) -> _Owner | None:
    """The innermost node with a ``_target_`` around a key."""
    node: Any = config
    owner = None
    for depth, part in enumerate(path[:-1]):
        node = node.get(part) if isinstance(node, Mapping) else None
        if isinstance(node, Mapping) and node.get("_target_"):
            owner = _Owner(str(node["_target_"]), node, path[depth + 1])
    return owner


def _parameter_problem(book: Rulebook, config: Mapping[str, Any], path: Sequence[str], value: Any) -> str | None:
    """A key without a rule is fine if what its node builds has such a parameter, and this no annotation against it."""
    key, owner = ".".join(path), _owner(config, path)
    if owner is None:
        return f"unknown key {key}{nearest(key, [name for settings in book.all() for name in settings.rules])}"
    target, name = owner.target, owner.name
    if not book.allows(target):
        return None  # reported as a target already
    try:
        if inspector := book.inspector(target):
            return said_by(inspector, owner.node).get(name)
        inside = path[-1] != name  # a part of what is passed on
        return unknown_argument(path, name, target) or (None if inside else wrong_type(path, value, target))
    except (ImportError, AttributeError, ValueError):
        return None  # reported by `argument_problems`


def argument_problems(config: Mapping[str, Any]) -> list[str]:
    """What the classes and functions that a config names say of the keys that they get, a line each.

    It imports them all, as whoever builds them is about to do; to be asked when :func:`problems_of` finds nothing.
    Those that have an inspector are asked first, and alone if anything is wrong there: it is the others that take long.

    Args:
        config: As :func:`problems_of`.
    """
    book = Rulebook.of(config)
    named = [(path[:-1], target) for path, target in paths(config) if path[-1] == "_target_" and target is not None]
    inspected = [(path, target) for path, target in named if book.inspector(target)]
    for nodes in (inspected, [node for node in named if node not in inspected]):
        if found := [line for path, target in nodes for line in _said_of(book, config, path, target)]:
            return found
    return []


def _said_of(book: Rulebook, config: Mapping[str, Any], path: tuple[str, ...], target: str) -> list[str]:
    """What a class or function says of the keys of the node at ``path``, a line each."""
    node = _node(config, path)
    names = [str(name) for name in node if not str(name).startswith("_")]
    try:
        if inspector := book.inspector(target):
            return list(said_by(inspector, node).values())
        return [line for name in names if (line := unknown_argument((*path, name), name, target))]
    except (ImportError, AttributeError, ValueError) as error:
        return [f"{'.'.join(path)}._target_={target}: {' '.join(str(error).split())}"]


def _node(config: Any, path: Sequence[str]) -> Any:
    """The node at a path as :func:`paths` gives it."""
    for part in path:
        config = config[int(part) if isinstance(config, list) else part]
    return config


def former_key(config: Mapping[str, Any], key: str) -> str | None:
    """What became of a key of earlier versions, as the end of a sentence, or None for any other key."""
    settings = Rulebook.of(config).all()
    return next((one.former[key] for one in settings if key in one.former), None)


def further_key(config: Mapping[str, Any], path: Sequence[str], value: Any, typed: str) -> str | None:
    """What to say of a key that the config leaves out, if a plugin or what its node builds may take it; else None.

    Whether a class of another library does is found out where the key is added: to ask it, the library would have to be
    imported.

    Args:
        config: Without the key.
        path: Parts of the key.
        value: What it is set to.
        typed: The same as it was typed, for the remedy.
    """
    book, owner, name = Rulebook.of(config), _owner(config, path), ".".join(path)
    if owner is None:
        target = next((plugin for plugin, one in book.plugins.items() if one.rule(path)), None)
    else:
        target = owner.target if owner.name == path[-1] else None
        ours = target is not None and target.startswith("arcvae.") and book.allows(target)
        if ours and (line := _parameter_problem(book, _with(config, path, value), path, value)):
            return line
    return target and f"{name} is not among the keys of this config; to add it for {target}, write +{name}={typed}"


def _with(config: Mapping[str, Any], path: Sequence[str], value: Any) -> dict[str, Any]:
    """A copy of nested mappings in which one key has another value."""
    inner = config.get(path[0])
    below = _with(inner if isinstance(inner, Mapping) else {}, path[1:], value) if path[1:] else value
    return {**config, path[0]: below}


def _target_problems(book: Rulebook, config: Mapping[str, Any]) -> list[str]:
    """What must not be built, a line each."""
    found = []
    for path, target in paths(config):
        if path[-1] != "_target_" or target is None or book.allows(target):
            continue
        remedy = "is not among what may be built from a config; name a module of yours in plugins"
        if isinstance(target, str) and target in RENAMED:
            remedy = f"is now {RENAMED[target]}"
        found.append(f"{'.'.join(path)}={target} {remedy}")
    return found


def _monitor_problems(book: Rulebook, config: Mapping[str, Any]) -> list[str]:
    """The metric that chooses the best checkpoint must be watched in the direction in which it is better."""
    monitor, mode = value_at(config, "monitor"), value_at(config, "monitor_mode")
    if not isinstance(monitor, str) or mode not in ("max", "min"):
        return []
    low = monitor.rpartition("/")[2] in _falling(book)
    if low == (mode == "min"):
        return []
    return [f"monitor={monitor} is better {'low' if low else 'high'}: set monitor_mode accordingly"]


def falling_metrics(config: Mapping[str, Any]) -> set[str]:
    """The metrics of a config that are better the lower they are, without the split."""
    return _falling(Rulebook.of(config))


def _falling(book: Rulebook) -> set[str]:
    return {name for settings in book.all() for name in settings.lower_is_better}


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


def paths(node: Any, prefix: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every key of nested mappings and lists, with what is below it."""
    items = node.items() if isinstance(node, Mapping) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        path = (*prefix, str(key))
        yield path, value
        yield from paths(value, path)
