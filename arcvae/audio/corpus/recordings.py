"""From a folder of recordings to a corpus: ``FOLDER/<species>/*.wav|flac|ogg|mp3``."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from arcvae.audio.corpus.files import write_corpus
from arcvae.audio.corpus.listing import SOUNDS, is_called_sound, is_of_the_system, species_folders
from arcvae.audio.features.mfcc import RECORDED, mfcc
from arcvae.audio.features.recording import Recording, UnusableError, Window, require_packages
from arcvae.errors import DataError

log = logging.getLogger(__name__)

Windows = Literal["all", "loudest", "first"]
"""Which windows of a recording become clips; ``first`` and ``loudest`` are one, among those that are not silent."""
NEW: Final = 0.25
"""Share of a window that must not be in a clip before it, for a clip of its own: the last one ends with the recording,
and would otherwise count what it repeats twice."""
_EXAMPLES: Final = 3


@dataclass(frozen=True)
class Clip:
    """The features of a window, ``(20, 500)`` float32, and where it lies, in seconds."""

    features: NDArray[np.float32]
    start: float
    end: float

    @classmethod
    def of(cls, window: Window) -> Clip:
        """As a corpus holds it."""
        return cls(mfcc(window.wave[None], RECORDED)[0].astype(np.float32), window.start, window.end)


@dataclass
class Survey:
    """What a folder of recordings has become.

    Everything in the folder is counted in one of ``recordings``, ``left_out`` and ``ignored``.
    """

    clips: int = 0
    """Clips in the corpus."""
    recordings: int = 0
    """Recordings that they are from."""
    species: tuple[str, ...] = ()
    """Names of their species."""
    left_out: list[tuple[str, str]] = field(default_factory=list)
    """Recordings and windows that are not in it, and folders without a usable recording, each with the reason."""
    ignored: list[tuple[str, str]] = field(default_factory=list)
    """What is no recording, each with the reason."""
    unused_seconds: float = 0.0
    """Length of what is not in it because a recording is longer than a clip."""

    def leave_out(self, name: str, reason: str) -> None:
        """Note and log what should have been in the corpus."""
        self.left_out.append((name, reason))
        log.warning("Left out %s: %s", name, reason)

    def __str__(self) -> str:
        clips = "" if self.clips == self.recordings else f"{self.clips:,} clips of "
        said = f"{clips}{self.recordings:,} recordings of {len(self.species)} species, {len(self.left_out)} left out"
        return said + (f", {len(self.ignored)} files that are no recordings" if self.ignored else "")


def write_recorded_corpus(
    path: str | os.PathLike[str], folder: str | os.PathLike[str], seed: int, windows: Windows = "first"
) -> Survey:
    """Turn recordings into a corpus: mono, resampled, cut or padded to 500 frames (11.6 s), split 70/15/15.

    Each folder in ``folder`` is a species, in alphabetical order. A file is a recording by its content, whatever it is
    called. One that cannot be read or is shorter than 50 ms, and windows that are silent or hold NaN, are left out and
    logged as warnings; what is no recording is counted. All clips of a recording are in the same split.

    Args:
        path: File to write, atomically.
        folder: Folder of folders.
        seed: Seed of the split, 0 <= seed < 2^32.
        windows: What becomes of a recording that is longer than a clip.

    Raises:
        ConfigError: soundfile or soxr is not installed.
        DataError: No folder, two spellings of a species, fewer than two species with a usable recording, or none with
            three.
        FileSystemError: The file cannot be written.
    """
    require_packages()
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"source={folder.absolute()} is not a folder; give a folder with a folder for each species")
    survey = Survey()
    taken: list[tuple[Clip, int, int, str]] = []  # clip, species, number and name of its recording
    species: list[str] = []
    for entry in sorted(folder.iterdir()):
        if not entry.is_dir() or is_of_the_system(entry.name):
            _ignore(survey, entry, entry.name, "lies beside the folders of the species")
    for bird, homes in species_folders(folder).items():
        before = survey.recordings
        if len(homes) > 1:
            log.info("%d folders are called %s, in different encodings: they are one species", len(homes), bird)
        for name, found in _clips(homes, windows, survey):
            taken += [(clip, len(species), survey.recordings, name) for clip in found]
            survey.recordings += 1
        if survey.recordings > before:
            species.append(bird)
        else:
            survey.leave_out(f"{bird}/", "no usable recording")
    if len(species) < 2:
        raise DataError(
            f"{folder.absolute()} has recordings of {len(species)} species ({len(survey.left_out)} entries left out), "
            f"needs 2 or more: put them into FOLDER/<species>/*{'|'.join(SOUNDS)}"
        )
    clips, labels, recordings, files = zip(*taken, strict=True)
    write_corpus(
        path, np.stack([clip.features for clip in clips]), np.array(labels), species, RECORDED, seed=seed,
        files=files, starts=[round(clip.start, 3) for clip in clips], recordings=np.array(recordings),
    )  # fmt: skip
    survey.clips, survey.species = len(taken), tuple(species)
    _log_rest(survey, windows)
    return survey


def _clips(homes: Iterable[Path], windows: Windows, survey: Survey) -> Iterator[tuple[str, list[Clip]]]:
    """Name and clips of each usable recording of a species."""
    for file in sorted(entry for home in homes for entry in home.iterdir()):
        name = f"{file.parent.name}/{file.name}"
        if is_of_the_system(file.name):
            _ignore(survey, file, name, "")
            continue
        if file.is_dir() and not is_called_sound(file.name):
            survey.leave_out(f"{name}/", "is a folder within that of a species; put its recordings beside it")
            continue
        try:
            recording = Recording(file, RECORDED)
            chosen, problems = choose(recording.windows(), windows)
        except UnusableError as reason:
            if is_called_sound(file.name):
                survey.leave_out(name, str(reason))
            else:
                _ignore(survey, file, name, "is no recording")
            continue
        for note in recording.notes:
            log.warning("%s: %s", name, note)
        for window in problems if chosen else problems[:1]:
            where = f" from {window.start:.1f} to {window.end:.1f} s" if chosen else ""
            survey.leave_out(f"{name}{where}", str(window.problem))
        if chosen:
            used = sum(clip.end - clip.start for clip in chosen)
            survey.unused_seconds += max(0.0, recording.seconds - used) if windows != "all" else 0.0
            yield name, chosen


def choose(found: Iterable[Window], windows: Windows) -> tuple[list[Clip], list[Window]]:
    """The windows of a recording that become clips, and those that cannot.

    Args:
        found: In their order; one at a time is held.
        windows: ``all``, but for a last one of which less than :data:`NEW` is new; ``first``: the first that has no
            problem, so that a silent beginning is skipped; ``loudest``: the one with the most energy.
    """
    chosen: list[Clip] = []
    problems: list[Window] = []
    loudest, most = None, -1.0
    for window in found:
        energy = float(window.wave @ window.wave)
        if window.problem:
            problems.append(window)
        elif windows == "first":
            return [Clip.of(window)], []
        elif windows == "all":
            if not chosen or window.end - chosen[-1].end >= NEW * (window.end - window.start):
                chosen.append(Clip.of(window))
        elif energy > most:
            loudest, most = window, energy
    if loudest is not None:
        return [Clip.of(loudest)], []
    return chosen, problems


def _ignore(survey: Survey, file: Path, name: str, reason: str) -> None:
    """Count what is no recording; a recording that lies in a wrong place is left out by name."""
    system = is_of_the_system(file.name)
    if not system and is_called_sound(file.name):
        survey.leave_out(name, f"{reason}; put it into one of them")
    else:
        survey.ignored.append((name, "is a file of an operating system" if system else reason))


def _log_rest(survey: Survey, windows: Windows) -> None:
    """What was not used for other reasons than faults."""
    if survey.ignored:
        names = ", ".join(name for name, _ in survey.ignored[:_EXAMPLES])
        more = ", ..." if len(survey.ignored) > _EXAMPLES else ""
        log.info("%d files are no recordings: %s%s", len(survey.ignored), names, more)
    if survey.unused_seconds >= 1:
        minutes = survey.unused_seconds / 60
        log.info(
            "%.1f minutes of longer recordings are not in a clip (windows=%s); windows=all takes all", minutes, windows
        )
