"""From a folder of recordings to a corpus: ``FOLDER/<species>/*.wav|flac|ogg|mp3``."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from arcvae.audio.corpus.files import write_corpus
from arcvae.audio.features.mfcc import RECORDED, MfccSettings, mfcc
from arcvae.errors import ArcvaeError, ConfigError, DataError
from arcvae.io.door import opened

log = logging.getLogger(__name__)

SUFFIXES: Final = (".wav", ".flac", ".ogg", ".mp3")
SHORTEST: Final = 0.05
"""Seconds; a shorter recording is left out."""
SILENCE: Final = 1e-4
"""Amplitude (-80 dB of full scale) that a recording must reach somewhere, or it counts as silent."""


RATES: Final = (4_000, 1_000_000)
"""Samples per second, from poorer than a telephone to recorders of bats."""
_BLOCK: Final = 1 << 12


@dataclass(frozen=True)
class Survey:
    """What a folder of recordings has become.

    Args:
        clips: Recordings in the corpus.
        species: Names of their species.
        left_out: Recordings that are not in it, and folders without a usable one, each with the reason.
    """

    clips: int
    species: tuple[str, ...]
    left_out: tuple[tuple[str, str], ...]


def write_recorded_corpus(path: str | os.PathLike[str], folder: str | os.PathLike[str], seed: int) -> Survey:
    """Turn recordings into a corpus: mono, resampled, cut or padded to 500 frames (11.6 s), split 70/15/15.

    Each folder in ``folder`` is a species, in alphabetical order; other files are ignored. A recording
    that cannot be read, is silent, shorter than 50 ms or holds NaN is left out, and logged as a warning.

    Args:
        path: File to write, atomically.
        folder: Folder of folders.
        seed: Seed of the split, 0 <= seed < 2^32.

    Raises:
        ConfigError: soundfile or librosa is not installed.
        DataError: No folder, fewer than two species with a usable recording, or none with three.
        FileSystemError: The file cannot be written.
    """
    _require_packages()
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"source={folder.absolute()} is not a folder; give a folder with a folder for each species")
    left_out: list[tuple[str, str]] = []
    features: list[NDArray[np.float32]] = []
    labels: list[int] = []
    files: list[str] = []
    species: list[str] = []
    for home in sorted(entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith(".")):
        before = len(files)
        for file in sorted(entry for entry in home.iterdir() if entry.suffix.lower() in SUFFIXES):
            name = f"{home.name}/{file.name}"
            try:
                wave = read_recording(file, RECORDED)
            except _UnusableError as reason:
                left_out.append((name, str(reason)))
                log.warning("Left out %s: %s", name, reason)
                continue
            features.append(mfcc(wave[None], RECORDED)[0].astype(np.float32))
            labels.append(len(species))
            files.append(name)
        if len(files) > before:
            species.append(home.name)
        else:
            left_out.append((f"{home.name}/", "no usable recording"))
            log.warning("Left out %s/: no usable recording", home.name)
    if len(species) < 2:
        raise DataError(
            f"{folder.absolute()} has recordings of {len(species)} species ({len(left_out)} entries left out), needs "
            f"2 or more: put them into FOLDER/<species>/*{'|'.join(SUFFIXES)}"
        )
    write_corpus(path, np.stack(features), np.array(labels), species, RECORDED, seed=seed, files=files)
    return Survey(len(files), tuple(species), tuple(left_out))


class _UnusableError(Exception):
    """Why a recording is left out."""


def read_recording(path: Path, settings: MfccSettings) -> NDArray[np.float64]:
    """The beginning of a recording, as much as a clip takes, whatever its rate and channels.

    Args:
        path: Anything that libsndfile decodes.
        settings: Rate and length to bring it to.

    Returns:
        ``(L,)`` float64 at ``settings.sample_rate``, L <= ``settings.samples``; channels are averaged.
    """
    import librosa
    import soundfile

    try:
        # By handle: a named pipe would hang libsndfile, and by name it takes some files for what their name says.
        with opened(path, DataError, "a recording") as file, soundfile.SoundFile(file) as sound:
            rate = int(sound.samplerate)
            if not RATES[0] <= rate <= RATES[1]:
                raise _UnusableError(f"claims a rate of {rate:,} Hz; a recording has {RATES[0]:,} to {RATES[1]:,}")
            # No more than is used, so that a long recording takes no more memory than a short one.
            blocks = sound.blocks(_BLOCK, frames=int(settings.seconds * rate) + rate, dtype="float64", always_2d=True)
            wave: NDArray[np.float64] = np.concatenate([np.empty(0), *(block.mean(1) for block in blocks)])
    except (ArcvaeError, OSError, RuntimeError, ValueError) as error:  # soundfile's own errors are RuntimeErrors
        raise _UnusableError(f"cannot be read ({' '.join(str(error).split())})") from None
    if not np.isfinite(wave).all():
        raise _UnusableError("holds samples that are not finite")
    if len(wave) < SHORTEST * rate:
        raise _UnusableError(f"is {len(wave) / rate:.3f} s long, needs {SHORTEST:g} s")
    if np.abs(wave).max() < SILENCE:
        raise _UnusableError("is silent")
    if rate != settings.sample_rate:
        wave = librosa.resample(wave, orig_sr=rate, target_sr=settings.sample_rate)
    return wave[: settings.samples]


def _require_packages() -> None:
    try:
        import librosa  # noqa: F401
        import soundfile  # noqa: F401
    except (ImportError, OSError) as error:  # OSError: no libsndfile on this system
        raise ConfigError(
            f"recordings need librosa and soundfile ({error}): python -m pip install 'arcvae[audio]'"
        ) from None
