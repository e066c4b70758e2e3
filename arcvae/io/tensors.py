"""Reading and writing files of tensors: atomically, as plain data, and never as code."""

from __future__ import annotations

import io
import json
import os
import stat
import zipfile
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError  # what torch's restricted unpickler raises
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_safetensors
from torch import Tensor, nn

from arcvae.errors import CheckpointError, FileSystemError
from arcvae.io.files import write_atomic

_BROKEN = (
    zipfile.BadZipFile, RuntimeError, ValueError, KeyError, IndexError, TypeError, AttributeError, EOFError,
    OverflowError, MemoryError, NotImplementedError, AssertionError, ImportError, UnpicklingError,
)  # fmt: skip


def save_torch(path: str | os.PathLike[str], value: object) -> None:
    """Write tensors and plain types with ``torch.save``, atomically.

    Raises:
        FileSystemError: The file cannot be written; whatever was there is untouched.
    """
    buffer = io.BytesIO()
    torch.save(value, buffer)
    write_atomic(path, buffer.getvalue())


def load_torch(path: str | os.PathLike[str], map_location: Any = "cpu") -> dict[str, Any]:
    """Read what :func:`save_torch` wrote.

    ``torch.load`` checks no checksum and inflates before it refuses, so both are looked at first: a flipped bit
    in a weight is an error here, and a small file cannot take much memory.

    Returns:
        The dictionary in the file. Loading it ran no code.

    Raises:
        CheckpointError: Missing, damaged, or not a file that arcvae or Lightning wrote.
        FileSystemError: Not readable.
    """
    path = Path(path)
    where = path.absolute()
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise CheckpointError(f"{where} is not a regular file; give a checkpoint")
        with open(path, "rb") as file:
            with zipfile.ZipFile(file) as archive:
                members = archive.infolist()
                stored = all(member.compress_type == zipfile.ZIP_STORED for member in members)
                if not stored or sum(member.file_size for member in members) > path.stat().st_size:
                    raise CheckpointError(f"{where} is packed in a way that torch.save does not; it is not loaded")
                if (damaged := archive.testzip()) is not None:
                    raise CheckpointError(f"{where} is damaged (checksum of {damaged}); use an older checkpoint")
            file.seek(0)
            value = torch.load(file, map_location=map_location, weights_only=True)
    except FileNotFoundError:
        raise CheckpointError(f"there is no checkpoint {where}") from None
    except PermissionError:
        raise FileSystemError(f"permission denied: cannot read {where}") from None
    except OSError as error:
        raise CheckpointError(f"cannot read {where}: {error.strerror or error}") from None
    except _BROKEN:
        raise CheckpointError(f"{where} is not an intact checkpoint of plain tensors; it is not loaded") from None
    if not isinstance(value, Mapping):
        raise CheckpointError(f"{where} holds a {type(value).__name__}, not a checkpoint")
    return dict(value)


def save_safetensors(path: str | os.PathLike[str], tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Write tensors and, as JSON in the header, plain facts about them; atomically.

    Raises:
        FileSystemError: The file cannot be written; whatever was there is untouched.
    """
    header = {name: json.dumps(value, sort_keys=True, allow_nan=False) for name, value in facts.items()}
    write_atomic(path, to_safetensors({name: tensor.contiguous() for name, tensor in tensors.items()}, header))


def load_safetensors(path: str | os.PathLike[str]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what :func:`save_safetensors` wrote: tensors and facts.

    Raises:
        CheckpointError: Missing, damaged, or without the facts.
    """
    where = Path(path).absolute()
    if not where.is_file():
        raise CheckpointError(f"there is no file {where}")
    try:
        with safe_open(where, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
            return tensors, {name: json.loads(text) for name, text in (file.metadata() or {}).items()}
    except PermissionError:
        raise FileSystemError(f"permission denied: cannot read {where}") from None
    except (SafetensorError, OSError, ValueError, RecursionError):
        raise CheckpointError(f"{where} is not an intact safetensors file of arcvae; it is not loaded") from None


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
    if bad := [name for name, tensor in state.items() if not torch.isfinite(tensor).all()]:
        raise CheckpointError(f"{path} holds numbers that are not finite in {bad[0]}; it cannot be used")
    module.load_state_dict(state)
