"""MFCC features and their deltas in NumPy, equal to those of librosa.

Written here because the built-in corpus needs them by the thousand, and librosa brings a compiler (numba) that takes
seconds to start and that nothing else needs.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]

DELTA_WIDTH: Final = 9
"""Frames that a delta looks at; librosa's default."""
_FLOOR: Final = 1e-10
"""Smallest power that is converted to decibels; what is below counts as this."""
_DYNAMIC_RANGE: Final = 80.0
"""Decibels below the loudest point of a clip to which everything quieter is raised."""

_LARGEST: Final = 10_000_000
"""Of any setting: beyond it, a file asks for memory that nobody has."""


@dataclass(frozen=True)
class MfccSettings:
    """How a clip becomes a matrix ``(n_mfcc, frames)``.

    Args:
        sample_rate: Samples per second, > 0.
        n_fft: Samples of a window, > 0, even.
        hop_length: Samples from one frame to the next, > 0.
        n_mels: Mel bands, >= ``n_mfcc``.
        n_mfcc: F, coefficients kept, > 0.
        frames: T, frames of a clip, at least :data:`DELTA_WIDTH`.
    """

    sample_rate: int = 22_050
    n_fft: int = 2048
    hop_length: int = 512
    n_mels: int = 128
    n_mfcc: int = 20
    frames: int = 500

    @classmethod
    def of(cls, node: Any) -> MfccSettings:
        """The settings that a file holds as a mapping.

        Raises:
            ValueError: What is wrong with them.
        """
        try:
            settings = cls(**node)
        except TypeError:
            raise ValueError("is no mapping of mfcc settings") from None
        if not all(type(value) is int and 0 < value <= _LARGEST for value in asdict(settings).values()):
            raise ValueError("has a setting that is not a positive whole number")
        return settings

    @property
    def samples(self) -> int:
        """Samples that give exactly ``frames`` frames, which are centred on their samples."""
        return (self.frames - 1) * self.hop_length

    @property
    def seconds(self) -> float:
        """Length of a clip."""
        return self.samples / self.sample_rate


RECORDED: Final = MfccSettings()
"""For recordings: librosa's defaults, 11.6 s to a clip."""
SYNTHETIC: Final = MfccSettings(sample_rate=8000, n_fft=256, hop_length=64, n_mels=40)
"""For synthetic clips: 4 s of songs below 4 kHz; an eighth of the samples, so that 11,000 clips take half a minute."""


def fit_length(waves: Floats, samples: int) -> Floats:
    """Clips ``(*, L)`` as ``(*, samples)``: cut off at the end, or padded there with silence.

    Example:
        >>> fit_length(np.array([1.0, 2.0, 3.0]), 2), fit_length(np.array([1.0, 2.0]), 3)
        (array([1., 2.]), array([1., 2., 0.]))
    """
    missing = samples - waves.shape[-1]
    if missing <= 0:
        return waves[..., :samples]
    return np.pad(waves, [(0, 0)] * (waves.ndim - 1) + [(0, missing)])


def mfcc(waves: Floats, settings: MfccSettings) -> Floats:
    """Mel-frequency cepstral coefficients of clips.

    Power spectrum of Hann windows, Slaney's mel bands, decibels down to 80 below the loudest point of each clip,
    orthonormal DCT-II. Computed in the precision of ``waves``.

    Args:
        waves: ``(N, L)`` float32 or float64, finite; cut or padded to ``settings.samples``.
        settings: See :class:`MfccSettings`.

    Returns:
        ``(N, F, T)``, the dtype of ``waves``. Each clip is what
        ``librosa.feature.mfcc(y=wave, sr=..., n_mfcc=..., n_fft=..., hop_length=..., n_mels=...)`` gives for it.

    References:
        Davis & Mermelstein 1980; Slaney 1998, "Auditory Toolbox" (the mel bands).

    Example:
        >>> tone = np.sin(2 * np.pi * 1000 * np.arange(8000) / 8000)[None]
        >>> mfcc(tone, SYNTHETIC).shape
        (1, 20, 500)
    """
    dtype = np.float64 if waves.dtype == np.float64 else np.float32
    waves = fit_length(waves.astype(dtype, copy=False), settings.samples)
    half = settings.n_fft // 2
    padded = np.pad(waves, ((0, 0), (half, half)))
    frames = np.lib.stride_tricks.sliding_window_view(padded, settings.n_fft, axis=1)[:, :: settings.hop_length]
    spectra = np.fft.rfft(frames * _hann(settings.n_fft).astype(dtype), axis=2)  # (N, T, n_fft / 2 + 1)
    power = spectra.real**2 + spectra.imag**2
    mel = power @ _mel_bands(settings.sample_rate, settings.n_fft, settings.n_mels).astype(dtype)  # (N, T, bands)
    decibels = 10 * np.log10(np.maximum(mel, _FLOOR))
    decibels = np.maximum(decibels, decibels.max((1, 2), keepdims=True) - _DYNAMIC_RANGE)
    cosines = _dct(settings.n_mels, settings.n_mfcc).astype(dtype)
    return np.ascontiguousarray((decibels @ cosines).transpose(0, 2, 1))  # (N, F, T)


def with_deltas(features: Floats) -> Floats:
    """MFCCs ``(N, F, T)`` with their first and second time derivative as channels, ``(N, 3, F, T)``.

    Example:
        >>> ramp = np.arange(12.0).reshape(1, 1, 12)
        >>> with_deltas(ramp)[0, 1:, 0, 0]
        array([1., 0.])
    """
    return np.stack([features, delta(features, 1), delta(features, 2)], axis=1)


def delta(features: Floats, order: int) -> Floats:
    """Derivative in time: that of a polynomial of degree ``order`` fitted to nine frames.

    Args:
        features: ``(*, T)``, T >= 9.
        order: 1 or 2.

    Returns:
        The same shape; equal to ``librosa.feature.delta(features, order=order)``. That derivative is constant over
        the frames of a fit, so the first four frames have that of the first fit, and the last four that of the last.

    Raises:
        ValueError: Another order, or too few frames.

    References:
        Savitzky & Golay 1964.
    """
    if order not in (1, 2):
        raise ValueError(f"order must be 1 or 2, got {order}")
    if features.shape[-1] < DELTA_WIDTH:
        raise ValueError(f"a delta needs {DELTA_WIDTH} frames, got {features.shape[-1]}")
    reach = DELTA_WIDTH // 2
    k = np.arange(-reach, reach + 1.0)
    if order == 1:
        weights = k / (k**2).sum()
    else:
        weights = 2 * (DELTA_WIDTH * k**2 - (k**2).sum()) / (DELTA_WIDTH * (k**4).sum() - (k**2).sum() ** 2)
    inner = features.shape[-1] - 2 * reach
    total = np.zeros((*features.shape[:-1], inner), dtype=features.dtype)
    for index, weight in enumerate(weights.astype(features.dtype)):
        total += weight * features[..., index : index + inner]
    return np.pad(total, [(0, 0)] * (features.ndim - 1) + [(reach, reach)], mode="edge")


@lru_cache(maxsize=8)
def _hann(length: int) -> NDArray[np.float64]:
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)


@lru_cache(maxsize=8)
def _mel_bands(sample_rate: int, n_fft: int, n_mels: int) -> NDArray[np.float64]:
    """Triangles over the bins of a spectrum, each of area 1 in hertz, ``(n_fft / 2 + 1, n_mels)``."""
    edges = _to_hertz(np.linspace(0.0, _to_mel(sample_rate / 2), n_mels + 2))
    bins = np.fft.rfftfreq(n_fft, 1 / sample_rate)[:, None]  # (bins, 1)
    rising = (bins - edges[:-2]) / np.diff(edges)[:-1]
    falling = (edges[2:] - bins) / np.diff(edges)[1:]
    return np.maximum(0.0, np.minimum(rising, falling)) * 2 / (edges[2:] - edges[:-2])


# Slaney's scale: linear up to 1000 Hz at 3 mel to 200 Hz, logarithmic above.
_LINEAR: Final = 200 / 3
_BREAK_HERTZ: Final = 1000.0
_BREAK_MEL: Final = _BREAK_HERTZ / _LINEAR
_LOG_STEP: Final = math.log(6.4) / 27


def _to_mel(hertz: float) -> float:
    if hertz < _BREAK_HERTZ:
        return hertz / _LINEAR
    return _BREAK_MEL + math.log(hertz / _BREAK_HERTZ) / _LOG_STEP


def _to_hertz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    above = _BREAK_HERTZ * np.exp(_LOG_STEP * (mel - _BREAK_MEL))
    return np.where(mel < _BREAK_MEL, mel * _LINEAR, above)


@lru_cache(maxsize=8)
def _dct(size: int, kept: int) -> NDArray[np.float64]:
    """The first ``kept`` rows of the orthonormal DCT-II, as columns: ``(size, kept)``."""
    angles = np.pi / size * (np.arange(size)[:, None] + 0.5) * np.arange(kept)
    scale = np.full(kept, math.sqrt(2 / size))
    scale[0] = math.sqrt(1 / size)
    columns: NDArray[np.float64] = np.cos(angles) * scale
    return columns
