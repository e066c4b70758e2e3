"""What lies in a file beside a model, a prior or operators: it fits one decoder only, and its file says which."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

from torch import Tensor, nn

from arcvae.errors import CheckpointError
from arcvae.grid.models.base import GridModel
from arcvae.io.tensors import fill, load_safetensors, require_fit, save_safetensors

N = TypeVar("N", bound=nn.Module)

COMPANION_FORMAT: Final = 1
"""Version of the files."""


def weights_digest(network: nn.Module) -> str:
    """SHA-256 of the weights of a network: a prior, and operators, fit one decoder only."""
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def save_companion(
    path: str | os.PathLike[str], part: str, tensors: Mapping[str, Tensor], sizes: Mapping[str, int], model: GridModel
) -> None:
    """Write what belongs to a model.

    Args:
        path: File to write.
        part: What it is, in a word.
        tensors: Its state.
        sizes: What it is built with.
        model: The model that it belongs to.

    Raises:
        FileSystemError: The file cannot be written.
    """
    decoder = weights_digest(model.decoder)
    facts = {"format": COMPANION_FORMAT, "part": part, part: sizes, "decoder_sha256": decoder}
    save_safetensors(path, {name: tensor.detach().cpu() for name, tensor in tensors.items()}, facts)


def load_companion(
    path: str | os.PathLike[str], part: str, build: Callable[[Mapping[str, Any]], N], model: GridModel,
    *, wrong: str, foreign: str,
) -> N:  # fmt: skip
    """Read what :func:`save_companion` wrote, for the same model.

    Args:
        path: File to read.
        part: See :func:`save_companion`.
        build: Makes it from sizes, which are those of a file and not to be trusted.
        model: The model that it has to belong to.
        wrong: What to say of a file that holds another thing, after its name.
        foreign: The same of one that belongs to another model.

    Raises:
        CheckpointError: Missing, damaged, another thing, of a newer format, or of another model.
    """
    tensors, facts = load_safetensors(path)
    version, sizes = facts.get("format"), facts.get(part)
    if facts.get("part") != part or not isinstance(version, int) or not isinstance(sizes, dict):
        raise CheckpointError(f"{path} {wrong}")
    if version > COMPANION_FORMAT:
        raise CheckpointError(f"{path} has format {version}, this arcvae knows {COMPANION_FORMAT}; update arcvae")
    if facts.get("decoder_sha256") != weights_digest(model.decoder):
        raise CheckpointError(f"{path} {foreign}")
    require_fit(lambda: build(sizes), tensors, Path(path))
    made = build(sizes)
    fill(made, tensors, Path(path))
    return made.eval()
