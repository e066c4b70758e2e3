"""Reading and writing torch files: atomically, as plain data, and never as code."""

from __future__ import annotations

import io
import os
import stat
import zipfile
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError  # what torch's restricted unpickler raises
from typing import Any

import torch
from lightning.fabric.plugins.io.checkpoint_io import CheckpointIO

from arcvae.errors import CheckpointError, FileSystemError
from arcvae.files import write_atomic

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


class AtomicCheckpointIO(CheckpointIO):
    """Lightning's checkpoints through :func:`save_torch` and :func:`load_torch`.

    Lightning's own writer leaves a torn file after a crash and nothing, without a word, in a read-only folder.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: Any | None = None
    ) -> None:
        """Write a checkpoint, or raise."""
        save_torch(path, checkpoint)

    def load_checkpoint(
        self, path: str | os.PathLike[str], map_location: Any | None = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read a checkpoint as plain data, whatever ``weights_only`` says."""
        return load_torch(path, map_location or "cpu")

    def remove_checkpoint(self, path: str | os.PathLike[str]) -> None:
        """Delete a checkpoint if it is there."""
        Path(path).unlink(missing_ok=True)
