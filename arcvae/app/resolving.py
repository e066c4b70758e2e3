"""A composed config as plain types, with its interpolations resolved and without the values of secrets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from omegaconf.resolvers import oc
from yaml import YAMLError

from arcvae.app.identity import make_run_id

REFUSALS: Final = (HydraException, OmegaConfBaseException, YAMLError, ValueError, RecursionError)
"""What composing a config, or resolving it, may raise."""


def plain(config: DictConfig) -> dict[str, Any]:
    """Plain types, interpolations resolved, ``~/`` as the home folder, ``???`` left as it is."""
    found = _at_home(OmegaConf.to_container(config, resolve=True, throw_on_missing=False))
    assert isinstance(found, dict)
    return {str(key): value for key, value in found.items()}


def _at_home(node: Any) -> Any:
    """Nested values in which the home folder stands for the ``~`` of a path."""
    if isinstance(node, dict):
        return {key: _at_home(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_at_home(value) for value in node]
    return str(Path(node).expanduser()) if isinstance(node, str) and node.startswith("~/") else node


def resolved(config: DictConfig) -> tuple[dict[str, Any], dict[str, Any]]:
    """A composed config as plain types: to work with, and to write down (without the values of secrets)."""
    read = plain(config)
    OmegaConf.register_new_resolver("oc.env", _unread, replace=True)
    try:
        shown: Any = plain(config)
    except REFUSALS:  # something cannot be made of the name of a variable
        shown = _interpolations(OmegaConf.to_container(config, resolve=False), read)
    finally:
        OmegaConf.register_new_resolver("oc.env", oc.env, replace=True)
    return read, dict(without_secrets(shown, read))


def _interpolations(raw: Any, resolved: Any) -> Any:
    """``resolved``, but with every interpolation as it was written."""
    if isinstance(raw, Mapping) and isinstance(resolved, Mapping):
        return {key: _interpolations(raw.get(key), value) for key, value in resolved.items()}
    if isinstance(raw, list) and isinstance(resolved, list) and len(raw) == len(resolved):
        return [_interpolations(a, b) for a, b in zip(raw, resolved, strict=True)]
    return raw if isinstance(raw, str) and "${" in raw else resolved


def _unread(name: str, *_: object) -> str:
    """An environment variable as it stands in a config, in place of its value."""
    return f"${{oc.env:{name}}}"


def without_secrets(unread: Any, resolved: Any) -> Any:
    """``resolved``, but with texts that were made of an environment variable as they are without its value.

    ``unread`` is the same config with ``${oc.env:NAME}`` in place of the value of a variable. Numbers and flags stay.
    """
    if isinstance(unread, Mapping) and isinstance(resolved, Mapping):
        return {key: without_secrets(unread.get(key), value) for key, value in resolved.items()}
    if isinstance(unread, list) and isinstance(resolved, list) and len(unread) == len(resolved):
        return [without_secrets(a, b) for a, b in zip(unread, resolved, strict=True)]
    return unread if isinstance(resolved, str | Mapping | list) else resolved


def register_resolvers() -> None:
    """Teach OmegaConf ``${run_id:}``, one name for all places of a config, and ``${home:PATH}``, without ``~``."""
    OmegaConf.register_new_resolver("home", lambda path: str(Path(path).expanduser()), replace=True)
    OmegaConf.register_new_resolver("run_id", make_run_id, use_cache=True, replace=True)
