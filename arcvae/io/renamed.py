"""Where the classes that files of earlier versions name are now, and what those files take for granted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

RENAMED: Final[Mapping[str, str]] = {
    # 0.1.0
    "arcvae.audio.data.AudioDataModule": "arcvae.audio.corpus.data.AudioDataModule",
    "arcvae.audio.module.AudioModule": "arcvae.audio.task.AudioTask",
    "arcvae.grid.data.GridDataModule": "arcvae.grid.corpus.data.GridDataModule",
    "arcvae.grid.model.BetaVAE": "arcvae.grid.models.beta_vae.BetaVAE",
    "arcvae.grid.model.SeparableVAE": "arcvae.grid.models.separable.SeparableVAE",
    "arcvae.grid.model.SpatialVAE": "arcvae.grid.models.spatial.SpatialVAE",
    "arcvae.grid.spatial.SpatialVAE": "arcvae.grid.models.spatial.SpatialVAE",
    "arcvae.grid.module.GridModule": "arcvae.grid.task.GridTask",
    "arcvae.training.record.EpochRecord": "arcvae.training.callbacks.EpochRecord",
}
"""Targets of configs, former to present."""

NOT_YET_NAMED: Final[Mapping[str, Mapping[str, Any]]] = {
    "arcvae.audio.corpus.data.AudioDataModule": {
        "sampler": "instance", "masks": 0, "mask_frames": 50, "mask_coefficients": 4, "mixup": 0.0, "shift": 0,
        "noise": 0.0, "pitch": 0.0, "tempo": 0.0,
    },
    "arcvae.audio.model.AudioCNN": {"head": "linear", "scale": 30.0, "bands": 0},
    "arcvae.audio.model.AudioCNNv2": {"head": "linear", "scale": 30.0, "bands": 0},
    "arcvae.grid.corpus.data.GridDataModule": {
        "generator_version": 1, "shape_mutation": 0.0, "shape_changes": 0.0, "sampler": "instance",
    },
    "arcvae.grid.models.beta_vae.BetaVAE": {"head": "linear", "scale": 30.0},
    "arcvae.grid.models.objects.ObjectsVAE": {"mean_share": 0.0},
    "arcvae.grid.models.separable.SeparableVAE": {"depth": 0},
    "arcvae.imbalance.losses.make_loss": {"defer": 0.0},
}  # fmt: skip
"""Arguments of a target, under its present name, that configs of earlier versions lack, and what those versions did."""

MEANT: Final[Mapping[str, tuple[str, bytes]]] = {
    "experiment=audio_cnn": ("experiment=audio_seed_cnn", b"bands:"),
    "experiment=audio_cnn_v2": ("experiment=audio_seed_cnn_v2", b"bands:"),
}
"""Overrides that mean something else since 0.2.0: how to say what they meant, and what only later configs hold."""

TASK_OF_PART: Final[Mapping[str, str]] = {
    "encoder": "arcvae.grid.task.GridTask",
    "decoder": "arcvae.grid.task.GridTask",
    "vae_best": "arcvae.grid.task.GridTask",
    "classifier": "arcvae.audio.task.AudioTask",
}
"""Task of an export of 0.1.0, which does not name it, by what the export holds."""

FORMER_MAIN: Final = "vae_best"
"""Export that holds the whole model, where the manifest of a run folder does not say which one does."""

TASK_OF_MODELS: Final[Mapping[str, str]] = {
    "arcvae.grid.": "arcvae.grid.task.GridTask",
    "arcvae.audio.": "arcvae.audio.task.AudioTask",
}
"""The same by where its model is defined, which goes first: a user's model is in neither."""


def with_present_names(node: Any) -> Any:
    """A config from a file, plain types, with each ``_target_`` that has moved under its present name.

    Arguments that earlier versions did not name are filled in with what those versions did.

    Example:
        >>> with_present_names({"model": {"_target_": "arcvae.grid.model.SpatialVAE", "latent_dim": 10}})
        {'model': {'_target_': 'arcvae.grid.models.spatial.SpatialVAE', 'latent_dim': 10}}
    """
    if isinstance(node, Mapping):
        new = {key: with_present_names(value) for key, value in node.items()}
        if isinstance(target := new.get("_target_"), str):
            new["_target_"] = RENAMED.get(target, target)
            new = {**new, **{k: v for k, v in NOT_YET_NAMED.get(new["_target_"], {}).items() if k not in new}}
        return new
    return [with_present_names(item) for item in node] if isinstance(node, list) else node


def inferred_task(part: str, model: Mapping[str, Any]) -> dict[str, str]:
    """The ``task`` node that an export of 0.1.0 would have.

    Args:
        part: What the export holds.
        model: Config of its model, under present names.

    Returns:
        A node with a ``_target_``; empty for a task of the user's own, which cannot be told.

    Example:
        >>> inferred_task("vae_best", {"_target_": "mine.Model"})
        {'_target_': 'arcvae.grid.task.GridTask'}
    """
    target = str(model.get("_target_"))
    rooms = [task for room, task in TASK_OF_MODELS.items() if target.startswith(room)]
    task = rooms[0] if rooms else TASK_OF_PART.get(part)
    return {} if task is None else {"_target_": task}
