"""A trained classifier of clips in use; what its file says of it is checked before anything is built."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from arcvae.audio.features.mfcc import Floats, MfccSettings, mfcc, with_deltas
from arcvae.audio.features.recording import RATES, SHORTEST, channel_alone, is_silent, mixed, resampled, window_starts
from arcvae.audio.model import AudioCNN, AudioCNNv2, MfccNet
from arcvae.audio.settings import SETTINGS
from arcvae.errors import CheckpointError, DataError
from arcvae.io.exports import INSTEAD
from arcvae.io.tensors import fill
from arcvae.training.described import build_described
from arcvae.training.predictor import Decision, Predictor

MODELS: Final[Mapping[str, Callable[..., MfccNet]]] = {
    f"{model.__module__}.{model.__qualname__}": model for model in (AudioCNN, AudioCNNv2)
}
"""Classes that a file may name."""


class ClipClassifier(Predictor):
    """A classifier of features as a corpus holds them, ``(N, 20, T)``, or ``(N, 3, 20, T)`` with both deltas, and of
    waveforms.

    A waveform, ``(L,)`` or ``(L, channels)`` floating point in [-1, 1] with its ``rate``, is cut into windows of the
    length of a clip; each of them is a sample. Channels are averaged, unless they cancel each other out. Nothing can be
    said of a window that is silent: ``arcvae.predict`` leaves it out, here it keeps its place, with the class -1, None
    for a name and NaN for probabilities, and a warning counts such windows.

    Args:
        model: See :class:`~arcvae.training.predictor.Predictor`, for all that is not named here.
        settings: How the features were computed; None: only features can be classified.
        channels: Of the features that the model takes, 1 or 3.

    Example:
        >>> from arcvae.audio.model import AudioCNN
        >>> from arcvae.audio.features.mfcc import SYNTHETIC
        >>> robins = ClipClassifier(AudioCNN(2, widths=[4]), ["robin", "wren"], settings=SYNTHETIC, channels=1)
        >>> song = np.sin(np.arange(10 * 8000))
        >>> robins.predict(song, 8000).shape  # ten seconds are two windows of four, and a last one
        (3,)
    """

    def __init__(self, *arguments: Any, settings: MfccSettings | None, channels: int, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.settings, self.channels = settings, channels

    def predict(
        self, samples: Any, rate: float | None = None, *, decision: Decision = "argmax", overlap: float = 0.0
    ) -> Any:
        """The class of each clip.

        Args:
            samples: Features; or, with a ``rate``, a waveform.
            rate: Samples per second.
            decision: See :class:`~arcvae.training.predictor.Predictor`.
            overlap: Share of a window that is also in the one before, [0, 1).

        Returns:
            ``(N,)`` int64 in [0, C); for a waveform, N windows, -1 for a silent one.

        Raises:
            CheckpointError: The file of the model does not say how its features were computed.
            ConfigError: A waveform of another rate than the features, and soxr is not installed.
            DataError: Another type or shape, a waveform of less than 50 ms, or an overlap that is none.
        """
        features, silent = self._features(samples, rate, overlap)
        classes = super().predict(features, decision=decision)
        classes[silent] = -1
        return classes

    def names(
        self, samples: Any, rate: float | None = None, *, decision: Decision = "argmax", overlap: float = 0.0
    ) -> list[Any]:
        """The species of each clip, None for a silent window; arguments as for :meth:`predict`."""
        features, silent = self._features(samples, rate, overlap)
        found: list[Any] = [*super().names(features, decision=decision)]
        for index in silent:
            found[index] = None
        return found

    def probabilities(
        self, samples: Any, rate: float | None = None, *, decision: Decision = "argmax", overlap: float = 0.0
    ) -> Any:
        """Probabilities ``(N, C)``, NaN for a silent window; arguments as for :meth:`predict`."""
        features, silent = self._features(samples, rate, overlap)
        found = super().probabilities(features, decision=decision)
        found[silent] = math.nan
        return found

    def probabilities_of(self, waves: Sequence[Floats], decision: Decision) -> NDArray[np.float32]:
        """Probabilities ``(N, C)`` of windows, each ``(L,)`` at the rate of the features."""
        settings = self.require_settings()
        # As a corpus stores them, and one by one: the bytes must not depend on how many there are.
        features = np.stack([mfcc(wave[None], settings)[0].astype(np.float32) for wave in waves])  # (N, F, T)
        found: NDArray[np.float32] = super().probabilities(
            features if self.channels == 1 else with_deltas(features), decision=decision
        )
        return found

    def require_settings(self) -> MfccSettings:
        """How the features were computed.

        Raises:
            CheckpointError: The file of the model does not say it.
        """
        if self.settings is None:
            raise CheckpointError(f"{self.path} does not say how its features were computed; train it again for that")
        return self.settings

    def _features(self, samples: Any, rate: float | None, overlap: float) -> tuple[Any, list[int]]:
        """Features of the windows of a waveform, and which of them are silent; features stay what they are."""
        if rate is None:
            return samples, []
        settings = self.require_settings()
        wave = _waveform(samples)  # (L, channels)
        if not RATES[0] <= rate <= RATES[1]:
            raise DataError(f"rate={rate} is that of no recorder, expected {RATES[0]:,} to {RATES[1]:,} Hz")
        if not 0 <= overlap < 1:
            raise DataError(f"overlap={overlap} must lie in [0, 1)")
        if len(wave) < SHORTEST * rate:
            raise DataError(f"the waveform is {len(wave) / rate:.3f} s long, needs {SHORTEST:g} s")
        mono = mixed(wave, channel_alone(wave.T @ wave, wave.sum(0), len(wave)))
        span = settings.seconds * rate
        starts = window_starts(len(mono), span, overlap)
        silent = [index for index, start in enumerate(starts) if is_silent(mono[start : start + int(span)])]
        if silent:
            warnings.warn(f"{len(silent)} of {len(starts)} windows are silent: nothing is said of them", stacklevel=3)
        windows = [resampled(mono[start : start + int(span) + int(rate)], rate, settings) for start in starts]
        features = np.stack([mfcc(window[None], settings)[0].astype(np.float32) for window in windows])  # (N, F, T)
        if self.channels != 1:
            features = with_deltas(features).astype(np.float32)  # (N, 3, F, T)
        given = torch.from_numpy(features).to(samples.device) if isinstance(samples, torch.Tensor) else features
        return given, silent


def _waveform(samples: Any) -> NDArray[np.float64]:
    """A waveform as ``(L, channels)``."""
    wave = samples.detach().cpu().numpy() if isinstance(samples, torch.Tensor) else np.asarray(samples)
    if wave.dtype.kind != "f":
        raise DataError(f"the waveform has dtype {wave.dtype}, expected floating point in [-1, 1]")
    if wave.ndim not in (1, 2) or not wave.size or (wave.ndim == 2 and wave.shape[0] < wave.shape[1]):
        raise DataError(f"the waveform has shape {wave.shape}, expected (L,) or (L, channels)")
    if not np.isfinite(wave).all():
        raise DataError("the waveform must be finite")
    found: NDArray[np.float64] = wave.reshape(len(wave), -1).astype(np.float64)
    return found


def load_classifier(
    export: Mapping[str, Any], path: Path, *, model: Callable[..., MfccNet] | None = None, device: str = "cpu"
) -> ClipClassifier:
    """Build the classifier that an export describes; :func:`arcvae.load` reads the export first.

    Args:
        export: What :func:`arcvae.io.exports.read_export` returns.
        path: File that it is from, for messages.
        model: Class of the model, if it is your own; called with the values of the export's ``model`` node.
        device: Device to compute on, for example ``"cuda"``.

    Returns:
        A classifier of waveforms, and of features as a corpus holds them.

    Raises:
        CheckpointError: Weights of another architecture, a class that is not known, or values out of range.
    """
    known = MODELS.get(str(export["model"].get("_target_")))
    network: MfccNet = build_described(export["model"], path, known, SETTINGS, model, state=export["state_dict"])
    fill(network, export["state_dict"], path)
    channels, coefficients, _ = network.mean.shape
    shapes: list[tuple[int | str, ...]] = [(channels, coefficients, "T")]
    if channels == 1:
        shapes.insert(0, (coefficients, "T"))
    return ClipClassifier(
        network.to(device),
        export.get("class_names"),
        logit_adjustment=export.get("logit_adjustment"),
        sample_shapes=shapes if model is None else None,
        path=path,
        settings=_settings(export.get("preprocessing"), path),
        channels=channels,
    )


def _settings(preprocessing: Mapping[str, Any] | None, path: Path) -> MfccSettings | None:
    """How the features were computed, if the file says so."""
    if not preprocessing:
        return None
    try:
        return MfccSettings.of(preprocessing.get("mfcc"))
    except ValueError as error:
        raise CheckpointError(f"{path}: preprocessing.mfcc {error}; {INSTEAD}") from None
