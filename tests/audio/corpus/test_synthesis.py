"""Synthetic song: how many clips of whom, the same from the same seed, and within the band."""

from __future__ import annotations

import numpy as np
import pytest

from arcvae.audio.corpus.synthesis import TRAITS, clip_features, draw_species, sing, species_counts
from arcvae.audio.features.mfcc import SYNTHETIC


def test_full_corpus_has_the_size_and_imbalance_of_the_recordings_it_stands_for() -> None:
    counts = species_counts(89, 11_000)
    assert (counts.sum(), counts.max(), counts.min(), len(counts)) == (11_000, 1216, 1, 89)
    assert (np.diff(counts) <= 0).all()
    assert 10 <= (0.7 * counts >= 200).sum() < (0.7 * counts < 50).sum()  # few common species, many rare ones


@pytest.mark.parametrize(("species", "clips"), [(2, 20), (4, 80), (5, 60), (7, 5000), (89, 900), (300, 3000)])
def test_any_size_adds_up_and_falls(species: int, clips: int) -> None:
    counts = species_counts(species, clips)
    assert counts.sum() == clips
    assert counts.min() >= 1
    assert (np.diff(counts) <= 0).all()


def test_too_few_are_refused() -> None:
    with pytest.raises(ValueError, match="num_clips=889 must be at least 10 for each of num_species=89"):
        species_counts(89, 889)
    with pytest.raises(ValueError, match="num_species=1 must be at least 2"):
        species_counts(1, 100)


def test_seed_alone_decides_whatever_the_number_of_threads() -> None:
    labels = np.arange(20) % 3
    one = clip_features(labels, 3, seed=5, workers=1)
    assert one.shape == (20, 20, 500)
    assert one.dtype == np.float16
    assert np.isfinite(one).all()
    assert np.array_equal(clip_features(labels, 3, seed=5, workers=4), one)
    assert not np.array_equal(clip_features(labels, 3, seed=6, workers=1), one)
    assert len(np.unique(one.reshape(20, -1), axis=0)) == 20  # no two chunks draw the same


def test_species_share_a_trait_or_lack_it_and_singers_deviate() -> None:
    species = draw_species(2000, np.random.default_rng(0))
    for name, trait in TRAITS.items():
        present = species[name][species[name] != 0]
        assert len(present) / 2000 == pytest.approx(trait.share, abs=0.05)
        assert present.min() >= trait.low - 1e-6
        assert present.max() <= trait.high + 1e-6


def spectrum(pitch: float, second: float) -> np.ndarray:
    """Mean power spectrum of a long, steady, noiseless-as-possible song of one species."""
    species = {name: np.zeros((2, 1), np.float32) for name in TRAITS}
    steady = {"pitch": np.log2(pitch), "duration": 1.0, "duty": 0.9, "syllables": 3, "pause": -5, "second": second}
    for name, value in steady.items():
        species[name][:] = value
    waves = sing(np.zeros(40, dtype=np.int64), species, np.random.default_rng(1))
    assert waves.shape == (40, SYNTHETIC.samples)
    return (np.abs(np.fft.rfft(waves, axis=1)) ** 2).mean(0)


def test_song_has_the_pitch_and_the_harmonics_of_its_species_and_folds_nothing_back() -> None:
    hertz = np.fft.rfftfreq(SYNTHETIC.samples, 1 / SYNTHETIC.sample_rate)

    def share(power: np.ndarray, low: float, high: float) -> float:
        return float(power[(hertz >= low) & (hertz < high)].sum() / power[hertz > 50].sum())

    low = spectrum(1000, second=0.8)
    assert share(low, 700, 1400) > 4 * share(low, 2300, 3000)
    assert share(low, 1700, 2300) > 2 * share(low, 2300, 2900)  # the octave
    # An octave of 2,500 Hz lies above the band: 5,000 Hz would come back as 3,000.
    high, plain = spectrum(2500, second=0.8), spectrum(2500, second=0.0)
    assert share(high, 2900, 3100) < 2 * share(plain, 2900, 3100)
