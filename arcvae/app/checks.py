"""Checking a composed config: every problem at once, each in one line with the key, the value and the remedy.

What a value may be is said in the ``settings.py`` of a room; :mod:`arcvae.app.rulebook` finds out of which. Nothing of
this needs torch, so that a typing error is reported in half a second; only classes and functions that are asked what
they take are imported. That happens for keys without a rule and, by :func:`argument_problems`, for all others of a
config in which nothing else is wrong. Whether there is a loss of the name given, and whether a class takes a key that
others of its group take, is therefore reported after everything else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from arcvae.app.arguments import said_by, unknown_argument, wrong_type
from arcvae.app.rulebook import Rulebook, owner_of
from arcvae.app.trust import target_problems, trusted
from arcvae.errors import ConfigError
from arcvae.io.settings import leaves, nearest, paths, problem_line, value_at, with_value


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
    return target_problems(config, book.plugins) + found + together + _monitor_problems(book, config)


def _problem(book: Rulebook, config: Mapping[str, Any], path: tuple[str, ...], value: Any) -> str | None:
    """What is wrong with one value."""
    if value == "???":
        return f"{'.'.join(path)} has no value; set it"
    if value is None and path[0] == "callbacks" and len(path) == 2:
        return None  # switched off
    rule = book.rule(config, path)
    return _parameter_problem(book, config, path, value) if rule is None else problem_line(path, value, rule)


def _parameter_problem(book: Rulebook, config: Mapping[str, Any], path: Sequence[str], value: Any) -> str | None:
    """A key without a rule is fine if what its node builds has such a parameter, and this no annotation against it."""
    key, owner = ".".join(path), owner_of(config, path)
    if owner is None:
        return f"unknown key {key}{nearest(key, [name for settings in book.all() for name in settings.rules])}"
    target, name = owner.target, owner.name
    if not trusted(target, book.plugins):
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
    book, owner, name = Rulebook.of(config), owner_of(config, path), ".".join(path)
    if owner is None:
        target = next((plugin for plugin, one in book.plugins.items() if one.rule(path)), None)
    else:
        target = owner.target if owner.name == path[-1] else None
        ours = target is not None and target.startswith("arcvae.") and trusted(target, book.plugins)
        if ours and (line := _parameter_problem(book, with_value(config, path, value), path, value)):
            return line
    return target and f"{name} is not among the keys of this config; to add it for {target}, write +{name}={typed}"


def _monitor_problems(book: Rulebook, config: Mapping[str, Any]) -> list[str]:
    """The metric that chooses the best checkpoint must be watched in the direction in which it is better."""
    monitor, mode = value_at(config, "monitor"), value_at(config, "monitor_mode")
    if not isinstance(monitor, str) or mode not in ("max", "min"):
        return []
    low = monitor.rpartition("/")[2] in _falling(book)
    if low == (mode == "min"):
        return []
    return [f"monitor={monitor} is better {'low' if low else 'high'}: set monitor_mode={'min' if low else 'max'}"]


def falling_metrics(config: Mapping[str, Any]) -> set[str]:
    """The metrics of a config that are better the lower they are, without the split."""
    return _falling(Rulebook.of(config))


def scheduled_metrics(config: Mapping[str, Any]) -> set[str]:
    """The metrics of a config that only follow the schedule of a run, without the split."""
    return {name for settings in Rulebook.of(config).all() for name in settings.schedules}


def _falling(book: Rulebook) -> set[str]:
    return {name for settings in book.all() for name in settings.lower_is_better}


def require_arguments(configs: Sequence[Mapping[str, Any]]) -> None:
    """Refuse what the classes and functions that checked configs name do not take; imports all of them.

    Raises:
        ConfigError: Every key that they do not take, and every loss that is not registered.
    """
    problems = dict.fromkeys(line for config in configs for line in argument_problems(config))
    if problems:
        raise ConfigError(list(problems))
