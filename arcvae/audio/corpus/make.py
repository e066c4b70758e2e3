"""Making an audio corpus as ``python -m arcvae.corpus kind=audio`` asks for it."""

from __future__ import annotations

from pathlib import Path

from arcvae.audio.corpus.files import default_audio_path, write_synthetic_corpus
from arcvae.audio.corpus.recordings import Windows, write_recorded_corpus
from arcvae.errors import ConfigError


def make_audio_corpus(
    source: str | None, num_species: int, num_clips: int, seed: int, path: str | None, folder: str, windows: Windows
) -> tuple[Path, str]:
    """Write a corpus of recordings or of synthetic clips.

    Args:
        source: Folder with a folder of recordings for each species; None generates clips.
        num_species: Species of the generated clips, >= 2.
        num_clips: Generated clips of all splits together, >= 10 for each species.
        seed: 0 <= seed < 2^32; of the clips and of the split.
        path: File to write; None for the one that training generates for the same values, in ``folder``.
        folder: Folder for corpora without a name.
        windows: Which windows of a recording become clips; see :func:`write_recorded_corpus`.

    Returns:
        The file, and what it holds in words.

    Raises:
        ConfigError: Recordings without a ``path``, or without the packages to read them.
        DataError: Too few recordings.
        FileSystemError: The file cannot be written.
    """
    if source:
        if not path:
            raise ConfigError("out=null: name the file that the recordings go into")
        return Path(path), str(write_recorded_corpus(path, source, seed, windows))
    file = Path(path) if path else default_audio_path(folder, num_species, num_clips, seed)
    write_synthetic_corpus(file, num_species, num_clips, seed)
    return file, f"{num_clips:,} synthetic clips of {num_species} species"
