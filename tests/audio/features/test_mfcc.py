"""MFCCs and deltas against librosa, and how clips are brought to length."""

from __future__ import annotations

import librosa  # compiles for half a minute when first used in a new environment: its tests are slow
import numpy as np
import pytest

from arcvae.audio.features.mfcc import RECORDED, SYNTHETIC, MfccSettings, delta, fit_length, mfcc, with_deltas

RNG = np.random.default_rng(3)


def theirs(wave: np.ndarray, settings: MfccSettings) -> np.ndarray:
    return librosa.feature.mfcc(
        y=wave, sr=settings.sample_rate, n_mfcc=settings.n_mfcc, n_fft=settings.n_fft,
        hop_length=settings.hop_length, n_mels=settings.n_mels,
    )  # fmt: skip


def sounds(settings: MfccSettings) -> dict[str, np.ndarray]:
    time = np.arange(settings.samples) / settings.sample_rate
    chirp = np.sin(2 * np.pi * (300 + 200 * time) * time) * np.hanning(len(time))
    return {
        "noise": 0.1 * RNG.standard_normal(settings.samples),
        "chirp": chirp + 0.001 * RNG.standard_normal(settings.samples),
        # Far below the loudest point, where the 80 dB cut it off.
        "burst": np.where((time > 1) & (time < 1.1), chirp, 0),
        "faint": 1e-6 * RNG.standard_normal(settings.samples),
    }


@pytest.mark.slow
@pytest.mark.parametrize("settings", [RECORDED, SYNTHETIC], ids=["recorded", "synthetic"])
@pytest.mark.parametrize("name", ["noise", "chirp", "burst", "faint"])
def test_mfcc_is_that_of_librosa(settings: MfccSettings, name: str) -> None:
    wave = sounds(settings)[name]
    ours = mfcc(wave[None], settings)
    assert ours.shape == (1, 20, 500)
    assert ours.dtype == np.float64
    assert np.abs(ours[0] - theirs(wave, settings)).max() < 1e-4


@pytest.mark.slow
def test_single_precision_is_enough_for_noisy_clips() -> None:
    waves = np.stack([sounds(SYNTHETIC)[name] for name in ("noise", "chirp")]).astype(np.float32)
    ours = mfcc(waves, SYNTHETIC)
    assert ours.dtype == np.float32
    for wave, features in zip(waves, ours, strict=True):
        assert np.abs(features - theirs(wave.astype(np.float64), SYNTHETIC)).max() < 1e-3


def test_a_clip_does_not_depend_on_the_others_in_its_batch() -> None:
    # One cut at 80 dB below the loudest point of the whole batch would flatten the faint clip.
    both = np.stack([sounds(SYNTHETIC)["noise"] * 100, sounds(SYNTHETIC)["faint"]])
    assert np.array_equal(mfcc(both, SYNTHETIC)[1], mfcc(both[1:], SYNTHETIC)[0])


@pytest.mark.slow
@pytest.mark.parametrize("order", [1, 2])
def test_delta_is_that_of_librosa(order: int) -> None:
    features = RNG.standard_normal((2, 20, 60)) * 50
    assert np.abs(delta(features, order) - librosa.feature.delta(features, order=order)).max() < 1e-4


def test_channels_are_features_and_both_deltas() -> None:
    features = RNG.standard_normal((2, 20, 30)).astype(np.float32)
    channels = with_deltas(features)
    assert channels.shape == (2, 3, 20, 30)
    assert channels.dtype == np.float32
    for index, expected in enumerate((features, delta(features, 1), delta(features, 2))):
        assert np.array_equal(channels[:, index], expected)


def test_delta_refuses_what_it_cannot_do() -> None:
    with pytest.raises(ValueError, match="needs 9 frames, got 8"):
        delta(np.zeros((1, 8)), 1)
    with pytest.raises(ValueError, match="order must be 1 or 2, got 3"):
        delta(np.zeros((1, 9)), 3)


@pytest.mark.parametrize("seconds", [0.2, 3.992, 9.0])
def test_any_length_gives_500_frames(seconds: float) -> None:
    wave = RNG.standard_normal(int(seconds * 8000))
    features = mfcc(wave[None], SYNTHETIC)
    assert features.shape == (1, 20, 500)
    fitted = fit_length(wave, SYNTHETIC.samples)
    assert len(fitted) == SYNTHETIC.samples == 499 * 64
    assert np.array_equal(fitted[: len(wave)], wave[: len(fitted)])
    assert not fitted[len(wave) :].any()
    assert np.array_equal(features, mfcc(fitted[None], SYNTHETIC))


def test_silence_has_features_without_nan() -> None:
    features = mfcc(np.zeros((1, 100)), SYNTHETIC)
    assert features[0, 0] == pytest.approx(np.full(500, -100 * np.sqrt(40)))  # 40 bands at 1e-10, orthonormal DCT
    assert np.abs(features[0, 1:]).max() < 1e-9
