"""The exports of a run: networks without Lightning, twice (.pth and .safetensors), and a manifest of their hashes."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from torch import Tensor

from arcvae.errors import CheckpointError
from arcvae.io.files import write_json
from arcvae.io.renamed import with_present_names
from arcvae.io.tensors import load_safetensors, load_torch, save_safetensors, save_torch

EXPORT_FORMAT: Final = 1
"""Version of the exports."""
CHECKPOINT_FORMAT: Final = 1
"""Version of what arcvae adds to a Lightning checkpoint under ``"arcvae"``."""
BEST: Final = "vae_best"
"""The export with encoder and decoder."""
MANIFEST: Final = "exports.json"


def write_exports(folder: Path, parts: Mapping[str, Mapping[str, Tensor]], facts: Mapping[str, Any]) -> None:
    """Write each part as ``NAME.pth`` and ``NAME.safetensors``, then their SHA-256 into ``exports.json``.

    The manifest comes last: files of two runs, or half of a set, do not agree with it.

    Args:
        folder: Run folder.
        parts: State dicts by name.
        facts: Plain types that go into each file: ``model`` (config), ``decision``.

    Raises:
        FileSystemError: A file cannot be written.
    """
    digests = {}
    for name, state in parts.items():
        tensors = {key: tensor.detach().cpu().contiguous() for key, tensor in state.items()}
        header = {"format": EXPORT_FORMAT, "part": name, **facts}
        save_torch(folder / f"{name}.pth", {**header, "state_dict": tensors})
        save_safetensors(folder / f"{name}.safetensors", tensors, header)
        for suffix in (".pth", ".safetensors"):
            digests[name + suffix] = _digest(folder / (name + suffix))
    write_json(folder / MANIFEST, {"format": EXPORT_FORMAT, "sha256": digests})


def check_digest(path: Path) -> None:
    """Compare an export with the manifest beside it, if there is one that names it.

    Raises:
        CheckpointError: It is not the file that was written.
    """
    try:
        digests = json.loads((path.parent / MANIFEST).read_bytes())["sha256"]
        wanted = digests.get(path.name)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return
    if wanted and path.is_file() and _digest(path) != wanted:
        raise CheckpointError(f"{path} is not the file that its run wrote ({MANIFEST} says so); export it again")


def read_export(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read an export, or a checkpoint as one.

    Returns:
        ``part`` ("encoder", "decoder" or "vae_best"), ``model`` (its config), ``state_dict`` and, if the decision was
        tuned, ``decision``.

    Raises:
        CheckpointError: Not an export of arcvae, or of a newer format.
    """
    path = Path(path)
    if path.suffix == ".safetensors":
        tensors, facts = load_safetensors(path)
        export: dict[str, Any] = {**facts, "state_dict": tensors}
    else:
        export = load_torch(path)
    if "arcvae" in export:
        _require_stamp(export, path)
        config = with_present_names(export["arcvae"]["config"])
        return {"part": BEST, "model": config.get("model", {}), "state_dict": model_state(export)}
    version = export.get("format")
    if not isinstance(version, int) or export.get("part") not in ("encoder", "decoder", BEST):
        raise CheckpointError(f"{path} is {_what(export)}, not an export of arcvae; give vae_best.pth or a checkpoint")
    if version > EXPORT_FORMAT:
        raise CheckpointError(f"{path} has format {version}, this arcvae knows {EXPORT_FORMAT}; update arcvae")
    if not isinstance(export.get("model"), Mapping) or not isinstance(export.get("state_dict"), Mapping):
        raise CheckpointError(f"{path} lacks the config or the weights of its model; export it again")
    return {**export, "model": with_present_names(export["model"])}


def read_checkpoint(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a checkpoint of ``arcvae.train``: Lightning's content, and the stamp under ``"arcvae"``.

    Raises:
        CheckpointError: Not a checkpoint, not one of arcvae, or of a newer format.
    """
    content = load_torch(path)
    _require_stamp(content, Path(path))
    content["arcvae"] = {**content["arcvae"], "config": with_present_names(content["arcvae"]["config"])}
    return content


def _require_stamp(content: Mapping[str, Any], path: Path) -> None:
    stamp = content.get("arcvae")
    if not isinstance(stamp, Mapping) or not isinstance(content.get("state_dict"), Mapping):
        raise CheckpointError(f"{path} is {_what(content)}; give a checkpoint of arcvae.train (checkpoints/best.ckpt)")
    if not isinstance(stamp.get("format"), int) or not isinstance(stamp.get("config"), Mapping):
        raise CheckpointError(f"{path} was not written by arcvae.train; give checkpoints/best.ckpt of a run")
    missing = [key for key in ("task", "data", "model", "loss") if not isinstance(stamp["config"].get(key), Mapping)]
    if missing or not isinstance(stamp.get("class_counts"), list):
        raise CheckpointError(f"{path} lacks {', '.join(missing) or 'class_counts'}; it cannot be used")
    if stamp["format"] > CHECKPOINT_FORMAT:
        raise CheckpointError(
            f"{path} has format {stamp['format']}, this arcvae knows {CHECKPOINT_FORMAT}; update arcvae"
        )


def model_state(checkpoint: Mapping[str, Any]) -> dict[str, Tensor]:
    """The weights of the model in a checkpoint, without those of anything else."""
    prefix = "model."
    state: Mapping[str, Tensor] = checkpoint["state_dict"]
    return {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}


def _what(content: Mapping[str, Any]) -> str:
    """What a file seems to be instead."""
    if content.get("part"):
        return f"an export ({content['part']})"
    if "pytorch-lightning_version" in content:
        return "a Lightning checkpoint of another program"
    if "class_weights" in content:
        return "the class weights of a run"
    if content and all(isinstance(value, Tensor) for value in content.values()):
        return "a bare state dict"
    return "something else"


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
