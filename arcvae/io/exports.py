"""The exports of a run: networks without Lightning, twice (.pth and .safetensors), and a manifest of their hashes.

An export of format 2 has a header with

- ``part``: what it holds, in the words of its task,
- ``task`` and ``model``: these nodes of the config,
- ``class_names``: a name for each of the C classes,
- ``logit_adjustment``: None or ``tau``, ``class_counts`` (C of them), ``metric`` and ``tuned_on``,
- ``preprocessing``: how samples were made, in the words of the task,
- ``version``: that of the arcvae that wrote it,

and the weights under ``state_dict``. Format 1, that of 0.1.0, had ``decision`` with a ``prior_strength`` instead of
``logit_adjustment`` with a ``tau``, and no ``task``, ``class_names``, ``preprocessing`` and ``version``.
"""

from __future__ import annotations

import hashlib
import math
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from torch import Tensor

from arcvae.errors import ArcvaeError, CheckpointError
from arcvae.io.door import opened, read_json
from arcvae.io.files import write_json
from arcvae.io.renamed import FORMER_MAIN, inferred_task, with_present_names
from arcvae.io.stamp import require_stamp
from arcvae.io.tensors import load_safetensors, load_torch, save_safetensors, save_torch

EXPORT_FORMAT: Final = 2
"""Version of the exports."""
CHECKPOINT_FORMAT: Final = 2
"""Version of what arcvae adds to a Lightning checkpoint under ``"arcvae"``: 2 since 0.2.0, with other ``_target_``."""
MANIFEST: Final = "exports.json"
INSTEAD: Final = "load checkpoints/best.ckpt of its run, or train it again"
"""What to do about an export that cannot be used."""
OPERATORS: Final = ".operators.safetensors"
"""Takes the place of the suffix of a file of weights in the name of that with its operators, which lies beside it."""


def write_exports(
    folder: Path, parts: Mapping[str, Mapping[str, Tensor]], facts: Mapping[str, Any], main: str | None = None
) -> None:
    """Write each part as ``NAME.pth`` and ``NAME.safetensors``, then their SHA-256 into ``exports.json``.

    The manifest comes last: files of two runs, or half of a set, do not agree with it.

    Args:
        folder: Run folder.
        parts: State dicts by name; a name is lower-case letters, digits and underscores, at most 64.
        facts: Plain types that go into the header of each file; see the top of this module.
        main: The part that is the whole model, if there are several.

    Raises:
        ValueError: A name that is not of that form.
        FileSystemError: A file cannot be written.
    """
    if bad := [name for name in parts if not _is_part(name)]:
        raise ValueError(f"{bad[0]!r} cannot name an export; use lower-case letters, digits and underscores")
    digests = {}
    for name, state in parts.items():
        tensors = {key: tensor.detach().cpu().contiguous() for key, tensor in state.items()}
        header = {"format": EXPORT_FORMAT, "part": name, **facts}
        # Digests of what was meant to be written, not of what may be found now.
        digests[f"{name}.pth"] = save_torch(folder / f"{name}.pth", {**header, "state_dict": tensors})
        digests[f"{name}.safetensors"] = save_safetensors(folder / f"{name}.safetensors", tensors, header)
    write_json(folder / MANIFEST, {"format": EXPORT_FORMAT, "main": main, "sha256": digests})


def main_export(folder: Path) -> Path:
    """The export in a run folder that holds the whole model: the one that its manifest names, or else the only one.

    Raises:
        CheckpointError: There is none, or it cannot be told which.
    """
    named = [folder / f"{part}.pth" for part in (_manifest(folder).get("main"), FORMER_MAIN) if _is_part(part)]
    files = [folder / name for name in _digests(folder) if name.endswith(".pth")]
    if found := next((file for file in named if file.is_file()), files[0] if len(files) == 1 else None):
        return found
    if not files:
        raise CheckpointError(f"{folder} holds no exports; give the folder of a finished training run")
    raise CheckpointError(f"{folder} holds {', '.join(sorted(file.name for file in files))}; give one of these files")


def check_digest(path: Path) -> None:
    """Compare an export with the manifest beside it, if there is one that names it.

    Raises:
        CheckpointError: It is not the file that was written.
    """
    wanted = _digests(path.parent).get(path.name)
    if wanted and path.is_file() and _digest(path) != wanted:
        raise CheckpointError(f"{path} is not the file that its run wrote ({MANIFEST} says so); {INSTEAD}")


def read_export(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read an export of any format, or a checkpoint as one.

    Returns:
        The header as in format 2 (see the top of this module) and ``state_dict``. What an earlier format or a
        checkpoint does not know is None, but for ``task``, which is inferred (empty for a task of the user's own). The
        ``part`` of a checkpoint is None: it holds the whole model.

    Raises:
        CheckpointError: Not an export of arcvae, damaged, or of a newer format.
    """
    path = Path(path)
    if path.suffix == ".safetensors":
        tensors, facts = load_safetensors(path)
        export: dict[str, Any] = {**facts, "state_dict": tensors}
    else:
        export = load_torch(path)
    if "arcvae" in export:
        return _checkpoint_as_export(export, path)
    version, part = export.get("format"), export.get("part")
    if type(version) is not int or version < 1 or not _is_part(part) or "model" not in export:
        raise CheckpointError(
            f"{path} is {_what(export)}, not an export of arcvae; give one that {MANIFEST} lists, or a checkpoint"
        )
    if version > EXPORT_FORMAT:
        raise CheckpointError(f"{path} has format {version}, this arcvae knows {EXPORT_FORMAT}; update arcvae")
    if not isinstance(export.get("model"), Mapping) or not _is_state(export.get("state_dict")):
        raise CheckpointError(f"{path} lacks the config or the weights of its model; {INSTEAD}")
    if version == 1:
        export = _upgraded(export, path)
    return {
        "format": EXPORT_FORMAT,
        "part": part,
        "task": _task_node(export.get("task"), path),
        "model": with_present_names(export["model"]),
        "class_names": _class_names(export.get("class_names"), path),
        "logit_adjustment": _adjustment(export.get("logit_adjustment"), path),
        "preprocessing": _preprocessing(export.get("preprocessing"), path),
        "version": _text(export.get("version")),
        "state_dict": export["state_dict"],
    }


def read_checkpoint(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a checkpoint of ``arcvae.train``: Lightning's content, and the stamp under ``"arcvae"``.

    Raises:
        CheckpointError: Not a checkpoint, not one of arcvae, or of a newer format.
    """
    content = load_torch(path)
    _require_stamp(content, Path(path))
    content["arcvae"] = {**content["arcvae"], "config": with_present_names(content["arcvae"]["config"])}
    return content


def model_state(checkpoint: Mapping[str, Any]) -> dict[str, Tensor]:
    """The weights of the model in a checkpoint, without those of anything else."""
    prefix = "model."
    state: Mapping[str, Tensor] = checkpoint["state_dict"]
    return {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}


def _checkpoint_as_export(content: Mapping[str, Any], path: Path) -> dict[str, Any]:
    _require_stamp(content, path)
    stamp = content["arcvae"]
    config = with_present_names(stamp["config"])
    return {
        "format": EXPORT_FORMAT,
        "part": None,
        "task": _task_node(config["task"], path),
        "model": config["model"],
        "class_names": _class_names(stamp.get("class_names"), path),
        "logit_adjustment": None,
        "preprocessing": _preprocessing(stamp.get("preprocessing"), path),
        "version": _text(stamp.get("version")),
        "state_dict": model_state(content),
    }


def _upgraded(export: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """An export of format 1 as one of format 2."""
    decision = export.get("decision")
    if decision is not None:
        if not isinstance(decision, Mapping) or "prior_strength" not in decision:
            raise CheckpointError(f"{path} has a decision without prior_strength; {INSTEAD}")
        rest = {key: value for key, value in decision.items() if key != "prior_strength"}
        decision = {"tau": decision["prior_strength"], **rest}
    task = inferred_task(export["part"], with_present_names(export["model"]))
    return {**export, "logit_adjustment": decision, "task": task}


def _require_stamp(content: Mapping[str, Any], path: Path) -> None:
    stamp = content.get("arcvae")
    if not isinstance(stamp, Mapping) or not isinstance(content.get("state_dict"), Mapping):
        raise CheckpointError(f"{path} is {_what(content)}; give a checkpoint of arcvae.train (checkpoints/best.ckpt)")
    if type(stamp.get("format")) is not int or not isinstance(stamp.get("config"), Mapping):
        raise CheckpointError(f"{path} was not written by arcvae.train; give checkpoints/best.ckpt of a run")
    if stamp["format"] > CHECKPOINT_FORMAT:
        raise CheckpointError(
            f"{path} has format {stamp['format']}, this arcvae knows {CHECKPOINT_FORMAT}; update arcvae"
        )
    require_stamp(content, path)


def _is_part(name: Any) -> bool:
    return isinstance(name, str) and re.fullmatch(r"[a-z][a-z0-9_]{0,63}", name) is not None


def _is_state(state: Any) -> bool:
    return isinstance(state, Mapping) and all(
        isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in state.items()
    )


def _task_node(node: Any, path: Path) -> dict[str, Any]:
    if not isinstance(node, Mapping) or not isinstance(node.get("_target_", ""), str):
        raise CheckpointError(f"{path} does not say which task it is of; {INSTEAD}")
    named: dict[str, Any] = with_present_names(node)
    return named


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _class_names(names: Any, path: Path) -> list[str] | None:
    if names is None or (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        return names
    raise CheckpointError(f"{path} has class_names that are not a list of names; {INSTEAD}")


def _preprocessing(entry: Any, path: Path) -> dict[str, Any] | None:
    if entry is None or isinstance(entry, Mapping):
        return None if entry is None else dict(entry)
    raise CheckpointError(f"{path} has a preprocessing that is not a mapping; {INSTEAD}")


def _adjustment(entry: Any, path: Path) -> dict[str, Any] | None:
    """The tuned logit adjustment, if it is one."""
    if entry is None:
        return None
    tau, counts = (entry.get(key) for key in ("tau", "class_counts")) if isinstance(entry, Mapping) else (None, None)
    is_number = isinstance(tau, int | float) and not isinstance(tau, bool) and math.isfinite(tau)
    is_counts = isinstance(counts, list) and all(type(n) is int and n >= 0 for n in counts) and any(counts)
    if not (is_number and is_counts):
        raise CheckpointError(f"{path} has a logit_adjustment without a finite tau and class_counts; {INSTEAD}")
    return dict(entry)


def _what(content: Mapping[str, Any]) -> str:
    """What a file seems to be instead."""
    if isinstance(part := content.get("part"), str) and part:
        return f"an export ({part})" if "model" in content else f"a {part} without its model"
    if "pytorch-lightning_version" in content:
        return "a Lightning checkpoint of another program"
    if "class_weights" in content:
        return "the class weights of a run"
    if content and all(isinstance(value, Tensor) for value in content.values()):
        return "a bare state dict"
    return "something else"


def _digests(folder: Path) -> dict[str, str]:
    """SHA-256 of each export by file name, as the manifest in a folder says; empty without one that can be read.

    Names that lead out of the folder are not among them.
    """
    digests = _manifest(folder).get("sha256")
    named = digests.items() if isinstance(digests, Mapping) else ()
    return {name: digest for name, digest in named if isinstance(digest, str) and Path(name).name == name}


def _manifest(folder: Path) -> Mapping[str, Any]:
    """What ``exports.json`` says; nothing without one that can be read."""
    try:
        content = read_json(folder / MANIFEST, CheckpointError, "the folder of a finished run")
    except ArcvaeError:
        return {}
    return content if isinstance(content, Mapping) else {}


def _digest(path: Path) -> str:
    with opened(path, CheckpointError, "an export") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
