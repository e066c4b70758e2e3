"""The models that come with arcvae: where they lie, and how a name becomes a file."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from arcvae.training.run_folder import checkpoint_at

SHIPPED: Final = Path(__file__).parents[1] / "weights"
"""Models that come with arcvae, each with the command that made it and what it scores in a ``.json`` beside it."""


def shipped(path: Path) -> Path:
    """The file behind the name of a model that comes with arcvae; a file or folder of that name goes first.

    Example:
        >>> shipped(Path("atomic-d10")).name, shipped(Path("elsewhere")).name
        ('atomic-d10.safetensors', 'elsewhere')
    """
    files = SHIPPED.glob("*.safetensors")
    models = {file.stem: file for file in files if file.with_suffix(".json").is_file()}  # others belong to a model
    return path if path.exists() else models.get(str(path), path)


def comes_with_arcvae(name: str) -> bool:
    """Whether this is the name of a model that comes with arcvae, and of no file or folder here."""
    return shipped(Path(name)) != Path(name)


def model_at(path: str) -> Path:
    """The file that ``ckpt_path`` means: a model that comes with arcvae, a checkpoint, or the best one of a run."""
    found = shipped(Path(path))
    return found if found != Path(path) else checkpoint_at(path)
