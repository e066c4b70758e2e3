"""The LightningModule of the audio task: a classifier of clips."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from arcvae.audio.corpus.augment import Augmentation
from arcvae.audio.corpus.data import AudioDataModule
from arcvae.audio.model import MfccNet
from arcvae.imbalance.losses import ImbalanceLoss
from arcvae.training.module import ImbalanceModule, StepOutput
from arcvae.training.task import Task


class AudioModule(ImbalanceModule):
    """The loss of each clip's logits against its species.

    Normalisation and class counts are taken from the train split when a fit begins, and are part of the checkpoint.

    Args:
        task: See :class:`ImbalanceModule`.
        model: Features to logits.
        loss: Scores logits ``(N, C)`` against labels ``(N,)``.
        optimizer: See :class:`ImbalanceModule`.
        scheduler: See :class:`ImbalanceModule`.
        seed: Seed of the dropout.
    """

    train_counts: Tensor
    """Clips of each species in the train split, ``(C,)``; all zero before a fit."""

    def __init__(
        self,
        task: Task[Any, Any],
        model: MfccNet,
        loss: ImbalanceLoss,
        optimizer: Callable[[Iterable[nn.Parameter]], Optimizer] | None,
        scheduler: Callable[[Optimizer, int, int], LRScheduler] | None = None,
        *,
        seed: int = 0,
    ) -> None:
        super().__init__(task, loss, optimizer, scheduler, num_classes=model.num_classes, seed=seed)
        self.model = model
        self.augmentation = Augmentation()
        self.register_buffer("train_counts", torch.zeros(model.num_classes, dtype=torch.long))

    def setup(self, stage: str) -> None:
        """Take normalisation and class counts from the train split; a checkpoint, if any, is loaded after this."""
        data = getattr(self.trainer, "datamodule", None)
        if stage == "fit" and isinstance(data, AudioDataModule):
            self.augmentation = data.augmentation
            self.model.normalise_by(*data.statistics)
            self.train_counts.copy_(torch.from_numpy(data.class_counts))

    def step(self, batch: tuple[Tensor, Tensor], stage: str) -> StepOutput:
        """Classify a batch: features ``(N, 20, 500)`` or ``(N, 3, 20, 500)``, and labels ``(N,)``.

        A training batch is augmented first. With mixup the loss is the mean of those against both labels, by their
        shares, whatever the loss.
        """
        features, labels = batch
        if stage != "train" or not self.augmentation:
            logits = self.model(features)  # (N, C)
            return StepOutput(self.loss(logits, labels), logits, labels)
        seed = int(torch.randint(2**62, ()))  # of this batch alone: the generator has been seeded for it
        mixed = self.augmentation(features, labels, self.model.mean, self.model.deviation, seed)
        logits = self.model(mixed.features)
        loss = self.loss(logits, labels)
        if mixed.partners is not None:
            loss = mixed.share * loss + (1 - mixed.share) * self.loss(logits, mixed.partners)
        return StepOutput(loss, logits, labels)
