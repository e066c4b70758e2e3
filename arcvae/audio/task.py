"""The audio task: one class for each clip."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arcvae.errors import ConfigError
from arcvae.training.task import Results, Task, Value

if TYPE_CHECKING:  # torch takes seconds to import, and a config is checked before
    from arcvae.audio.classifier import ClipClassifier
    from arcvae.audio.corpus.data import AudioDataModule
    from arcvae.audio.module import AudioModule

HEAD = 200
"""A species with at least this many training clips belongs to the head."""
TAIL = 50
"""A species with fewer training clips belongs to the tail; those between belong to the middle."""


class AudioTask(Task["AudioModule", "AudioDataModule"]):
    """A classifier of clips.

    Further results are ``minority_recall``, the mean recall over all species but the most frequent one of the train
    split, and ``f1_head``, ``f1_middle`` and ``f1_tail``, the mean F1 over frequent, less frequent and rare species.
    Species are grouped by their number of clips in the train split (:data:`HEAD`, :data:`TAIL`); those without clips
    in the evaluated split are left out, and a group without any species is NaN; ``classes_head``, ``classes_middle``
    and ``classes_tail`` are the numbers of species that these means stand for.
    """

    name = "clips"
    sample_unit = "clips"
    element_unit = "clips"
    ranked = True
    study_settings = ("rebalance",)
    further_names = (
        "classes_head", "classes_middle", "classes_tail", "f1_head", "f1_middle", "f1_tail", "minority_recall",
    )  # fmt: skip
    # Not balanced accuracy: with four species, predicting the same one always scores 0.25.
    collapse_metrics = ("predicted_majority_share", "minority_recall")
    headline = (
        "accuracy", "top5_accuracy", "balanced_accuracy", "f1_macro", "f1_weighted", "f1_head", "classes_head",
        "f1_middle", "classes_middle", "f1_tail", "classes_tail", "cmap", "cmap5", "auroc",
    )  # fmt: skip

    def check_corpus(self, data: Mapping[str, Any], model: Mapping[str, Any]) -> None:
        from arcvae.audio.corpus.files import read_audio_corpus

        found = len(read_audio_corpus(data["path"], max_bytes=data["max_bytes"]).species)
        if (wanted := model.get("num_classes")) not in (None, found):
            raise ConfigError(f"model.num_classes={wanted} but {data['path']} has {found}; set it to that")

    def build_module(
        self, model: Any, loss: Any, optimizer: Any, scheduler: Any, *, seed: int, **parts: Any
    ) -> AudioModule:
        from arcvae.audio.module import AudioModule

        return AudioModule(self, model, loss, optimizer, scheduler, seed=seed, **parts)

    def further_results(self, results: Mapping[str, Value], module: AudioModule) -> Results:
        """F1 of frequent and rare species, and the mean recall of all but the most frequent one."""
        import torch

        f1 = torch.tensor(results["per_class_f1"], dtype=torch.float64)
        recall = torch.tensor(results["per_class_recall"], dtype=torch.float64)
        counts = module.train_counts.cpu()
        if not counts.any():
            recall, f1 = recall * math.nan, f1 * math.nan  # without a train split, no species is known to be rare
        groups = {
            "head": f1[counts >= HEAD], "middle": f1[(counts >= TAIL) & (counts < HEAD)], "tail": f1[counts < TAIL],
        }  # fmt: skip
        minority = recall[torch.arange(len(counts)) != counts.argmax()]
        return {
            **{f"f1_{name}": group.nanmean().item() for name, group in groups.items()},
            **{f"classes_{name}": int((~group.isnan()).sum()) for name, group in groups.items()},
            "minority_recall": minority.nanmean().item(),
        }

    def study(
        self, module: AudioModule, data: AudioDataModule, split: str, results: Mapping[str, Value], *,
        limit: int, adjustment: Mapping[str, Any], seed: int, folder: Path, **settings: Any,
    ) -> dict[str, Any]:  # fmt: skip
        """The last layer mended for rare species, if that is asked for; see :func:`arcvae.audio.study.study`."""
        from arcvae.audio.study import study

        if (rebalancing := settings.get("rebalance")) is None:
            return {}
        return study(module, data, split, limit=limit, seed=seed, rebalancing=rebalancing)

    def exports(self, module: AudioModule) -> dict[str, dict[str, Any]]:
        """The network, normalisation included."""
        return {"classifier": module.model.state_dict()}

    def predict(self, model: ClipClassifier, source: Path, settings: Mapping[str, Any]) -> Iterator[Any]:
        """Windows of recordings."""
        from arcvae.audio.predictions import predict_recordings

        return predict_recordings(model, source, overlap=settings["overlap"], decision=settings["decision"])

    def load(self, export: Mapping[str, Any], path: Path, *, device: str = "cpu", **options: Any) -> ClipClassifier:
        """A classifier of waveforms, and of features as a corpus has them. Option ``model``: a class of your own."""
        from arcvae.audio.classifier import load_classifier

        return load_classifier(export, path, device=device, **options)
