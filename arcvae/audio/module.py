"""The audio task: one class for each clip, under imbalance."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from arcvae.audio.corpus.data import AudioDataModule
from arcvae.audio.model import MfccNet
from arcvae.imbalance.losses import ImbalanceLoss
from arcvae.training.module import Figure, ImbalanceModule, StepOutput

HEAD = 200
"""A species with at least this many training clips belongs to the head."""
TAIL = 50
"""A species with fewer training clips belongs to the tail; what lies between is the middle."""


class AudioModule(ImbalanceModule):
    """The loss of a clip's logits against its species, nothing else.

    Beside the figures of all tasks, ``minority_recall`` is the mean recall over all species but the most frequent one
    of the train split, and ``f1_head``, ``f1_middle`` and ``f1_tail`` are means of F1 over the species of
    each group that the split holds (NaN if it holds none), grouped by their clips in the train split (:data:`HEAD`,
    :data:`TAIL`). Statistics and clip counts of the train split are taken from the data when a fit begins, and
    travel with the checkpoint.

    Args:
        model: Features to logits.
        loss: Scores logits ``(N, C)`` against labels ``(N,)``.
        optimizer: See :class:`ImbalanceModule`.
        scheduler: See :class:`ImbalanceModule`.
        seed: Seed of the dropout.
    """

    derived_names = ("f1_head", "f1_middle", "f1_tail", "minority_recall")
    # Not balanced accuracy: of four species, a guess of one and the same scores .25.
    collapse_figures = ("predicted_majority_share", "minority_recall")
    headline = (
        "accuracy", "balanced_accuracy", "f1_macro", "f1_weighted", "f1_head", "f1_middle", "f1_tail",
    )  # fmt: skip
    train_counts: Tensor

    def __init__(
        self,
        model: MfccNet,
        loss: ImbalanceLoss,
        optimizer: Callable[[Iterable[nn.Parameter]], Optimizer],
        scheduler: Callable[[Optimizer, int, int], LRScheduler] | None = None,
        *,
        seed: int = 0,
    ) -> None:
        super().__init__(loss, optimizer, scheduler, num_classes=model.num_classes, seed=seed)
        self.model = model
        self.register_buffer("train_counts", torch.zeros(model.num_classes, dtype=torch.long))

    def setup(self, stage: str) -> None:
        """Take over what training needs to know of the train split; a checkpoint, if any, is loaded after this."""
        data = getattr(self.trainer, "datamodule", None)
        if stage == "fit" and isinstance(data, AudioDataModule):
            self.model.normalise_by(*data.statistics)
            self.train_counts.copy_(torch.from_numpy(data.class_counts))

    def step(self, batch: tuple[Tensor, Tensor], stage: str) -> StepOutput:
        """Batch: features ``(N, 20, 500)`` or ``(N, 3, 20, 500)`` and labels ``(N,)``."""
        features, labels = batch
        logits = self.model(features)  # (N, C)
        return StepOutput(self.loss(logits, labels), logits, labels)

    def derive(self, results: dict[str, Figure]) -> dict[str, Figure]:
        f1 = torch.tensor(results["per_class_f1"], dtype=torch.float64)
        recall = torch.tensor(results["per_class_recall"], dtype=torch.float64)
        counts = self.train_counts.cpu()
        if not counts.any():
            recall, f1 = recall * math.nan, f1 * math.nan  # without a train split, nobody knows who is rare
        return {
            "f1_head": f1[counts >= HEAD].nanmean().item(),
            "f1_middle": f1[(counts >= TAIL) & (counts < HEAD)].nanmean().item(),
            "f1_tail": f1[counts < TAIL].nanmean().item(),
            "minority_recall": recall[torch.arange(len(counts)) != counts.argmax()].nanmean().item(),
        }

    def named(self, results: dict[str, Figure]) -> dict[str, Figure]:
        """With the F1 of frequent and rare species."""
        named = super().named(results)
        return named | self.derive(named)

    def exports(self) -> dict[str, dict[str, Any]]:
        """The network with its normalisation."""
        return {"classifier": self.model.state_dict()}
