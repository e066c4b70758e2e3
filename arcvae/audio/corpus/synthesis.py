"""Synthetic bird song: waveforms of species that differ in a few traits, and not by much.

A song is a sequence of phrases, a phrase a sequence of syllables, a syllable a tone that sweeps and bends, with
vibrato, tremolo, harmonics and roughness. A species is a value for each of these traits, from which every singer
deviates. In the background of a clip other birds may sing and the wind blows. The traits of the species overlap, so
that no classifier can tell all of them apart.
"""

from __future__ import annotations

import math
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from arcvae.audio.features.mfcc import SYNTHETIC, mfcc
from arcvae.audio.settings import clips_problem

Labels = NDArray[np.int64]
Values = dict[str, NDArray[np.float32]]
"""A value of each trait for each singer, ``(N, 1)``."""

NUM_SPECIES: Final = 89
NUM_CLIPS: Final = 11_000
IMBALANCE: Final = 1216.0
"""Clips of the most frequent species for one of the rarest, at full size."""
SYNTHESIS_VERSION: Final = 1
"""Part of the name of a generated corpus: a change of what a seed gives must change it."""

_CHUNK: Final = 8
"""Clips made at a time, so few that their arrays stay in the cache. What a seed gives depends on it."""
_HOLD: Final = 16
"""Samples between two points at which pitch and level are computed; the level is interpolated linearly between them."""
_HIGHEST: Final = 0.45 * SYNTHETIC.sample_rate


@dataclass(frozen=True)
class Trait:
    """How a trait varies: uniformly from ``low`` to ``high`` over species, normally over singers of a species.

    Args:
        low: Lowest value of a species.
        high: Highest value of a species.
        jitter: Standard deviation over the singers of a species.
        share: Share of the species that have the trait at all; the others have 0 and no jitter.
    """

    low: float
    high: float
    jitter: float
    share: float = 1.0


TRAITS: Final[dict[str, Trait]] = {
    "pitch": Trait(math.log2(800), math.log2(2600), 0.2),  # log2 Hz
    "duration": Trait(math.log2(0.05), math.log2(0.30), 0.5),  # of a syllable, log2 s
    "duty": Trait(0.4, 0.85, 0.15),  # sounding share of the time within a phrase
    "syllables": Trait(2, 14, 3),  # in a phrase
    "pause": Trait(math.log2(0.2), math.log2(0.8), 1.0),  # between phrases, log2 s
    "sweep": Trait(-0.7, 0.7, 0.2),  # over a syllable, octaves
    "bend": Trait(-0.5, 0.5, 0.2),  # of its ends against its middle, octaves
    "leap": Trait(-0.5, 0.5, 0.1, share=0.5),  # of every second syllable, octaves
    "vibrato": Trait(0.03, 0.12, 0.03, share=0.5),  # octaves
    "vibrato_rate": Trait(10, 40, 5),  # Hz
    "tremolo": Trait(0.4, 1.0, 0.2, share=0.4),  # share of the level
    "tremolo_rate": Trait(15, 60, 7),  # Hz
    "second": Trait(0.0, 0.8, 0.3),  # level of the harmonics against the tone
    "third": Trait(0.0, 0.5, 0.2),
    "rough": Trait(0.3, 0.9, 0.2, share=0.3),  # share of noise in the tone
}

# What a clip is like besides its singer.
_SNR: Final = (-6.0, 16.0)  # level of the song at its loudest against the noise, dB
_DISTRACTORS: Final = (0.2, 0.4, 0.4)  # probabilities of 0, 1, 2 other singers
_DISTRACTOR_LEVEL: Final = (-15.0, 2.0)  # against the song, dB
_GAIN: Final = (-30.0, -6.0)  # of the whole clip, dB
_LATEST_START: Final = 0.8  # s


def species_counts(num_species: int, num_clips: int) -> Labels:
    """Clips of each species, from common to rare: on a logarithmic scale, a curve that falls ever more slowly.

    ``n_k = n_0 * 1216 ** -(k / (S - 1)) ** p`` with the p that gives the sum. At 11,000 clips of 89 species the most
    frequent one has 1216 clips and the rarest 1; with fewer clips ``n_0`` shrinks in proportion.

    Args:
        num_species: S, >= 2.
        num_clips: Their sum, >= 10 S.

    Raises:
        ValueError: Too few species or clips.

    Example:
        >>> counts = species_counts(89, 11_000)
        >>> counts[:3], counts[-3:], counts.sum()
        (array([1216,  996,  858]), array([1, 1, 1]), np.int64(11000))
    """
    if problem := clips_problem(num_clips, num_species):
        raise ValueError(problem)
    # Of few species the first must have a larger share, or the others could not fall below it.
    most = num_clips * max(IMBALANCE / NUM_CLIPS, 2 / (num_species + 1))
    rank = np.arange(num_species) / (num_species - 1)

    def counts(power: float) -> Labels:
        ratio = min(IMBALANCE, most)
        return np.maximum(1, np.round(most * ratio ** -(rank**power))).astype(np.int64)

    low, high = 0.01, 20.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if counts(middle).sum() < num_clips else (low, middle)
    found = counts(low)
    left = num_clips - int(found.sum())  # by rounding
    np.add.at(found, 1 + np.arange(left) % (num_species - 1), 1)
    return np.sort(found)[::-1].copy()


def draw_species(num_species: int, rng: np.random.Generator) -> Values:
    """A value of every trait for each of S species, ``(S, 1)`` float32."""
    table = {}
    for name, trait in TRAITS.items():
        values = rng.uniform(trait.low, trait.high, (num_species, 1))
        has = rng.random((num_species, 1)) < trait.share
        table[name] = np.where(has, values, 0.0).astype(np.float32)
    return table


def clip_features(labels: Labels, num_species: int, seed: int, workers: int | None = None) -> NDArray[np.float16]:
    """MFCCs of one clip for each label, ``(N, 20, 500)`` float16.

    Float16 has a step of 1/4 at 400, where the first coefficient lies: an error of 0.02 dB at most.

    Args:
        labels: ``(N,)``, in ``[0, num_species)``.
        num_species: S.
        seed: 0 <= seed < 2^32. The same clips on every machine, but for the last bits that its mathematical
            functions differ in.
        workers: Threads; None for one per core. They change nothing but the time.
    """
    species = draw_species(num_species, np.random.default_rng([seed, 0]))
    starts = range(0, len(labels), _CHUNK)

    def chunk(start: int) -> NDArray[np.float16]:
        rng = np.random.default_rng([seed, 1, start])
        waves = sing(labels[start : start + _CHUNK], species, rng)
        return mfcc(waves, SYNTHETIC).astype(np.float16)

    empty = np.empty((0, SYNTHETIC.n_mfcc, SYNTHETIC.frames), np.float16)  # so that no labels give no clips
    with ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        return np.concatenate([empty, *pool.map(chunk, starts)])


def sing(labels: Labels, species: Values, rng: np.random.Generator) -> NDArray[np.float32]:
    """Waveforms of clips in which the species ``labels`` sing, ``(N, L)`` float32.

    Args:
        labels: ``(N,)``.
        species: Traits of all species (:func:`draw_species`).
        rng: Draws everything else.
    """
    count, num_species = len(labels), len(species["pitch"])
    samples = SYNTHETIC.samples
    white = rng.standard_normal((count, samples), dtype=np.float32)
    wind = np.repeat(rng.standard_normal((count, samples // 8), dtype=np.float32), 8, axis=1)
    waves = _song(_individuals(labels, species, rng), white, rng)
    others = rng.choice(len(_DISTRACTORS), count, p=_DISTRACTORS)
    for number in range(1, len(_DISTRACTORS)):
        rows = np.flatnonzero(others >= number)
        if not len(rows):
            continue
        who = (labels[rows] + rng.integers(1, num_species, len(rows))) % num_species  # never the species of the label
        level = _decibels(_DISTRACTOR_LEVEL, len(rows), rng)
        waves[rows] += level * _song(_individuals(who, species, rng), white[rows], rng)
    blend = rng.random((count, 1), dtype=np.float32)
    noise = (1 - blend) * white + blend * wind
    waves += noise / _decibels(_SNR, count, rng)
    return waves * _decibels(_GAIN, count, rng)


def _decibels(bounds: tuple[float, float], count: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Amplitudes ``(count, 1)``, uniform in decibels between two bounds."""
    return (10 ** (rng.uniform(*bounds, (count, 1)) / 20)).astype(np.float32)


def _individuals(labels: Labels, species: Values, rng: np.random.Generator) -> Values:
    """Traits of one singer of each species in ``labels``."""
    singers = {}
    for name, trait in TRAITS.items():
        values = species[name][labels]
        jitter = trait.jitter * rng.standard_normal(values.shape, dtype=np.float32)
        singers[name] = np.where(values == 0, 0, values + jitter).astype(np.float32)
    return singers


def _song(trait: Values, noise: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Songs ``(N, L)`` of singers with these traits; the tone has amplitude 1 at most."""
    count, rate = len(noise), SYNTHETIC.sample_rate
    steps = noise.shape[1] // _HOLD
    time = np.arange(steps, dtype=np.float32) * _HOLD / rate - rng.uniform(0, _LATEST_START, (count, 1))
    duration = np.exp2(trait["duration"])
    period = duration / np.clip(trait["duty"], 0.2, 0.95)
    syllables = np.maximum(1, np.round(trait["syllables"]))
    in_phrase = np.mod(time, syllables * period + np.exp2(trait["pause"]))
    number = np.floor(in_phrase / period)
    done = (in_phrase - number * period) / duration  # share of the syllable that is over
    sounding = (time >= 0) & (number < syllables) & (done < 1)
    octaves = (
        trait["pitch"]
        + trait["sweep"] * (done - 0.5)
        + trait["bend"] * ((2 * done - 1) ** 2 - 1 / 3)
        + trait["leap"] * np.mod(number, 2)
        + trait["vibrato"] * np.sin(2 * np.pi * trait["vibrato_rate"] * time)
    )
    pitch = np.minimum(np.exp2(octaves), _HIGHEST)  # (N, steps), Hz
    modulation = 0.5 - 0.5 * np.cos(2 * np.pi * trait["tremolo_rate"] * time)
    level = np.where(sounding, np.sin(np.pi * done), 0) * (1 - np.clip(trait["tremolo"], 0, 1) * modulation)
    tone = _tone(pitch, trait["second"], trait["third"])
    rough = np.clip(trait["rough"], 0, 1)[:, :, None]
    tone *= 1 - rough + rough * noise.reshape(tone.shape)
    tone *= _interpolated(level)
    return tone.reshape(count, -1)


def _tone(pitch: NDArray[np.floating], second: NDArray[np.float32], third: NDArray[np.float32]) -> NDArray[np.float32]:
    """A tone with two harmonics, ``(N, steps, _HOLD)``; a harmonic above the band is left out, not folded back."""
    per_sample = pitch / SYNTHETIC.sample_rate
    before = np.mod(np.cumsum(per_sample, axis=1, dtype=np.float64) * _HOLD, 1)  # cycles, kept small for the sine
    phase = (before - per_sample * _HOLD).astype(np.float32)[:, :, None] + (
        per_sample.astype(np.float32)[:, :, None] * np.arange(_HOLD, dtype=np.float32)
    )
    phase *= np.float32(2 * np.pi)
    sine, cosine = np.sin(phase), np.cos(phase)
    second = np.where(2 * pitch < _HIGHEST, np.maximum(second, 0), 0).astype(np.float32)[:, :, None]
    third = np.where(3 * pitch < _HIGHEST, np.maximum(third, 0), 0).astype(np.float32)[:, :, None]
    # sin 2x = 2 sin x cos x, sin 3x = 3 sin x - 4 sin^3 x
    tone: NDArray[np.float32] = sine * (1 + 2 * second * cosine + third * (3 - 4 * sine * sine))
    return tone


def _interpolated(level: NDArray[np.floating]) -> NDArray[np.float32]:
    """Levels ``(N, steps)``, interpolated linearly from each to the next, ``(N, steps, _HOLD)``."""
    after = np.concatenate([level[:, 1:], level[:, -1:]], axis=1)
    share = np.arange(_HOLD, dtype=np.float32) / _HOLD
    start = level.astype(np.float32)[:, :, None]
    levels: NDArray[np.float32] = start + (after - level).astype(np.float32)[:, :, None] * share
    return levels
