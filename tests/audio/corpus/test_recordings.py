"""From a folder of recordings to a corpus: what is read, what is left out, and what is refused."""

from __future__ import annotations

import logging
import os
import re
import sys
import tracemalloc
from pathlib import Path

import librosa
import numpy as np
import pytest
import soundfile

from arcvae.audio.corpus.files import SPLITS, read_audio_corpus
from arcvae.audio.corpus.recordings import read_recording, write_recorded_corpus
from arcvae.audio.features.mfcc import RECORDED, fit_length
from arcvae.errors import ConfigError, DataError


def tone(path: Path, hertz: float, seconds: float = 0.5, rate: int = 22_050, channels: int = 1) -> Path:
    """A tone with a little noise, in whatever format the name says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    time = np.arange(int(seconds * rate)) / rate
    wave = 0.3 * np.sin(2 * np.pi * hertz * time) + 0.003 * np.random.default_rng(int(hertz)).standard_normal(len(time))
    soundfile.write(path, np.repeat(wave[:, None], channels, axis=1), rate)
    return path


def test_folder_becomes_a_corpus_and_what_is_unusable_is_listed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "vögel und so"
    formats = [(".wav", 22_050, 1), (".flac", 44_100, 2), (".ogg", 16_000, 1), (".mp3", 48_000, 2), (".WAV", 8000, 1)]
    for index, (suffix, rate, channels) in enumerate(formats):
        tone(folder / "robin" / f"{index}{suffix}", 600 + index, rate=rate, channels=channels)
        tone(folder / "wren" / f"{index}{suffix}", 3000 + index, rate=rate, channels=channels)
    tone(folder / "owl" / "only.wav", 300)
    tone(folder / "robin" / "short.wav", 500, seconds=0.01)
    soundfile.write(folder / "robin" / "empty.wav", np.zeros(0), 22_050)
    soundfile.write(folder / "robin" / "silent.wav", np.zeros(22_050), 22_050)
    poisoned = np.full(22_050, 0.1)
    poisoned[7] = np.nan
    soundfile.write(folder / "robin" / "nan.wav", poisoned, 22_050, subtype="FLOAT")
    (folder / "robin" / "corrupt.mp3").write_bytes(b"ID3 this is no music" * 20)
    (folder / "robin" / "torn.flac").write_bytes((folder / "robin" / "1.flac").read_bytes()[:60])
    (folder / "robin" / "folder.wav").mkdir()
    (folder / "robin" / "notes.txt").write_text("not a recording")
    (folder / "hidden" / ".DS_Store").parent.mkdir()
    (folder / ".cache").mkdir()
    (folder / "stray.wav").write_bytes(b"")

    with caplog.at_level(logging.WARNING):
        survey = write_recorded_corpus(tmp_path / "birds.npz", folder, seed=0)
    assert survey.clips == 11
    assert survey.species == ("owl", "robin", "wren")
    reasons = dict(survey.left_out)
    assert {name: reason.split(" (")[0] for name, reason in reasons.items()} == {
        "hidden/": "no usable recording",
        "robin/corrupt.mp3": "cannot be read",
        "robin/empty.wav": "is 0.000 s long, needs 0.05 s",
        "robin/folder.wav": "cannot be read",
        "robin/nan.wav": "holds samples that are not finite",
        "robin/short.wav": "is 0.010 s long, needs 0.05 s",
        "robin/silent.wav": "is silent",
        "robin/torn.flac": "cannot be read",
    }
    assert sorted(caplog.messages) == sorted(f"Left out {name}: {reason}" for name, reason in survey.left_out)

    corpus = read_audio_corpus(tmp_path / "birds.npz")
    assert corpus.settings == RECORDED
    assert [np.bincount(corpus.labels[name], minlength=3).tolist() for name in SPLITS] == [
        [1, 3, 3],  # the one owl can be learned, not measured
        [0, 1, 1],
        [0, 1, 1],
    ]
    write_recorded_corpus(tmp_path / "again.npz", folder, seed=0)
    assert (tmp_path / "again.npz").read_bytes() == (tmp_path / "birds.npz").read_bytes()


def test_features_of_a_recording_are_those_of_librosa(tmp_path: Path) -> None:
    for index in range(3):
        for name, hertz in (("a", 500), ("b", 900)):
            tone(tmp_path / "in" / name / f"{index}.wav", hertz + index, seconds=1.3, rate=44_100, channels=2)
    write_recorded_corpus(tmp_path / "f.npz", tmp_path / "in", seed=0)
    corpus = read_audio_corpus(tmp_path / "f.npz")
    found = np.concatenate([corpus.features[name] for name in SPLITS])
    expected = []
    for file in sorted((tmp_path / "in").glob("*/*.wav")):
        wave, _ = librosa.load(file, sr=22_050, mono=True, dtype=np.float64)
        expected.append(librosa.feature.mfcc(y=fit_length(wave, RECORDED.samples), sr=22_050, n_mfcc=20))
    for features in expected:
        assert min(np.abs(features - clip).max() for clip in found) < 1e-3  # stored in single precision


@pytest.mark.parametrize("rate", [8000, 22_050, 44_100])
def test_long_recording_is_cut_and_its_pitch_survives_resampling(tmp_path: Path, rate: int) -> None:
    wave = read_recording(tone(tmp_path / "long.wav", 1000, seconds=30, rate=rate), RECORDED)
    assert len(wave) == RECORDED.samples
    peak = np.abs(np.fft.rfft(wave)).argmax() * RECORDED.sample_rate / len(wave)
    assert peak == pytest.approx(1000, abs=1)


def test_stereo_is_averaged(tmp_path: Path) -> None:
    both = np.stack([np.full(4000, 0.5), np.linspace(-0.25, 0.25, 4000)], axis=1)
    soundfile.write(tmp_path / "s.wav", both, 22_050, subtype="DOUBLE")
    assert read_recording(tmp_path / "s.wav", RECORDED) == pytest.approx(both.mean(1))


def refused(tmp_path: Path, folder: Path) -> str:
    with pytest.raises(DataError) as caught:
        write_recorded_corpus(tmp_path / "out.npz", folder, seed=0)
    assert not (tmp_path / "out.npz").exists()
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def test_folder_that_cannot_become_a_corpus_is_refused_in_one_line(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    assert f"source={folder} is not a folder" in refused(tmp_path, folder)
    folder.mkdir()
    assert "has recordings of 0 species (0 entries left out), needs 2 or more" in refused(tmp_path, folder)
    for index in range(4):
        tone(folder / "wren" / f"{index}.wav", 3000)
    (folder / "robin").mkdir()
    (folder / "robin" / "bad.wav").write_bytes(b"RIFF")
    assert "has recordings of 1 species (2 entries left out)" in refused(tmp_path, folder)
    tone(folder / "robin" / "good.wav", 600)
    write_recorded_corpus(tmp_path / "fine.npz", folder, seed=0)
    for name in ("2", "3"):
        (folder / "wren" / f"{name}.wav").unlink()
    assert "no species has 3 recordings, so there is none to validate on" in refused(tmp_path, folder)


def test_missing_packages_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(ConfigError, match=r"recordings need librosa and soundfile .*pip install 'arcvae\[audio\]'"):
        write_recorded_corpus(tmp_path / "f.npz", tmp_path, seed=0)


def unusable(path: Path) -> str:
    with pytest.raises(Exception, match=r".") as caught:
        read_recording(path, RECORDED)
    return str(caught.value)


@pytest.mark.parametrize("rate", [0, 1, 3999, 1_000_001, 2**31 - 1])
def test_recording_that_claims_a_rate_of_no_recorder_is_left_out(tmp_path: Path, rate: int) -> None:
    content = bytearray(tone(tmp_path / "f.wav", 500).read_bytes())
    content[24:28] = rate.to_bytes(4, "little")
    (tmp_path / "f.wav").write_bytes(content)
    wanted = rf"claims a rate of {rate:,} Hz; a recording has 4,000 to 1,000,000" if rate else "claims|cannot be read"
    assert re.match(wanted, unusable(tmp_path / "f.wav"))


@pytest.mark.timeout(20)
def test_named_pipe_is_left_out_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "f.wav")
    assert "is not a regular file" in unusable(tmp_path / "f.wav")


def test_recording_of_many_channels_takes_the_memory_of_one(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "f.wav", np.full((RECORDED.sample_rate * 10, 64), 0.25), RECORDED.sample_rate)
    tracemalloc.start()
    wave = read_recording(tmp_path / "f.wav", RECORDED)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(wave) == RECORDED.sample_rate * 10
    assert np.abs(wave - 0.25).max() < 1e-4
    assert peak < 64 * 8 * len(wave) / 2
