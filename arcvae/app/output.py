"""Files that a command writes where the user says, in place of a run folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from arcvae.errors import ConfigError


def require_new_file(config: Mapping[str, Any]) -> None:
    """Refuse to write over a file that the user has not given up.

    Args:
        config: With ``out``, a file or None, and ``overwrite``.

    Raises:
        ConfigError: ``out`` exists, and ``overwrite`` is false.
    """
    if config["out"] and Path(config["out"]).exists() and not config["overwrite"]:
        raise ConfigError(f"out={config['out']} exists; choose another name or set overwrite=true")
