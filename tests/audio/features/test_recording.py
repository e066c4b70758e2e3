"""Recordings of any format, a window at a time: what is read, what is said of it, and how much memory it takes."""

from __future__ import annotations

import itertools
import os
import re
import tracemalloc
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import pytest
import soundfile
import soxr
from numpy.typing import NDArray

from arcvae.audio.features.mfcc import RECORDED
from arcvae.audio.features.recording import Recording, UnusableError, resampled, window_starts
from tests.audio.corpus.test_recordings import tone

SECONDS = RECORDED.seconds


def first(path: Path) -> NDArray[np.float64]:
    """The wave of the first window of a recording."""
    return next(Recording(path, RECORDED).windows()).wave


def unusable(path: Path) -> str:
    with pytest.raises(UnusableError) as caught:
        Recording(path, RECORDED)
    return str(caught.value)


@pytest.mark.parametrize("rate", [8000, 22_050, 44_100])
def test_long_recording_is_cut_and_its_pitch_survives_resampling(tmp_path: Path, rate: int) -> None:
    wave = first(tone(tmp_path / "long.wav", 1000, seconds=30, rate=rate))
    assert len(wave) == RECORDED.samples
    peak = np.abs(np.fft.rfft(wave)).argmax() * RECORDED.sample_rate / len(wave)
    assert peak == pytest.approx(1000, abs=1)


@pytest.mark.slow
@pytest.mark.parametrize("rate", [8000, 16_000, 22_255.5, 44_100, 192_000])
def test_another_rate_is_brought_about_as_librosa_does_it(rate: float) -> None:
    wave = np.random.default_rng(0).normal(size=12_345)
    expected = librosa.resample(wave, orig_sr=rate, target_sr=RECORDED.sample_rate)
    found = resampled(wave, rate, RECORDED)
    assert len(expected) - len(found) in (0, 1)  # librosa appends silence where the length would be broken
    np.testing.assert_array_equal(found, expected[: len(found)])


@pytest.mark.parametrize(("rate", "channels"), [(22_050, 1), (44_100, 2), (48_000, 1)])
@pytest.mark.parametrize("overlap", [0.0, 0.5, 0.9])
def test_windows_are_the_parts_of_the_whole_recording(tmp_path: Path, rate: int, channels: int, overlap: float) -> None:
    sound = np.random.default_rng(0).normal(0, 0.1, (int(31.3 * rate), channels))
    soundfile.write(tmp_path / "f.wav", sound, rate, subtype="DOUBLE")
    recording = Recording(tmp_path / "f.wav", RECORDED)
    assert recording.seconds == pytest.approx(31.3, abs=1e-3)
    whole = soxr.resample(sound.mean(1), rate, RECORDED.sample_rate)
    windows = list(recording.windows(overlap))
    assert len(windows) == 1 + int(np.ceil((31.3 - SECONDS) / (SECONDS * (1 - overlap))))
    assert windows[0].start == 0
    assert windows[-1].end == pytest.approx(recording.seconds, abs=1e-3)
    for before, after in itertools.pairwise(windows):
        assert 0 < after.start - before.start <= SECONDS * (1 - overlap) + 1e-3
    for window in windows:
        begin = window.start * RECORDED.sample_rate
        assert window.end - window.start == pytest.approx(SECONDS, abs=1e-3)
        if begin == round(begin):  # else the samples lie between those of the whole
            middle = slice(500, len(window.wave) - 500)  # a filter has no past at a beginning
            expected = whole[int(begin) : int(begin) + len(window.wave)]
            assert np.abs(window.wave - expected)[middle].max() < 1e-3


def test_starts_cover_every_sample_and_stay_inside() -> None:
    for frames in range(1, 40):
        for span in (1.0, 4.0, 7.5):
            for overlap in (0.0, 0.25, 0.75):
                starts = window_starts(frames, span, overlap)
                covered = {sample for start in starts for sample in range(start, start + int(np.ceil(span)))}
                assert set(range(frames)) <= covered
                assert starts == sorted(starts)
                assert starts[-1] + int(span) <= max(frames, int(span))


def test_a_part_of_a_sample_makes_no_window() -> None:
    # A clip is not a whole number of samples at most rates.
    assert window_starts(8, 7.5, 0.0) == [0]
    assert window_starts(15, 7.5, 0.0) == [0, 8]
    assert window_starts(9, 7.5, 0.0) == [0, 2]


def test_stereo_is_averaged_unless_its_channels_cancel_each_other_out(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, (22_050, 2))
    for name, both in (
        ("apart", noise),
        ("same", noise[:, [0, 0]]),
        ("one", noise * [1, 0]),
        ("offset", noise + np.array([0.4, -0.4])),
    ):
        soundfile.write(tmp_path / f"{name}.wav", both, 22_050, subtype="DOUBLE")
        found = Recording(tmp_path / f"{name}.wav", RECORDED)
        assert (found.channel, found.notes) == (None, [])
        assert first(tmp_path / f"{name}.wav") == pytest.approx(both.mean(1))
    inverted = np.stack([noise[:, 0], -1.01 * noise[:, 0] + 0.01 * noise[:, 1]], axis=1)
    soundfile.write(tmp_path / "inverted.wav", inverted, 22_050, subtype="DOUBLE")
    found = Recording(tmp_path / "inverted.wav", RECORDED)
    assert found.notes == ["its channels cancel each other out, channel 2 is taken alone"]
    assert first(tmp_path / "inverted.wav") == pytest.approx(inverted[:, 1])


def test_silence_and_poison_are_told_window_by_window(tmp_path: Path) -> None:
    rate = RECORDED.sample_rate
    wave = np.random.default_rng(0).normal(0, 0.1, int(4 * SECONDS * rate))
    span = int(SECONDS * rate)
    wave[:span] = 0.3  # the offset of a microphone alone is silence as well
    wave[2 * span + 5] = np.inf
    soundfile.write(tmp_path / "f.wav", wave, rate, subtype="FLOAT")
    problems = [window.problem for window in Recording(tmp_path / "f.wav", RECORDED).windows()]
    # The second window is read with a second more, for the filter; that it is not finite concerns it as well.
    assert problems[0] == "is silent"
    assert problems[2] == "holds samples that are not finite"
    assert problems[3] is None


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
    sound = np.tile(np.random.default_rng(0).normal(0, 0.1, (RECORDED.sample_rate * 10, 1)), (1, 64))
    soundfile.write(tmp_path / "f.wav", sound, RECORDED.sample_rate, subtype="FLOAT")
    tracemalloc.start()
    wave = first(tmp_path / "f.wav")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert np.abs(wave - sound[:, 0]).max() < 1e-4
    assert peak < 64 * 8 * len(wave) / 2


def test_long_recording_takes_the_memory_of_a_window(tmp_path: Path) -> None:
    def peak(seconds: int) -> int:
        tone(tmp_path / f"{seconds}.wav", 700, seconds=seconds)
        tracemalloc.start()
        for _ in Recording(tmp_path / f"{seconds}.wav", RECORDED).windows(0.5):
            pass
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    assert peak(240) < 1.2 * peak(60)


@pytest.mark.parametrize("channels", [1, 2])
def test_length_is_that_of_what_is_there(tmp_path: Path, channels: int) -> None:
    file = tone(tmp_path / "f.wav", 500, seconds=4, channels=channels)
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])  # a full card: the header promises the whole
    found: Any = Recording(file, RECORDED)
    assert found.seconds == pytest.approx(2, abs=0.01)
    (window,) = found.windows()
    assert (window.start, window.end) == (0, found.seconds)
