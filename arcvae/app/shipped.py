"""The models that come with arcvae: where they lie, and how a name becomes a file."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from arcvae.io.settings import nearest
from arcvae.training.run_folder import checkpoint_at

SHIPPED: Final = Path(__file__).parents[1] / "weights"
"""Models that come with arcvae, each with the command that made it and what it scores in a ``.json`` beside it."""


def shipped(path: Path) -> Path:
    """The file behind the name of a model that comes with arcvae; a file or folder of that name goes first.

    Example:
        >>> shipped(Path("atomic-d10")).name, shipped(Path("elsewhere")).name
        ('atomic-d10.safetensors', 'elsewhere')
    """
    return path if path.exists() else _models().get(str(path), path)


def _models() -> dict[str, Path]:
    files = SHIPPED.glob("*.safetensors")
    return {file.stem: file for file in files if file.with_suffix(".json").is_file()}  # others belong to a model


def hint_at_shipped(name: str) -> str:
    """A hint at the model that comes with arcvae of almost this name, or nothing.

    Example:
        >>> hint_at_shipped("atomic_objects"), hint_at_shipped("outputs/latest")
        (' (did you mean atomic-objects?)', '')
    """
    return nearest(name, sorted(_models()), 0.7)


def comes_with_arcvae(name: str) -> bool:
    """Whether this is the name of a model that comes with arcvae, and of no file or folder here."""
    return shipped(Path(name)) != Path(name)


def model_at(path: str) -> Path:
    """The file that ``ckpt_path`` means: a model that comes with arcvae, a checkpoint, or the best one of a run."""
    found = shipped(Path(path))
    return found if found != Path(path) else checkpoint_at(path)
