"""Reading and writing files of tensors: atomically, as plain data, and never as code."""

from __future__ import annotations

import io
import json
import os
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load as from_safetensors
from safetensors.torch import save as to_safetensors
from torch import Tensor, nn

from arcvae.errors import CheckpointError
from arcvae.io.door import opened
from arcvae.io.files import sha256, write_atomic
from arcvae.io.pickled import Storage, read_values

MAX_HEADER: Final = 1 << 24
"""Bytes of the longest header of a safetensors file."""
_DIGEST: Final = ".data/arcvae_sha256"
"""Member of a file of ``torch.save`` that holds the digest of the others."""
_SEAL: Final = {"digest", "sha256"}
"""Entries of the header of a safetensors file that hold the digest of the rest."""
_BROKEN: Final = (
    zipfile.BadZipFile, zlib.error, RuntimeError, ValueError, LookupError, TypeError, AttributeError, EOFError,
    OverflowError, MemoryError, NotImplementedError, RecursionError,
)  # fmt: skip


def save_torch(path: str | os.PathLike[str], value: object) -> str:
    """Write tensors and plain types with ``torch.save``, atomically, and with a digest of everything in the file.

    The zip file that ``torch.save`` writes has a checksum for each of its members only: two that were exchanged would
    have the right ones.

    Returns:
        SHA-256 of the file.

    Raises:
        CheckpointError: Something that is neither a tensor nor a plain type, and where it stands.
        FileSystemError: The file cannot be written; whatever was there is untouched.
    """
    buffer = io.BytesIO()
    try:
        torch.save(_plain(value, "content"), buffer)
    except (TypeError, RecursionError) as error:
        raise CheckpointError(f"{path} cannot be written: {error}") from None
    with zipfile.ZipFile(buffer, "a") as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
        archive.writestr(zipfile.ZipInfo(_root(members) + _DIGEST), _digest_of(members))
    content = buffer.getvalue()
    write_atomic(path, content)
    return sha256(content)


def _plain(value: Any, where: str) -> Any:
    """A copy of nested containers, of plain types all through; tensors are shared."""
    if isinstance(value, Tensor):
        return value.detach()
    if isinstance(value, Mapping):
        return {_plain(key, where): _plain(item, f"{where}[{key!r}]") for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item, where) for item in value]
    if isinstance(value, tuple):
        return tuple(_plain(item, where) for item in value)
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float):  # a subclass would be written as a class, not as the number that it is
        return int(value) if isinstance(value, int) else float(value)
    if isinstance(value, str):
        return str.__str__(value)
    raise TypeError(f"{where} is a {type(value).__name__}; a file of tensors holds tensors, numbers and text only")


def load_torch(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read what :func:`save_torch` wrote, to the CPU.

    Not by ``torch.load``, which checks no checksum, inflates before it refuses, and allocates what a file asks for; see
    :mod:`arcvae.io.pickled`. A file takes no more memory than it has bytes, twice that of its largest tensor aside.

    Returns:
        The dictionary in the file. Files of earlier versions have no digest and are read without.

    Raises:
        CheckpointError: Missing, damaged, or not a file that arcvae or Lightning wrote.
        FileSystemError: Not readable.
    """
    where = Path(path).absolute()
    try:
        with opened(path, CheckpointError, "a checkpoint") as file:
            value = _values(_members(file, where), where)
    except _BROKEN:
        raise CheckpointError(f"{where} is not an intact checkpoint of plain tensors; it is not loaded") from None
    if not isinstance(value, Mapping):
        raise CheckpointError(f"{where} holds a {type(value).__name__}, not a checkpoint")
    return dict(value)


def _members(file: BinaryIO, where: Path) -> dict[str, bytes]:
    """Content of each member of a zip file, with its checksum verified; in all no more than the file has bytes."""
    with zipfile.ZipFile(file) as archive:
        infos = archive.infolist()
        stored = all(info.compress_type == zipfile.ZIP_STORED for info in infos)
        if not stored or sum(info.file_size for info in infos) > os.fstat(file.fileno()).st_size:
            raise CheckpointError(f"{where} is packed in a way that torch.save does not; it is not loaded")
        members: dict[str, bytes] = {}
        for info in infos:
            try:
                content = archive.read(info)  # reading to the end is what checks the CRC
            except zipfile.BadZipFile:
                raise CheckpointError(f"{where} is damaged ({info.filename}); use an older checkpoint") from None
            if members.setdefault(info.filename, content) is not content:
                raise CheckpointError(f"{where} holds {info.filename!r} twice; it is not loaded")
    return members


def _values(members: dict[str, bytes], where: Path) -> Any:
    """What the members of a file of ``torch.save`` hold; takes them out one by one."""
    root = _root(members)
    digest = members.pop(root + _DIGEST, None)
    if digest is not None and digest != _digest_of(members):
        raise CheckpointError(f"{where} is damaged (its digest differs); use an older checkpoint")
    if members.get(root + "byteorder", b"little") != b"little":
        raise CheckpointError(f"{where} was written on a machine of other byte order; it is not loaded")
    storages: dict[Storage, Tensor] = {}

    def read(storage: Storage) -> Tensor:
        if storage not in storages:
            content = members.pop(f"{root}data/{storage.key}")
            if len(content) != storage.numel * storage.dtype.itemsize:
                raise ValueError("a tensor has another size than it claims")
            flat = torch.empty(storage.numel, dtype=storage.dtype)
            if content:  # copied, because memory of torch's own is aligned for its kernels
                flat.view(torch.uint8).copy_(torch.frombuffer(bytearray(content), dtype=torch.uint8))
            storages[storage] = flat
        return storages[storage]

    return read_values(members[root + "data.pkl"], read)


def _root(members: Mapping[str, bytes]) -> str:
    """The folder that everything in a file of ``torch.save`` lies in."""
    (name,) = (name for name in members if name.endswith("/data.pkl") and name.count("/") == 1)
    return name.removesuffix("data.pkl")


def _digest_of(members: Mapping[str, bytes]) -> bytes:
    """SHA-256 over names and content of the members of a zip file."""
    lines = sorted(f"{sha256(content)} {name}" for name, content in members.items())
    return sha256("\n".join(lines).encode()).encode()


def save_safetensors(path: str | os.PathLike[str], tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> str:
    """Write tensors and, as JSON in the header, plain facts about them and a digest of both; atomically.

    The same tensors and facts give the same bytes; those of the library itself are in another order in each process.

    Returns:
        SHA-256 of the file.

    Raises:
        FileSystemError: The file cannot be written; whatever was there is untouched.
    """
    about = {name: json.dumps(value, sort_keys=True, allow_nan=False) for name, value in facts.items()}
    made = to_safetensors({name: tensor.contiguous() for name, tensor in tensors.items()}, about)
    content = with_digest(*_parted(made))
    write_atomic(path, content)
    return sha256(content)


def load_safetensors(path: str | os.PathLike[str]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what :func:`save_safetensors` wrote: tensors and facts. Files of earlier versions have no digest.

    Raises:
        CheckpointError: Missing, damaged, or without the facts.
    """
    where = Path(path).absolute()
    try:
        with opened(path, CheckpointError, "a safetensors file of arcvae") as file:
            content = file.read()
        header, data = _parted(content)
        about = header.get("__metadata__", {})
        if about.keys() & _SEAL and with_digest(header, data) != content:
            raise CheckpointError(f"{where} is damaged (its digest differs); take another copy of it")
        facts = {name: json.loads(text) for name, text in about.items() if name not in _SEAL}
        return from_safetensors(content), facts
    except (SafetensorError, *_BROKEN):
        raise CheckpointError(f"{where} is not an intact safetensors file of arcvae; it is not loaded") from None


def with_digest(header: Mapping[str, Any], data: bytes) -> bytes:
    """A safetensors file of these parts, its header in alphabetical order and with a digest of everything else in it.

    Args:
        header: Names of tensors, each with ``dtype``, ``shape`` and ``data_offsets``, and ``__metadata__``; a digest
            that it has is left out.
        data: What follows it.
    """
    about = {name: text for name, text in header["__metadata__"].items() if name not in _SEAL}
    bare = {**header, "__metadata__": about}
    # Two entries: a file that has lost one of them is not taken for one of an earlier version, which had neither.
    seal = {"digest": json.dumps("sha256"), "sha256": json.dumps(sha256(_encoded(bare) + data))}
    return _encoded({**bare, "__metadata__": about | seal}) + data


def _encoded(header: Mapping[str, Any]) -> bytes:
    text = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def _parted(content: bytes) -> tuple[dict[str, Any], bytes]:
    """Header and data of a safetensors file."""
    end = 8 + int.from_bytes(content[:8], "little")
    if not 8 < end <= min(len(content), MAX_HEADER):
        raise ValueError("the header is longer than the file")
    header = json.loads(content[8:end])
    if not isinstance(header, dict) or not isinstance(header.get("__metadata__", {}), dict):
        raise ValueError("the header is not a dictionary")
    return header, content[end:]


def fill(module: nn.Module, state: Mapping[str, Tensor], path: Path) -> None:
    """Load weights; every name and shape must fit and every number be finite.

    Args:
        module: Takes the weights.
        state: Its state dict, from a file.
        path: That file, for messages.

    Raises:
        CheckpointError: Something else than a tensor, up to five of the weights that do not fit, or one that is not
            finite. The module is as it was.
    """
    _require_same_shapes(module, state, path)
    if bad := [name for name, tensor in state.items() if not torch.isfinite(tensor).all()]:
        raise CheckpointError(f"{path} holds numbers that are not finite in {bad[0]}; it cannot be used")
    module.load_state_dict(state)


def require_fit(
    make: Callable[[], nn.Module], state: Mapping[str, Tensor], path: Path, part: str | None = None
) -> None:
    """Refuse to make a module that does not fit the weights there are for it, before it takes any memory.

    What a file says of the size of a model is believed only as far as the file holds its weights. The module is made
    once on torch's ``meta`` device, whose tensors have shapes and no content.

    Args:
        make: Makes the module; one of a user's that cannot be made without content is not looked at.
        state: Its state dict, from a file.
        path: That file, for messages.
        part: Attribute of the module that the state dict is of; None for all of it.

    Raises:
        CheckpointError: As :func:`fill`, but for numbers that are not finite.
    """
    try:
        with torch.device("meta"):
            module = make()
        module = module if part is None else getattr(module, part)
    except (RuntimeError, NotImplementedError, ValueError, TypeError, ArithmeticError, AttributeError):
        return  # whoever makes it says why
    _require_same_shapes(module, state, path)


def _require_same_shapes(module: nn.Module, state: Mapping[str, Tensor], path: Path) -> None:
    """Every name and shape must fit; names up to five that do not."""
    if strange := [name for name, tensor in state.items() if not isinstance(tensor, Tensor)]:
        raise CheckpointError(f"{path} holds {strange[0]}, which is not a tensor; it cannot be used")
    wanted = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in state.items()}
    wrong = [f"{name} is missing" for name in wanted.keys() - found.keys()]
    wrong += [f"{name} is unknown" for name in found.keys() - wanted.keys()]
    wrong += [
        f"{name} has shape {found[name]}, expected {shape}"
        for name, shape in wanted.items()
        if found.get(name, shape) != shape
    ]
    if wrong:
        more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        raise CheckpointError(f"{path} does not fit its architecture: {'; '.join(sorted(wrong)[:5])}{more}")
