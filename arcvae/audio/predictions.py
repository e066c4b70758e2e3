"""What a classifier says of the recordings in a folder, window by window."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from arcvae.audio.classifier import ClipClassifier
from arcvae.audio.corpus.listing import files_below, is_called_sound, is_of_the_system
from arcvae.audio.features.recording import Recording, UnusableError, require_packages
from arcvae.errors import DataError
from arcvae.training.predictions import LeftOut, Prediction
from arcvae.training.predictor import Decision

log = logging.getLogger(__name__)

_WINDOWS: Final = 16
"""Windows that are classified at once."""


def predict_recordings(
    classifier: ClipClassifier, source: Path, *, overlap: float, decision: Decision
) -> Iterator[Prediction | LeftOut]:
    """Classify recordings in windows of the length of a clip, their features computed as for training.

    Memory is that of a few windows, whatever the length of a recording.

    Args:
        classifier: Knows how its features were computed.
        source: A recording, or a folder in which they are looked for to the bottom.
        overlap: Share of a window that is also in the one before, [0, 1).
        decision: See :meth:`arcvae.training.predictor.Predictor.predict`.

    Raises:
        CheckpointError: The classifier does not know that, or has no logit adjustment.
        ConfigError: soundfile or soxr is not installed.
        DataError: The folder is empty.
    """
    require_packages()
    settings = classifier.require_settings()
    classifier.require_decision(decision)
    files = list(files_below(source)) if source.is_dir() else [source]
    if not files:
        raise DataError(f"source={source.absolute()} is empty; give a recording, or a folder of them")
    sizes = [max(1, file.stat().st_size) if file.is_file() else 1 for file in files]
    whole = sum(sizes)
    for file, size, before in zip(files, sizes, itertools.accumulate(sizes, initial=0), strict=False):
        name = file.name if file == source else file.relative_to(source).as_posix()
        if file != source and is_of_the_system(file.name):
            yield LeftOut(name, "is a file of an operating system", expected=True)
            continue
        try:
            recording = Recording(file, settings)
            for note in recording.notes:
                log.warning("%s: %s", name, note)
            windows = recording.windows(overlap)
            while batch := list(itertools.islice(windows, _WINDOWS)):
                waves = [window.wave for window in batch if not window.problem]
                found = iter(classifier.probabilities_of(waves, decision) if waves else ())
                for window in batch:
                    if window.problem:
                        yield LeftOut(f"{name} from {window.start:.1f} to {window.end:.1f} s", window.problem)
                        continue
                    done = (before + size * window.end / recording.seconds) / whole
                    yield Prediction(name, window.start, window.end, next(found), done)
        except UnusableError as reason:
            expected = file != source and not is_called_sound(file.name)
            yield LeftOut(name, str(reason), expected=expected)
