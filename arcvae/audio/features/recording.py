"""Reading recordings of any format, rate, length and number of channels, a window at a time."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from arcvae.audio.features.headers import mended
from arcvae.audio.features.mfcc import Floats, MfccSettings
from arcvae.errors import ArcvaeError, ConfigError, DataError
from arcvae.io.door import opened

SHORTEST: Final = 0.05
"""Seconds; a shorter recording cannot be used."""
SILENCE: Final = 1e-4
"""Amplitude (-80 dB of full scale) around its mean that a window must reach somewhere, or it counts as silent."""
RATES: Final = (4_000, 1_000_000)
"""Samples per second, from poorer than a telephone to recorders of bats."""
CANCELLED: Final = 0.25
"""Channels cancel each other out if their mean has less than this share of the energy that it would have if they had
nothing to do with each other: for two, a correlation below -.75."""
_BLOCK: Final = 1 << 14


class UnusableError(Exception):
    """Why a recording cannot be used, as the end of a sentence about it."""


@dataclass(frozen=True)
class Window:
    """A part of a recording, as long as a clip or, at the end of a short recording, shorter.

    Args:
        start: Seconds from the beginning of the recording.
        end: The same.
        wave: ``(L,)`` float64, mono, at the rate of the features.
        problem: Why nothing can be learned from it or said of it, or None.
    """

    start: float
    end: float
    wave: NDArray[np.float64]
    problem: str | None


class Recording:
    """A recording that has been looked through once, from beginning to end; its windows are read again from the file.

    Nothing is believed that only a name, a header or a beginning says. Channels are averaged, unless they cancel each
    other out (one of them inverted): then the strongest one is taken alone. Memory is that of one window.

    Args:
        path: Anything that libsndfile decodes, by its content.
        settings: Rate of the features and length of a clip.

    Raises:
        UnusableError: It cannot be read, is too short, or has a rate that no recorder has.
    """

    def __init__(self, path: Path, settings: MfccSettings) -> None:
        self.path, self.settings = path, settings
        self.notes: list[str] = []
        """What is odd about it, each as a sentence."""
        with _sound(path) as (sound, note):
            self.rate = int(sound.samplerate)
            if not RATES[0] <= self.rate <= RATES[1]:
                raise UnusableError(f"claims a rate of {self.rate:,} Hz; a recording has {RATES[0]:,} to {RATES[1]:,}")
            self.frames, self.channel = _measured(sound)
        if note:
            self.notes.append(note)
        if self.frames < SHORTEST * self.rate:
            raise UnusableError(f"is {self.frames / self.rate:.3f} s long, needs {SHORTEST:g} s")
        if self.channel is not None:
            self.notes.append(f"its channels cancel each other out, channel {self.channel + 1} is taken alone")

    @property
    def seconds(self) -> float:
        """Length of what can be decoded."""
        return self.frames / self.rate

    def windows(self, overlap: float = 0.0) -> Iterator[Window]:
        """All windows in their order; the last one ends with the recording.

        Args:
            overlap: Share of a window that is also in the one before, [0, 1).

        Raises:
            UnusableError: It can no longer be read.
        """
        span = self.settings.seconds * self.rate  # samples of a window, not always a whole number
        take = int(span) + self.rate  # a second more, for the filter that resamples
        starts = window_starts(self.frames, span, overlap)
        with _sound(self.path) as (sound, _):
            base, held = 0, np.empty(0)  # what has been read, from sample number `base` on
            for start in starts:
                parts, there = [held[start - base :]], base + len(held)
                while there < start + take and len(block := _block(sound)):
                    parts.append(mixed(block, self.channel))
                    there += len(block)
                base, held = start, np.concatenate(parts)
                end = min(start + span, self.frames) / self.rate
                yield self._window(start / self.rate, end, held[:take], int(span))

    def _window(self, start: float, end: float, wave: NDArray[np.float64], span: int) -> Window:
        if not np.isfinite(wave).all():
            return Window(start, end, np.empty(0), "holds samples that are not finite")
        if is_silent(wave[:span]):
            return Window(start, end, np.empty(0), "is silent")
        return Window(start, end, resampled(wave, self.rate, self.settings), None)


def is_silent(wave: NDArray[np.float64]) -> bool:
    """Whether a window ``(L,)``, L >= 1, in [-1, 1] counts as silent.

    Example:
        >>> is_silent(np.full(9, 0.5)), is_silent(np.array([0.0, 0.001]))  # an offset of the microphone is no sound
        (True, False)
    """
    return bool(np.ptp(wave) < 2 * SILENCE)


def window_starts(frames: int, span: float, overlap: float) -> list[int]:
    """First samples of the windows over a recording.

    Args:
        frames: Samples of the recording, > 0.
        span: Samples of a window, > 0.
        overlap: Share of a window that is also in the one before, [0, 1).

    Example:
        >>> window_starts(10, 4.0, 0.0), window_starts(10, 4.0, 0.5), window_starts(3, 4.0, 0.5)
        ([0, 4, 6], [0, 2, 4, 6], [0])
    """
    hop = span * (1 - overlap)
    count = 1 + max(0, math.ceil((frames - math.ceil(span)) / hop))  # a part of a sample makes no window
    last = max(0, frames - int(span))
    return [min(round(index * hop), last) for index in range(count)]


def channel_alone(products: Floats, sums: Floats, frames: int) -> int | None:
    """The strongest of channels that cancel each other out, or None if their mean is what to listen to.

    Args:
        products: Sums of the products of channels over samples, ``(channels, channels)``.
        sums: Sums of the channels over samples, ``(channels,)``.
        frames: Samples.

    Example:
        >>> channel_alone(np.array([[1.0, -1.0], [-1.0, 1.1]]), np.zeros(2), 9)
        1
    """
    products = products - np.outer(sums, sums) / max(1, frames)  # an offset of the microphone is no sound
    energies = products.diagonal()
    if len(energies) < 2 or products.mean() >= CANCELLED * energies.sum() / len(energies) ** 2:
        return None
    return int(energies.argmax())


def mixed(block: NDArray[np.float64], channel: int | None) -> NDArray[np.float64]:
    """Samples ``(L, channels)`` as ``(L,)``: one channel, or the mean of all if None."""
    channels = block.shape[1]
    return block @ np.full(channels, 1 / channels) if channel is None else block[:, channel]


def resampled(wave: NDArray[np.float64], rate: float, settings: MfccSettings) -> NDArray[np.float64]:
    """A wave ``(L,)`` at ``rate`` as ``(M,)`` at ``settings.sample_rate``, M <= ``settings.samples``.

    Raises:
        ConfigError: Another rate, and soxr is not installed.
    """
    if rate != settings.sample_rate:
        require_packages()
        import soxr

        wave = soxr.resample(wave, rate, settings.sample_rate)
    return wave[: settings.samples]


@contextmanager
def _sound(path: Path) -> Iterator[tuple[Any, str | None]]:
    """A recording open for decoding, and what was wrong with its header."""
    import soundfile

    try:
        # By handle: a named pipe would hang libsndfile, and by name it takes some files for what their name says.
        with opened(path, DataError, "a recording") as file:
            content, note = mended(file)
            with soundfile.SoundFile(content) as sound:
                yield sound, note
    except (ArcvaeError, OSError, RuntimeError, ValueError) as error:  # soundfile's own errors are RuntimeErrors
        raise UnusableError(f"cannot be read ({' '.join(str(error).split())})") from None


def _block(sound: Any, dtype: str = "float64") -> NDArray[Any]:
    """The next samples, ``(n, channels)``; none at the end."""
    block: NDArray[Any] = sound.read(_BLOCK, dtype=dtype, always_2d=True)
    return block


def _measured(sound: Any) -> tuple[int, int | None]:
    """Samples that can be decoded, and the channel to take alone."""
    frames, products, sums = 0, np.zeros((sound.channels, sound.channels)), np.zeros(sound.channels)
    while len(block := _block(sound, "float32")):
        frames += len(block)
        if sound.channels > 1:
            if not np.isfinite(block).all():
                block = np.nan_to_num(block, nan=0.0, posinf=0.0, neginf=0.0)
            products += block.T @ block
            sums += np.ones(len(block), np.float32) @ block
    return frames, channel_alone(products, sums, frames)


def require_packages() -> None:
    """Refuse to go on without the packages that read recordings.

    Raises:
        ConfigError: One is not installed.
    """
    try:
        import soundfile  # noqa: F401
        import soxr  # noqa: F401
    except (ImportError, OSError) as error:  # OSError: no libsndfile on this system
        raise ConfigError(
            f"recordings need soundfile and soxr ({error}): python -m pip install 'arcvae[audio]'"
        ) from None
