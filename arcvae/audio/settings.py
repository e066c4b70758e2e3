"""Settings of the audio task: clips, their features, and the classifier."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from arcvae.imbalance.settings import DENSE, HEADS, REBALANCINGS, alpha_problem
from arcvae.io.settings import Choice, Fixed, ListOf, Number, OneOf, Settings, Text, is_count, value_at

_CLIPS = Number(20, 1e7, integer=True)
_SPECIES = Number(2, 10_000, integer=True)
_WINDOWS = Choice(("all", "loudest", "first"))
_CHANNELS = (Fixed(1, "the MFCCs alone"), Fixed(3, "the MFCCs with both deltas"))
_WIDTH = Number(1, 65536, integer=True)


def clips_problem(num_clips: int, num_species: int, prefix: str = "") -> str | None:
    """What is wrong with a number of synthetic clips for so many species, or None.

    Args:
        num_clips: Clips of all splits together.
        num_species: Species, two at least; the rarest one must still occur in the train split.
        prefix: Stands before both names in the text, for example ``"data."``.

    Example:
        >>> clips_problem(100, 89)
        'num_clips=100 must be at least 10 for each of num_species=89'
    """
    if num_species < 2:
        return f"{prefix}num_species={num_species} must be at least 2"
    if num_clips >= 10 * num_species:
        return None
    return f"{prefix}num_clips={num_clips} must be at least 10 for each of {prefix}num_species={num_species}"


def check_clips(config: Mapping[str, Any]) -> list[str]:
    """Enough clips for each species, whether a run or a corpus is asked for."""
    found = []
    for prefix in ("", "data."):
        clips, species = value_at(config, f"{prefix}num_clips"), value_at(config, f"{prefix}num_species")
        if not is_count(clips) or not is_count(species) or species < 2:  # fewer are reported by their rule
            continue
        if problem := clips_problem(clips, species, prefix):
            found.append(problem)
    return found


def check_alpha(config: Mapping[str, Any]) -> list[str]:
    """A factor for each class, as far as the number of species is known before the corpus is read."""
    classes = value_at(config, "model.num_classes")
    problem = alpha_problem(value_at(config, "loss.alpha"), classes) if is_count(classes) else None
    return [problem] if problem else []


def check_loss(config: Mapping[str, Any]) -> list[str]:
    """The loss must be one for single labels."""
    name = value_at(config, "loss.name")
    if name not in DENSE:
        return []
    return [f"loss.name={name} compares regions, and a clip has one label; use loss=balanced_softmax"]


SETTINGS: Final = Settings(
    rules={
        "num_clips": _CLIPS,
        "num_species": _SPECIES,
        "windows": _WINDOWS,
        "writer.windows": _WINDOWS,
        "writer.source": Text(optional=True),
        "writer.num_clips": _CLIPS,
        "writer.num_species": _SPECIES,
        "data.num_clips": _CLIPS,
        "data.num_species": _SPECIES,
        "data.channels": OneOf(_CHANNELS),
        "data.masks": Number(0, 20, integer=True),
        "data.mask_frames": Number(1, 500, integer=True),
        "data.mask_coefficients": Number(1, 20, integer=True),
        "data.mixup": Number(0, 100),
        "data.shift": Number(0, 499, integer=True),
        "data.noise": Number(0, 10),
        "data.pitch": Number(0, 1),
        "data.tempo": Number(0, 3),
        "model.num_classes": Number(2, 65536, integer=True, optional=True),
        "model.channels": OneOf(_CHANNELS, optional=True),
        "model.widths": ListOf(_WIDTH, shortest=1, longest=32),
        "model.hidden": _WIDTH,
        "model.bands": Number(0, 256, integer=True),
        "model.dropout": Number(0, 0.99),
        "model.head": Choice(HEADS),
        "rebalance": Choice(REBALANCINGS, optional=True),
        "model.scale": Number(0, 1000, above=True),
    },
    checks=(check_clips, check_alpha, check_loss),
    builds=(
        "arcvae.audio.corpus.data.AudioDataModule",
        "arcvae.audio.corpus.make.make_audio_corpus",
        "arcvae.audio.model.",
        "arcvae.audio.task.AudioTask",
    ),
)
"""What belongs to clips."""
