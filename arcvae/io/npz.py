"""Reading arrays from an ``.npz`` as exactly what was written, or not at all.

``numpy.load`` believes an array's header before it has checked anything: a damaged shape gives a smaller array
without an error, a member that is no array comes back as bytes, and an object array runs code. Here sizes are
checked before memory is taken, checksums before data are used, and nothing is ever unpickled.
"""

from __future__ import annotations

import io
import json
import math
import os
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from arcvae.errors import DataError
from arcvae.io.door import opened
from arcvae.io.files import sha256, write_atomic

DIGESTS: Final = "arcvae_sha256"
"""Array that holds the digests of the others, as JSON in uint8."""
_CHUNK = 1 << 20
_BROKEN = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, KeyError, IndexError, TypeError, AttributeError, ValueError,
    NotImplementedError, RuntimeError, OverflowError, MemoryError, SyntaxError, RecursionError, tokenize.TokenError,
)  # fmt: skip


def read_npz(
    path: str | os.PathLike[str], names: Sequence[str], *, max_bytes: float = 4e9, advice: str = ""
) -> dict[str, NDArray[np.generic]]:
    """Read the arrays ``names`` of an ``.npz`` file; other members are neither inflated nor looked at.

    Args:
        path: A regular file, or a link to one.
        names: Arrays that must be there.
        max_bytes: Refuse, before allocating anything, what declares more than this.
        advice: What to say of a file that lacks one of the arrays.

    Returns:
        The arrays in C order, with the dtypes and shapes of the file.

    Raises:
        DataError: Missing, not an ``.npz``, damaged, without one of the arrays, or too large.
        FileSystemError: Not readable.
    """
    path = Path(path)
    try:
        with opened(path, DataError, "an existing .npz file (data.path)") as file:
            return _read(file, path, names, max_bytes, advice)
    except _BROKEN as error:
        raise DataError(
            f"{path} is not an intact .npz file ({type(error).__name__}: {error}); write it again with "
            "numpy.savez_compressed"
        ) from error


def write_npz(path: str | os.PathLike[str], arrays: Mapping[str, NDArray[Any]], *, compressed: bool = True) -> None:
    """Write arrays as an ``.npz`` file, atomically, with a digest of each: :func:`read_npz` compares it.

    Of a link, what it leads to is written.

    An ``.npz`` file has a checksum for each member only: two arrays that were exchanged would have the right ones.

    Raises:
        FileSystemError: The file cannot be written; whatever was there is untouched.
    """
    digests = {name: _digest(np.asarray(array)) for name, array in arrays.items()}
    buffer = io.BytesIO()
    save = np.savez_compressed if compressed else np.savez
    save(buffer, **arrays, **{DIGESTS: np.frombuffer(json.dumps(digests).encode(), np.uint8)})  # type: ignore[arg-type]
    write_atomic(path, buffer.getvalue(), follow=True)


def _digest(array: NDArray[Any]) -> str:
    """SHA-256 over type, shape and content of an array."""
    content = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    return sha256(f"{array.dtype.str} {array.shape} {sha256(content.data)}".encode())


def _require_digests(path: Path, arrays: Mapping[str, NDArray[Any]], digests: NDArray[Any]) -> None:
    """Compare arrays with the digests that were written beside them."""
    expected = json.loads(digests.tobytes())
    if wrong := [name for name, array in arrays.items() if expected.get(name) != _digest(array)]:
        raise DataError(f"{path}: {wrong[0]} is not the array that was written under this name; make the file again")


def _read(
    file: BinaryIO, path: Path, names: Sequence[str], max_bytes: float, advice: str
) -> dict[str, NDArray[np.generic]]:
    with zipfile.ZipFile(file) as archive:
        members: dict[str, zipfile.ZipInfo] = {}
        for info in archive.infolist():
            if info.filename in members:
                raise DataError(f"{path} holds {info.filename!r} twice; write it again with numpy.savez_compressed")
            members[info.filename] = info
        found = [name.removesuffix(".npy") for name in members]
        for name in names:
            if f"{name}.npy" not in members:
                lacking = (
                    f"{path} has no array {name!r}; it holds {', '.join(found)[:500] or 'nothing'}, "
                    f"needs {', '.join(names)}"
                )
                near = [f"; rename {key} to {name}" for key in found if key.lower() == name.lower()]
                raise DataError(lacking + (near[0] if near else advice and f"; {advice}"))
        sealed = [DIGESTS] if f"{DIGESTS}.npy" in members else []  # files of others, and of earlier versions, are not
        wanted = {name: members[f"{name}.npy"] for name in (*names, *sealed)}
        declared = sum(info.file_size for info in wanted.values())
        if declared > max_bytes:
            raise DataError(
                f"{path} declares {declared:,} bytes, more than data.max_bytes={max_bytes:,.0f}; raise that to read it"
            )
        arrays = {name: _member(archive, info, path) for name, info in wanted.items()}
        if sealed:
            digests = arrays.pop(DIGESTS)
            _require_digests(path, arrays, digests)
        return arrays


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> NDArray[np.generic]:
    where = f"{path}: {info.filename}"
    if info.flag_bits & 0x1:
        raise DataError(f"{where} is encrypted; write it again with numpy.savez_compressed")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise DataError(f"{where} uses a compression that NumPy does not; write it again with numpy.savez_compressed")
    with archive.open(info) as member:
        version = npy_format.read_magic(member)
        if version == (1, 0):
            shape, fortran, dtype = npy_format.read_array_header_1_0(member, max_header_size=4096)
        elif version == (2, 0):
            shape, fortran, dtype = npy_format.read_array_header_2_0(member, max_header_size=4096)
        else:
            raise DataError(f"{where} has .npy format {version}, expected (1, 0) or (2, 0)")
        if dtype.hasobject:
            raise DataError(f"{where} holds Python objects, which are never loaded; store plain numbers")
        size = math.prod(shape) * dtype.itemsize
        if any(side < 0 for side in shape) or member.tell() + size != info.file_size:
            raise DataError(
                f"{where} declares shape {shape} of {dtype}, which is not the {info.file_size} bytes it has"
            )
        content = np.empty(size, dtype=np.uint8)
        position = 0
        while chunk := member.read(_CHUNK):  # reading on to the end is what checks the CRC
            content[position : position + len(chunk)] = np.frombuffer(chunk, dtype=np.uint8)
            position += len(chunk)
        if position != size:
            raise DataError(f"{where} ends after {position} of {size} bytes")
    if fortran:
        return np.ascontiguousarray(content.view(dtype).reshape(shape[::-1]).T)
    return content.view(dtype).reshape(shape)
