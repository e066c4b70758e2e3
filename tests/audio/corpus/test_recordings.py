"""From a folder of recordings to a corpus: what is read, what is left out, and what is refused."""

from __future__ import annotations

import json
import logging
import sys
import unicodedata
from pathlib import Path

import librosa
import numpy as np
import pytest
import soundfile

from arcvae.audio.corpus.files import SPLITS, read_audio_corpus
from arcvae.audio.corpus.recordings import choose, write_recorded_corpus
from arcvae.audio.features.mfcc import RECORDED, fit_length
from arcvae.audio.features.recording import Window
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
    (folder / "robin" / "morning").mkdir()
    (folder / "hidden").mkdir()
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
        "robin/morning/": "is a folder within that of a species; put its recordings beside it",
        "stray.wav": "lies beside the folders of the species; put it into one of them",
        "robin/nan.wav": "holds samples that are not finite",
        "robin/short.wav": "is 0.010 s long, needs 0.05 s",
        "robin/silent.wav": "is silent",
        "robin/torn.flac": "cannot be read",
    }
    assert sorted(caplog.messages) == sorted(f"Left out {name}: {reason}" for name, reason in survey.left_out)
    assert dict(survey.ignored) == {
        ".cache": "is a file of an operating system", "robin/notes.txt": "is no recording",
    }  # fmt: skip
    assert str(survey) == "11 recordings of 3 species, 10 left out, 2 files that are no recordings"

    corpus = read_audio_corpus(tmp_path / "birds.npz")
    assert corpus.settings == RECORDED
    assert [np.bincount(corpus.labels[name], minlength=3).tolist() for name in SPLITS] == [
        [1, 3, 3],  # the one owl can be learned, not measured
        [0, 1, 1],
        [0, 1, 1],
    ]
    write_recorded_corpus(tmp_path / "again.npz", folder, seed=0)
    assert (tmp_path / "again.npz").read_bytes() == (tmp_path / "birds.npz").read_bytes()


@pytest.mark.slow
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
    with pytest.raises(ConfigError, match=r"recordings need soundfile and soxr .*pip install 'arcvae\[audio\]'"):
        write_recorded_corpus(tmp_path / "f.npz", tmp_path, seed=0)


MACOS = b"\0\5\x16\7\0\2\0\0Mac OS X        " + bytes(4000)


def test_what_a_stick_brings_from_a_mac_and_from_windows_is_counted_and_leaves_recordings_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    # libsndfile 1112: by name, a good mp3 beside such a file is refused with "bad resource fork".
    folder = tmp_path / "in"
    for index in range(3):
        for species, hertz in (("robin", 600), ("wren", 3000)):
            good = tone(folder / species / f"{index}.mp3", hertz + index)
            (good.parent / f"._{good.name}").write_bytes(MACOS)
    for name in ("robin/.DS_Store", "robin/Thumbs.db", "desktop.ini"):
        (folder / name).write_bytes(b"\0" * 100)
    (folder / "__MACOSX").mkdir()
    caplog.set_level(logging.INFO)
    survey = write_recorded_corpus(tmp_path / "f.npz", folder, seed=0)
    assert (survey.recordings, survey.left_out) == (6, [])
    assert len(survey.ignored) == 6 + 4
    assert "10 files are no recordings: __MACOSX, desktop.ini, robin/.DS_Store, ..." in caplog.messages


def test_recording_is_one_by_its_content_whatever_it_is_called(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    for index in range(3):
        for species, hertz in (("robin", 600), ("wren", 3000)):
            tone(folder / species / f"{index}.wav", hertz + index)
    tone(folder / "robin" / "a.flac", 610).rename(folder / "robin" / "a.wav")  # another extension
    tone(folder / "robin" / "b.wav", 611).rename(folder / "robin" / "b.WAV")
    tone(folder / "robin" / "c.mp3", 612).rename(folder / "robin" / "c")  # none
    tone(folder / "robin" / "d.wav", 613).rename(folder / "robin" / "XC1 ¿Rotkehlchen? ü.wav.bak")
    (folder / "robin" / "e.m4a").write_bytes(b"\0\0\0\x20ftypM4A " + bytes(500))
    (folder / "robin" / "f.txt").write_bytes("Notes, in UTF-16. ".encode("utf-16") * 50)
    (folder / "robin" / "g.wav").write_text("a text")
    survey = write_recorded_corpus(tmp_path / "f.npz", folder, seed=0)
    assert survey.recordings == 10
    assert sorted(name for name, _ in survey.left_out) == ["robin/e.m4a", "robin/g.wav"]
    assert survey.ignored == [("robin/f.txt", "is no recording")]


@pytest.mark.slow
def test_song_after_silence_is_used_and_windows_choose(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    # BirdNET-V1 29: 15 s of digital silence, then song. Here the song becomes louder in the third window.
    rate, folder = 22_050, tmp_path / "in"
    wave = 0.1 * np.sin(2 * np.pi * 900 * np.arange(40 * rate) / rate)
    wave[: 15 * rate] = 0
    wave[24 * rate : 30 * rate] *= 3
    for species in ("robin", "wren"):
        for index in range(4):
            (folder / species).mkdir(parents=True, exist_ok=True)
            soundfile.write(folder / species / f"{index}.wav", wave * (1 + index / 10), rate)
    caplog.set_level(logging.INFO)
    starts = {}
    for windows in ("first", "loudest", "all"):
        survey = write_recorded_corpus(tmp_path / f"{windows}.npz", folder, 0, windows)  # type: ignore[arg-type]
        about = json.loads(np.load(tmp_path / f"{windows}.npz")["about"].tobytes())
        starts[windows] = sorted({start for split in SPLITS for start in about["starts"][split]})
        files = [set(about["files"][split]) for split in SPLITS]
        assert len(set.union(*files)) == sum(map(len, files))  # no recording is in two splits
        assert sum(map(len, files)) == survey.recordings == 8
    seconds = RECORDED.seconds
    # Windows of 11.6 s begin at 0, 11.6, 23.2 and, to end with the recording, at 28.4; the first is silent.
    last = (40 * rate - int(seconds * rate)) / rate
    expected = {"first": [seconds], "loudest": [2 * seconds], "all": [seconds, 2 * seconds, last]}
    assert all(starts[name] == pytest.approx(expected[name], abs=1e-3) for name in expected)
    assert str(survey) == "24 clips of 8 recordings of 2 species, 8 left out"
    assert "Left out robin/0.wav from 0.0 to 11.6 s: is silent" in caplog.messages
    assert any("3.8 minutes of longer recordings are not in a clip (windows=first)" in line for line in caplog.messages)


def test_window_that_repeats_most_of_the_one_before_becomes_no_clip() -> None:
    def window(start: float) -> Window:
        return Window(start, start + 4, np.ones(8), None)

    for last, starts in ((4.5, [0, 4]), (5.0, [0, 4, 5]), (8.0, [0, 4, 8])):
        chosen, _ = choose([window(0), window(4), window(last)], "all")
        assert [clip.start for clip in chosen] == starts
    silent = Window(4, 8, np.empty(0), "is silent")
    assert [clip.start for clip in choose([window(0), silent, window(4.5)], "all")[0]] == [0, 4.5]


def test_two_spellings_of_a_species_are_one_or_refused(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    spellings = [unicodedata.normalize(form, "Grünspecht") for form in ("NFC", "NFD")]
    for index in range(3):
        tone(folder / spellings[index % 2] / f"{index}.wav", 600 + index)
        tone(folder / "Turdus merula" / f"{index}.wav", 3000 + index)
    survey = write_recorded_corpus(tmp_path / "f.npz", folder, seed=0)
    assert survey.species == read_audio_corpus(tmp_path / "f.npz").species == (spellings[0], "Turdus merula")
    assert survey.recordings == 6
    tone(folder / "turdus_merula" / "1.wav", 3000)
    assert "has folders 'Turdus merula' and 'turdus_merula', which are one species in two" in refused(tmp_path, folder)
