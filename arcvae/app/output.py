"""Files that a command writes where the user says, in place of a run folder."""

from __future__ import annotations

from pathlib import Path

from arcvae.errors import ConfigError


def require_new_file(out: str | None, *, overwrite: bool) -> None:
    """Refuse to write over a file that the user has not given up.

    Args:
        out: The file, or None for one that the command names.
        overwrite: Whether a file that is there may be replaced.

    Raises:
        ConfigError: ``out`` exists, and ``overwrite`` is false.
    """
    if out and Path(out).exists() and not overwrite:
        raise ConfigError(f"out={out} exists; choose another name or set overwrite=true")
