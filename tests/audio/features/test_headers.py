"""Headers that a field recorder leaves: read like the finished file, byte for byte."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import pytest
import soundfile

from arcvae.audio.features.headers import mended

WAVE = (0.3 * np.sin(np.arange(5000) / 7)).astype(np.float32)


def encoded(**options: Any) -> bytearray:
    file = io.BytesIO()
    soundfile.write(file, WAVE, 22_050, **options)
    return bytearray(file.getvalue())


def decoded(content: bytes) -> tuple[Any, str | None]:
    file, note = mended(io.BytesIO(content))
    return soundfile.read(file, dtype="float32")[0], note


FORMATS = {
    "16 bit": {"format": "WAV", "subtype": "PCM_16"},
    "24 bit, extensible": {"format": "WAVEX", "subtype": "PCM_24"},
    "float, extensible": {"format": "WAVEX", "subtype": "FLOAT"},
    "RF64": {"format": "RF64", "subtype": "PCM_24"},
}


@pytest.mark.parametrize("options", FORMATS.values(), ids=FORMATS)
def test_unfinished_header_is_read_to_the_end_of_the_file(options: dict[str, Any]) -> None:
    whole = encoded(**options)
    expected, note = decoded(whole)
    assert note is None
    assert np.abs(expected - WAVE).max() < 1e-4
    place = whole.find(b"data")
    length = whole.find(b"ds64") + 16 if options["format"] == "RF64" else place + 4
    size = 8 if options["format"] == "RF64" else 4
    whole[length : length + size] = bytes(size)
    with pytest.raises(Exception, match=r".*"):  # the control: libsndfile alone finds nothing
        assert len(soundfile.read(io.BytesIO(whole))[0])
    found, note = decoded(whole)
    assert note == "its header says that it is empty, and was never finished"
    assert np.array_equal(found[: len(expected)], expected)
    assert len(found) - len(expected) <= 20  # RF64: libsndfile writes a chunk of padding after the data


def test_bw64_is_rf64_by_another_name() -> None:
    whole = encoded(**FORMATS["RF64"])
    expected, _ = decoded(whole)
    whole[:4] = b"BW64"
    found, note = decoded(whole)
    assert note is None
    assert np.array_equal(found, expected)


def test_recording_that_is_really_empty_stays_so() -> None:
    whole = encoded(**FORMATS["16 bit"])
    place = whole.find(b"data")
    empty = whole[: place + 4] + struct.pack("<I", 0) + b"LIST" + struct.pack("<I", 6) + b"INFOab"
    empty[4:8] = struct.pack("<I", len(empty) - 8)
    file, note = mended(io.BytesIO(empty))
    assert note is None
    assert file.read() == empty


@pytest.mark.parametrize("content", [b"", b"RIFF", b"RIFF\0\0\0\0WAVE", b"fLaC" + bytes(50), b"RIFF____WAVEdata"])
def test_what_has_no_header_to_mend_is_left_as_it_is(content: bytes) -> None:
    file, note = mended(io.BytesIO(content))
    assert (file.read(), note) == (content, None)


def test_bytes_are_replaced_wherever_the_reading_begins() -> None:
    whole = encoded(**FORMATS["16 bit"])
    place = whole.find(b"data")
    broken = bytearray(whole)
    broken[place + 4 : place + 8] = bytes(4)
    file, _ = mended(io.BytesIO(broken))
    for start in range(place, place + 12):
        for count in (1, 3, 20):
            file.seek(start)
            assert file.read(count) == whole[start : start + count]
