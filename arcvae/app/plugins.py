"""Modules of the user: imported before a config is composed, so that what they register or define can be used in it.

A module named in ``plugins=[...]`` may register losses, add options to config groups with Hydra's ``ConfigStore``,
define what a ``_target_`` names, and state rules for its own settings in an attribute ``SETTINGS``
(:class:`arcvae.io.settings.Settings`).
"""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Collection
from typing import Any

from arcvae.errors import ArcvaeError, ConfigError
from arcvae.io.settings import Settings


def import_plugins(names: Collection[str]) -> None:
    """Import modules of the user, in that order.

    Raises:
        ConfigError: A module that is not found, or fails.
    """
    for name in names:
        if name in sys.modules:
            continue
        try:
            importlib.import_module(name)
        except ArcvaeError:
            raise
        except ImportError as error:
            raise ConfigError(f"plugins: cannot import {name} ({error}); is its folder in PYTHONPATH?") from error
        except Exception as error:  # whatever the user's own code may raise
            place = traceback.extract_tb(error.__traceback__)[-1]
            raise ConfigError(
                f"plugins: importing {name} raises {type(error).__name__}: {error} ({place.filename}:{place.lineno})"
            ) from error


def plugin_names(names: Any) -> list[str]:
    """The modules that a value of ``plugins`` names; what is no list of names has a problem of its own."""
    return [name for name in names if isinstance(name, str) and name] if isinstance(names, list) else []


def plugin_settings(names: Collection[str]) -> dict[str, Settings]:
    """The settings of each plugin, by the name of the module; those of one without ``SETTINGS`` are empty.

    What lies inside a module of the user may be built from a config in any case.

    Raises:
        ConfigError: A module cannot be imported, or its ``SETTINGS`` are of another type.
    """
    import_plugins(names)
    found = {}
    for name in names:
        settings = getattr(sys.modules[name], "SETTINGS", Settings())
        if not isinstance(settings, Settings):
            raise ConfigError(f"plugins: SETTINGS of {name} must be an arcvae.io.settings.Settings")
        found[name] = settings
    return found
