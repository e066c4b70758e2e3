"""Recordings of a synthesiser of words through the four commands of the README, beside a baseline of scikit-learn."""

from __future__ import annotations

import csv
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from arcvae.audio.corpus.files import read_audio_corpus
from arcvae.audio.features.mfcc import RECORDED, mfcc
from arcvae.audio.features.recording import Recording
from tests.conftest import run_command

ROOT = Path(__file__).parents[2]
VOWELS = {
    "a": (730, 1090, 2440), "i": (270, 2290, 3010), "u": (300, 870, 2240), "e": (530, 1840, 2480),
    "o": (570, 840, 2410),
}  # fmt: skip
"""Formants in hertz (Peterson & Barney 1952)."""
WORDS = ("a", "i", "u", "ai", "ia", "au", "ua", "eo", "oe", "iu", "aia", "uiu")
COUNTS = (200, 137, 93, 64, 43, 30, 20, 14, 9, 6, 4, 3)
RATES = (8000, 16_000, 22_050, 44_100, 48_000)
HELD_OUT = 8


def say(word: str, rate: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """A word of vowels by a voice of its own: harmonics of a gliding pitch, shaped by three gliding formants."""
    seconds, size = rng.uniform(0.7, 1.3), rng.uniform(0.9, 1.15)
    time = np.arange(int(seconds * rate)) / rate
    places = np.linspace(0, seconds, len(word)) if len(word) > 1 else np.array([0.0])
    formants = np.array([np.interp(time, places, [VOWELS[vowel][k] * size for vowel in word]) for k in range(3)])
    pitch = rng.uniform(90, 240) * (1 + 0.1 * np.sin(2 * np.pi * rng.uniform(0.5, 2) * time))
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    wave = np.zeros(len(time))
    for harmonic in range(1, int(min(3600, 0.45 * rate) / pitch.min())):
        hertz = harmonic * pitch
        gain = (1 / (1 + ((hertz - formants) / 90) ** 2) * np.array([[1.0], [0.6], [0.3]])).sum(0)
        wave += gain * np.sin(harmonic * phase) * (hertz < 0.45 * rate)
    wave *= np.hanning(len(wave)) ** 0.3
    wave = np.concatenate([np.zeros(int(rng.uniform(0, 0.3) * rate)), wave / np.abs(wave).max()])
    wave += rng.normal(0, 10 ** rng.uniform(-2.2, -1.5), len(wave))
    return np.asarray(0.5 * 10 ** rng.uniform(-1, 0) * wave)


def record(folder: Path, counts: tuple[int, ...], seed: int) -> None:
    """``folder/<word>/*``: WAV and FLAC, 8 to 48 kHz, every third of them stereo."""
    rng = np.random.default_rng(seed)
    for word, count in zip(WORDS, counts, strict=True):
        (folder / word).mkdir(parents=True)
        for index in range(count):
            rate = int(rng.choice(RATES))
            wave = say(word, rate, rng)
            both = wave if index % 3 else np.stack([wave, rng.uniform(0.3, 1) * wave], axis=1)
            soundfile.write(folder / word / f"{index}{('.wav', '.flac')[index % 2]}", both, rate)


def summary(features: NDArray[np.floating]) -> NDArray[np.float64]:
    """Mean and deviation of each coefficient, ``(N, 40)``."""
    return np.concatenate([features.mean(2), features.std(2)], axis=1).astype(np.float64)


@pytest.mark.slow
def test_four_commands_of_the_readme_classify_words_like_a_baseline(tmp_path: Path) -> None:
    record(tmp_path / "FOLDER", COUNTS, seed=0)
    record(tmp_path / "NEW", (HELD_OUT,) * len(WORDS), seed=1)
    section = (ROOT / "README.md").read_text().split("## Clips of bird song")[1].split("\n## ")[0]
    (block,) = re.findall(r"```bash\n(.*?)```", section, re.DOTALL)
    typed = [shlex.split(line)[2:] for line in block.splitlines() if line.startswith("python -m arcvae.")]
    assert [words[0] for words in typed] == [f"arcvae.{name}" for name in ("corpus", "train", "evaluate", "predict")]
    more = {
        "train": ["trainer.max_epochs=8", "data.sampler=balanced", "data.shift=50", "data.batch_size=16",
                  "optimizer.lr=0.003", "callbacks.progress_bar=null", "trainer.accelerator=cpu"],
        "evaluate": ["accelerator=cpu"],
        "predict": ["accelerator=cpu"],
    }  # fmt: skip
    for module, *words in typed:
        name = module.removeprefix("arcvae.")
        assert run_command(name, *words, *more.get(name, []), folder=tmp_path) == 0
    with (tmp_path / "predictions.csv").open(newline="") as file:
        found = {row["file"]: row["class_1"] for row in csv.DictReader(file)}
    files = sorted((tmp_path / "NEW").glob("*/*"))
    truth = [file.parent.name for file in files]
    assert len(found) == len(files) == HELD_OUT * len(WORDS)
    ours = f1_score(truth, [found[file.relative_to(tmp_path / "NEW").as_posix()] for file in files], average="macro")

    corpus = read_audio_corpus(tmp_path / "birds.npz")
    baseline = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=2000))
    baseline.fit(summary(corpus.features["train"]), [corpus.species[label] for label in corpus.labels["train"]])
    new = [mfcc(next(Recording(file, RECORDED).windows()).wave[None], RECORDED)[0] for file in files]
    theirs = f1_score(truth, baseline.predict(summary(np.stack(new))), average="macro")
    print(f"macro F1 on held-out files: ours {ours:.3f}, baseline {theirs:.3f}")
    assert theirs > 0.3
    assert ours >= 0.9 * theirs
