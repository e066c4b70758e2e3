"""Generate a grid corpus: ``python -m arcvae.corpus kind=atomic num_grids=100000 seed=42 out=corpus.npz``."""

from __future__ import annotations

import logging
import sys
import time
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from arcvae.door import open_door
from arcvae.errors import ConfigError

log = logging.getLogger("arcvae")


def check(config: dict[str, Any]) -> None:
    """Refuse to write over a file."""
    if config["out"] and Path(config["out"]).exists() and not config["overwrite"]:
        raise ConfigError(f"out={config['out']} exists; choose another name or set overwrite=true")


def corpus(config: DictConfig, _: Path) -> Path:
    """Generate the corpus of a composed config (``conf/corpus.yaml``).

    Returns:
        The file that was written.
    """
    from arcvae.grid.corpus import default_corpus_path, write_corpus

    parameters = (config.kind, config.num_grids, config.seed)
    path = Path(config.out or default_corpus_path(Path(config.output_dir) / "corpora", *parameters))
    check({"out": config.out, "overwrite": config.overwrite})  # again: an earlier job of a sweep may have written it
    started = time.perf_counter()
    write_corpus(path, *parameters)
    log.info(
        "Wrote %s: %s %s grids (seed %d), %.1f s",
        path, f"{config.num_grids:,}", config.kind, config.seed, time.perf_counter() - started,
    )  # fmt: skip
    return path


def main() -> int:
    """Entry point; returns the exit code."""
    return open_door("corpus", corpus, check)


if __name__ == "__main__":
    sys.exit(main())
