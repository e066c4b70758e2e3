"""The job of ``arcvae.corpus``: write a corpus."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from arcvae.app.build import build
from arcvae.errors import ConfigError

log = logging.getLogger("arcvae")


def corpus(config: dict[str, Any], shown: dict[str, Any], folder: Path, command: Sequence[str]) -> Path:  # noqa: ARG001
    """Write the corpus that the ``writer`` of a config makes.

    Args:
        config: Plain, resolved and checked config (``conf/corpus.yaml``). Its ``writer`` names a function that returns
            the file and what it holds in words.
        shown: The same as it may be written down; not used, like the other arguments: the file is all that is left.
        folder: Run folder.
        command: Command line.

    Returns:
        The file that was written.

    Raises:
        ConfigError: The file exists and may not be replaced, or values that the writer does not accept.
        DataError: A source that no corpus can be made from.
        FileSystemError: The file cannot be written.
    """
    require_new(config)  # looked at again: an earlier job of a sweep may have written it
    started = time.perf_counter()
    path, what = build(config, "writer")
    log.info("Wrote %s: %s (seed %d), %.1f s", path, what, config["seed"], time.perf_counter() - started)
    return Path(path)


def require_new(config: dict[str, Any]) -> None:
    """Refuse to write over a file.

    Raises:
        ConfigError: ``out`` exists, and ``overwrite`` is false.
    """
    if config["out"] and Path(config["out"]).exists() and not config["overwrite"]:
        raise ConfigError(f"out={config['out']} exists; choose another name or set overwrite=true")
