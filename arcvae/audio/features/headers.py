"""WAV headers that a recorder left unfinished, or that libsndfile does not know, read as they are meant."""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping
from typing import BinaryIO, Final

_UNKNOWN: Final = 0xFFFFFFFF
"""Size of a chunk that lasts to the end of the file, or is said elsewhere."""
_MOST_CHUNKS: Final = 64


class _Overlaid(io.RawIOBase):
    """A file in which some bytes read as others."""

    def __init__(self, file: BinaryIO, patches: Mapping[int, bytes]) -> None:
        super().__init__()
        self._file, self._patches = file, dict(patches)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        start = self._file.tell()
        content = bytearray(self._file.read(len(buffer)))
        for place, patch in self._patches.items():
            for index, byte in enumerate(patch, place - start):
                if 0 <= index < len(content):
                    content[index] = byte
        buffer[: len(content)] = bytes(content)
        return len(content)


def mended(file: BinaryIO) -> tuple[BinaryIO, str | None]:
    """A recording with the header that its content deserves.

    A recorder that loses power leaves a ``data`` chunk of length zero in front of the sound, in RIFF as in RF64; BW64
    is RF64 by another name. Other files are returned as they are.

    Args:
        file: Open for reading, at any position.

    Returns:
        The file, at its beginning, and what was wrong, or None.
    """
    patches, note = _patches(file)
    file.seek(0)
    return (_Overlaid(file, patches), note) if patches else (file, None)  # type: ignore[return-value]


def _patches(file: BinaryIO) -> tuple[dict[int, bytes], str | None]:
    """Bytes to replace, by their place, and what is wrong with the length that the header gives."""
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    start = file.read(12)
    if start[:4] not in (b"RIFF", b"RF64", b"BW64") or start[8:12] != b"WAVE":
        return {}, None
    patches = {0: b"RF64"} if start[:4] == b"BW64" else {}
    sizes = None  # place of the 64-bit length of the data, in RF64
    place = 12
    for _ in range(_MOST_CHUNKS):
        file.seek(place)
        header = file.read(8)
        if len(header) < 8:
            break
        name, length = header[:4], struct.unpack("<I", header[4:])[0]
        if name == b"ds64":
            sizes = place + 16
        if name == b"data":
            said, rest = length, size - place - 8
            if length == _UNKNOWN and sizes is not None:
                file.seek(sizes)
                (said,) = struct.unpack("<Q", file.read(8).ljust(8, b"\0"))
            if said == 0 and rest > 0 and not _are_chunks(file, place + 8, size):
                patches |= {place + 4: struct.pack("<I", _UNKNOWN if sizes is not None else min(rest, _UNKNOWN - 1))}
                if sizes is not None:
                    patches |= {sizes: struct.pack("<Q", rest)}
                return patches, "its header says that it is empty, and was never finished"
            break
        place += 8 + length + length % 2
    return patches, None


def _are_chunks(file: BinaryIO, place: int, size: int) -> bool:
    """Whether what follows is chunks up to the end: then an empty recording is one."""
    while place + 8 <= size:
        file.seek(place)
        header = file.read(8)
        length = struct.unpack("<I", header[4:])[0]
        if not all(32 <= sign < 127 for sign in header[:4]):
            return False
        place += 8 + length + length % 2
    return size <= place <= size + 1
