"""Make a corpus: ``python -m arcvae.corpus kind=atomic num_grids=100000 seed=42 out=corpus.npz``.

With ``kind=audio``, from recordings (``source=FOLDER out=birds.npz``) or, without ``source``, of synthetic song.
"""

from __future__ import annotations

import logging
import sys
import time
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from arcvae.app.command import open_door
from arcvae.errors import ConfigError

log = logging.getLogger("arcvae")


def check(config: dict[str, Any]) -> None:
    """Refuse to write over a file, and what does not go together."""
    if config["source"] and config["kind"] != "audio":
        raise ConfigError(f"source={config['source']} needs kind=audio; grids are generated")
    if config["source"] and not config["out"]:
        raise ConfigError("out=null: name the file that the recordings go into")
    if config["out"] and Path(config["out"]).exists() and not config["overwrite"]:
        raise ConfigError(f"out={config['out']} exists; choose another name or set overwrite=true")


def corpus(config: DictConfig, _: Path) -> Path:
    """Make the corpus of a composed config (``conf/corpus.yaml``).

    Returns:
        The file that was written.
    """
    check({str(key): value for key, value in config.items()})  # again: an earlier job may have written the file
    started = time.perf_counter()
    path, what = _write_audio(config) if config.kind == "audio" else _write_grids(config)
    log.info("Wrote %s: %s (seed %d), %.1f s", path, what, config.seed, time.perf_counter() - started)
    return path


def _write_grids(config: DictConfig) -> tuple[Path, str]:
    from arcvae.grid.corpus.files import default_corpus_path, write_corpus

    parameters = (config.kind, config.num_grids, config.seed)
    path = Path(config.out or default_corpus_path(Path(config.output_dir) / "corpora", *parameters))
    write_corpus(path, *parameters)
    return path, f"{config.num_grids:,} {config.kind} grids"


def _write_audio(config: DictConfig) -> tuple[Path, str]:
    if config.source:
        from arcvae.audio.corpus.recordings import write_recorded_corpus

        survey = write_recorded_corpus(config.out, config.source, config.seed)
        found = f"{survey.clips:,} recordings of {len(survey.species)} species, {len(survey.left_out)} left out"
        return Path(config.out), found
    from arcvae.audio.corpus.files import default_audio_path, write_synthetic_corpus

    parameters = (config.num_species, config.num_clips, config.seed)
    path = Path(config.out or default_audio_path(Path(config.output_dir) / "corpora", *parameters))
    write_synthetic_corpus(path, *parameters)
    return path, f"{config.num_clips:,} synthetic clips of {config.num_species} species"


def main() -> int:
    """Entry point; returns the exit code."""
    return open_door("corpus", corpus, check)


if __name__ == "__main__":
    sys.exit(main())
