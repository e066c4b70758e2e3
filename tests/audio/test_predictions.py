"""Recordings through a trained classifier: the same features as in training, whatever lies beside them."""

from __future__ import annotations

import json
import os
import resource
import shutil
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

import arcvae
from arcvae.audio.classifier import ClipClassifier
from arcvae.audio.corpus.files import SPLITS, read_audio_corpus
from arcvae.audio.corpus.recordings import write_recorded_corpus
from arcvae.audio.features.mfcc import RECORDED
from arcvae.audio.model import AudioCNN
from arcvae.audio.predictions import predict_recordings
from arcvae.errors import CheckpointError, ConfigError, DataError
from arcvae.training.predictions import LeftOut, Prediction
from tests.audio.corpus.test_recordings import MACOS, tone
from tests.conftest import FAST_CLIPS, run_command, runs, shared


@pytest.fixture(scope="module")
def birds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recordings of two species, the corpus of their windows, and a run on it."""

    def make(folder: Path) -> None:
        for name, hertz in (("robin", 700), ("wren", 3000)):
            for index in range(6):
                place = folder / "birds" / name / f"{index}.wav"
                tone(place, hertz + 9 * index, (3.0, 14.0, 30.0)[index % 3], (22_050, 44_100)[index % 2], 1 + index % 2)
        assert run_command("corpus", "kind=audio", "source=birds", "windows=all", "out=c.npz", folder=folder) == 0
        assert run_command("train", "data.path=c.npz", *FAST_CLIPS, folder=folder) == 0

    return shared(tmp_path_factory, "birds", make)


def classifier(**more: object) -> ClipClassifier:
    return ClipClassifier(AudioCNN(2, widths=[4, 4]), ["robin", "wren"], settings=RECORDED, channels=1, **more)


def test_recordings_of_the_corpus_get_the_logits_that_evaluation_gives_their_clips(birds: Path) -> None:
    (run,) = runs(birds)
    model = arcvae.load(run)
    corpus = read_audio_corpus(birds / "c.npz")
    about = json.loads(np.load(birds / "c.npz")["about"].tobytes())
    expected = {
        (file, start): probabilities
        for split in SPLITS
        for file, start, probabilities in zip(
            about["files"][split], about["starts"][split],
            super(ClipClassifier, model).probabilities(corpus.features[split]), strict=True,
        )
    }  # fmt: skip
    found = list(predict_recordings(model, birds / "birds", overlap=0.0, decision="argmax"))
    assert len(found) == 2 * 2 * (1 + 2 + 3)
    assert len(expected) == 2 * 2 * (1 + 1 + 3)  # most of the second window of 14 s is in the first one
    ours = {(entry.file, round(entry.start, 3)): entry for entry in found if isinstance(entry, Prediction)}
    for key, probabilities in expected.items():
        np.testing.assert_allclose(ours[key].probabilities, probabilities, atol=1e-6)
    done = [entry.done for entry in found if isinstance(entry, Prediction)]
    assert done == sorted(done)
    assert done[-1] == pytest.approx(1)


def test_waveform_in_memory_is_classified_like_its_file(birds: Path) -> None:
    (run,) = runs(birds)
    model = arcvae.load(run)
    for name in ("robin/0.wav", "wren/5.wav"):
        wave, rate = soundfile.read(birds / "birds" / name)
        entries = predict_recordings(model, birds / "birds" / name, overlap=0.5, decision="adjusted")
        expected = np.stack([entry.probabilities for entry in entries if isinstance(entry, Prediction)])
        found = model.probabilities(wave, rate, decision="adjusted", overlap=0.5)
        np.testing.assert_allclose(found, expected, atol=1e-6)
        assert model.predict(wave, rate, decision="adjusted", overlap=0.5).tolist() == expected.argmax(1).tolist()
        assert model.names(wave, rate)[0] in ("robin", "wren")


def test_what_cannot_be_classified_is_named_and_the_rest_is_done(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    tone(folder / "day 1" / "süd.wav", 700, seconds=2)
    tone(folder / "b.flac", 700, seconds=2).rename(folder / "b.bin")
    (folder / "day 1" / "._süd.wav").write_bytes(MACOS)
    (folder / "torn.mp3").write_bytes(b"torn")
    (folder / "notes.txt").write_text("notes")
    half = np.random.default_rng(0).normal(0, 0.1, int(2 * RECORDED.seconds * 22_050))
    half[: len(half) // 2] = 0
    soundfile.write(folder / "half.wav", half, 22_050)
    found = list(predict_recordings(classifier(), folder, overlap=0.0, decision="argmax"))
    assert [entry.file for entry in found if isinstance(entry, Prediction)] == ["b.bin", "day 1/süd.wav", "half.wav"]
    left = {entry.file: (entry.reason.split(" (")[0], entry.expected) for entry in found if isinstance(entry, LeftOut)}
    assert left == {
        "day 1/._süd.wav": ("is a file of an operating system", True),
        "half.wav from 0.0 to 11.6 s": ("is silent", False),
        "notes.txt": ("cannot be read", True),
        "torn.mp3": ("cannot be read", False),
    }


def test_classifier_that_does_not_know_its_features_is_refused(tmp_path: Path) -> None:
    tone(tmp_path / "a.wav", 700)
    unknown = ClipClassifier(AudioCNN(2, widths=[4]), settings=None, channels=1, path="old.pth")
    with pytest.raises(CheckpointError, match=r"old\.pth does not say how its features were computed"):
        list(predict_recordings(unknown, tmp_path, overlap=0.0, decision="argmax"))
    with pytest.raises(CheckpointError, match="has no tuned logit adjustment"):
        list(predict_recordings(classifier(), tmp_path, overlap=0.0, decision="adjusted"))
    (tmp_path / "nothing").mkdir()
    with pytest.raises(DataError, match="is empty; give a recording"):
        list(predict_recordings(classifier(), tmp_path / "nothing", overlap=0.0, decision="argmax"))


@pytest.mark.parametrize("channels", [1, 3])
def test_every_channel_of_the_features_is_made(tmp_path: Path, channels: int) -> None:
    tone(tmp_path / "in" / "a" / "0.wav", 700, seconds=2)
    tone(tmp_path / "in" / "a" / "1.wav", 710, seconds=2)
    tone(tmp_path / "in" / "a" / "2.wav", 720, seconds=2)
    shutil.copytree(tmp_path / "in" / "a", tmp_path / "in" / "b")
    write_recorded_corpus(tmp_path / "c.npz", tmp_path / "in", seed=0)
    model = ClipClassifier(AudioCNN(2, channels, widths=[4]), ["a", "b"], settings=RECORDED, channels=channels)
    (found,) = predict_recordings(model, tmp_path / "in" / "a" / "0.wav", overlap=0.0, decision="argmax")
    wave, rate = soundfile.read(tmp_path / "in" / "a" / "0.wav")
    assert isinstance(found, Prediction)
    np.testing.assert_allclose(model.probabilities(wave, rate)[0], found.probabilities, atol=1e-6)


def test_what_a_waveform_lacks_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    model = ClipClassifier(AudioCNN(2, 1, widths=[4]), ["a", "b"], settings=RECORDED, channels=1)
    wave = np.sin(np.arange(44_100) / 10)
    with pytest.raises(DataError, match=r"overlap=1\.0"):
        model.predict(wave, RECORDED.sample_rate, overlap=1.0)
    monkeypatch.setitem(sys.modules, "soxr", None)
    assert model.predict(wave, RECORDED.sample_rate).shape == (1,)  # nothing to resample
    with pytest.raises(ConfigError, match=r"pip install 'arcvae\[audio\]'"):
        model.predict(wave, 44_100)


@pytest.mark.slow
def test_ten_minutes_take_twelve_seconds_and_the_memory_of_one(tmp_path: Path) -> None:
    model = ClipClassifier(AudioCNN(89), settings=RECORDED, channels=1)
    peaks = []
    for seconds in (60, 600):
        if (child := os.fork()) == 0:  # what it takes to make the file is not to be measured
            tone(tmp_path / f"{seconds}.wav", 700, seconds=seconds, rate=44_100, channels=2)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        started = time.process_time()
        found = list(predict_recordings(model, tmp_path / f"{seconds}.wav", overlap=0.0, decision="argmax"))
        spent = time.process_time() - started
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
        assert len(found) == int(np.ceil(seconds / RECORDED.seconds))
    assert spent < 600 / 50
    assert peaks[1] < peaks[0] + 100 * 1024  # KiB; the recording itself has 420 MB
