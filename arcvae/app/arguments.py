"""What the classes and functions that a config names take: asked of themselves, which imports them."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from arcvae.io.settings import nearest, problem_line
from arcvae.io.signatures import rule_of_parameter


def found_at(target: str) -> Any:
    """What lies at a dotted name that may be built.

    Raises:
        ImportError: There is no such module, or it needs one that is not there.
        AttributeError: The module has no such member.
        ValueError: Not a dotted name.
    """
    module, _, name = target.rpartition(".")
    return getattr(importlib.import_module(module), name)


def parameters_of(target: str) -> dict[str, inspect.Parameter] | None:
    """The parameters of a class or function by name; None if it takes any, or does not say which.

    Raises:
        ImportError: As :func:`found_at`, as are AttributeError and ValueError.
    """
    found = found_at(target)
    try:
        parameters = inspect.signature(found).parameters
    except (TypeError, ValueError):
        return None
    return None if any(p.kind is p.VAR_KEYWORD for p in parameters.values()) else dict(parameters)


def unknown_argument(path: Sequence[str], name: str, target: str) -> str | None:
    """What is wrong with a key that goes to a class or function as ``name``, if that takes none such; else None.

    Raises:
        ImportError: As :func:`found_at`, as are AttributeError and ValueError.
    """
    parameters = parameters_of(target)
    if parameters is None or name in parameters:
        return None
    return f"unknown key {'.'.join(path)}: {target} takes no {name}{nearest(name, list(parameters))}"


def wrong_type(path: Sequence[str], value: Any, target: str) -> str | None:
    """What is wrong with a value by the annotation of its parameter, where that is plain, or None.

    Raises:
        ImportError: As :func:`found_at`, as are AttributeError and ValueError.
    """
    parameter = (parameters_of(target) or {}).get(path[-1])
    rule = None if parameter is None else rule_of_parameter(parameter)
    return None if rule is None else problem_line(path, value, rule)


def said_by(inspector: str, node: Mapping[str, Any]) -> dict[str, str]:
    """What an inspector (see :class:`arcvae.io.settings.Settings`) says of a node, by key.

    Raises:
        ImportError: As :func:`found_at`, as are AttributeError and ValueError.
    """
    found_at(node["_target_"])  # whose import may register what the inspector knows
    lines: dict[str, str] = found_at(inspector)(node)
    return lines
