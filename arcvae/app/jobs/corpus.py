"""The job of ``arcvae.corpus``: write a corpus."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from arcvae.app.build import Builder
from arcvae.app.output import require_new_file

log = logging.getLogger("arcvae")


def corpus(config: dict[str, Any], shown: dict[str, Any], folder: Path, command: Sequence[str]) -> Path:  # noqa: ARG001
    """Write the corpus that the ``writer`` of a config makes; nothing else is left behind.

    Args:
        config: Plain, resolved and checked config (``conf/corpus.yaml``). Its ``writer`` names a function that returns
            the file and what it holds in words.
        shown: As for every job; not used, for there is no record.
        folder: As for every job; not used.
        command: As for every job; not used.

    Returns:
        The file that was written.

    Raises:
        ConfigError: The file exists and may not be replaced, or values that the writer does not accept.
        DataError: A source that no corpus can be made from.
        FileSystemError: The file cannot be written.
    """
    # As the command has done, but an earlier job of a sweep may have written it since.
    require_new_file(config["out"], overwrite=config["overwrite"])
    started = time.perf_counter()
    path, what = Builder(config["plugins"])("writer", config["writer"])
    log.info("Wrote %s: %s (seed %d), %.1f s", path, what, config["seed"], time.perf_counter() - started)
    return Path(path)
