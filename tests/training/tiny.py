"""A task in a few lines, and fits of it that last a tenth of a second."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader

from arcvae.imbalance.counts import count_classes
from arcvae.imbalance.losses import make_loss
from arcvae.training.batches import BatchIndices, TensorBatches, batch_loader
from arcvae.training.clock import ClockCallback
from arcvae.training.data import ImbalanceDataModule
from arcvae.training.module import ImbalanceModule, StepOutput
from arcvae.training.task import Task

CLASSES, LENGTH, PADDING = 3, 5, 255
SIZES = {"train": 24, "val": 10, "test": 9}


def targets(size: int, seed: int, padded: bool) -> Tensor:
    """Strings ``(N, 5)`` uint8, class 0 six times out of ten; padded ones end early, the first is padding alone."""
    generator = torch.Generator().manual_seed(seed)
    shares = torch.tensor([0.6, 0.3, 0.1]).expand(size, -1)
    found = torch.multinomial(shares, LENGTH, replacement=True, generator=generator).to(torch.uint8)
    if padded:
        lengths = torch.randint(0, LENGTH + 1, (size, 1), generator=generator)
        lengths[0] = 0
        found[torch.arange(LENGTH) >= lengths] = PADDING
    return found


class TinyData(ImbalanceDataModule):
    """Batches of features ``(B, 3, 5)``, the target with noise over it, and of targets ``(B, 5)``."""

    num_classes = CLASSES

    def __init__(self, *, padded: bool = False, batch_size: int = 8, num_workers: int = 0) -> None:
        super().__init__()
        self.batch_size, self.num_workers = batch_size, num_workers
        self._targets = {s: targets(n, index, padded) for index, (s, n) in enumerate(SIZES.items())}
        self.features = {}
        for index, (split, target) in enumerate(self._targets.items()):
            generator = torch.Generator().manual_seed(100 + index)
            clean = nn.functional.one_hot(target.long().clamp(max=CLASSES), CLASSES + 1)[..., :CLASSES].mT.float()
            self.features[split] = clean + torch.randn(clean.shape, generator=generator)

    @property
    def class_counts(self) -> NDArray[Any]:
        kept = self._targets["train"]
        return count_classes(kept[kept != PADDING].numpy(), CLASSES)

    def targets(self, split: str) -> Tensor:
        return self._targets[split]

    def evaluation_loader(self, split: str, limit: int | None = None) -> DataLoader[Any]:
        return self._loader(split, None, limit)

    def _loader(self, split: str, seed: int | None, limit: int | None = None) -> DataLoader[Any]:
        batches = TensorBatches(self.features[split][:limit], targets=self._targets[split][:limit])
        share = (
            {} if self.trainer is None else {"rank": self.trainer.global_rank, "world_size": self.trainer.world_size}
        )
        indices = BatchIndices(len(batches), self.batch_size, seed=seed, **share)
        return batch_loader(batches, indices, num_workers=self.num_workers)

    def train_dataloader(self) -> DataLoader[Any]:
        return self._loader("train", 0)

    def val_dataloader(self) -> DataLoader[Any]:
        return self._loader("val", None)

    def test_dataloader(self) -> DataLoader[Any]:
        return self._loader("test", None)


class TinyModule(ImbalanceModule):
    """The loss of each element's logits; ``part_names`` and a vector to show how these are averaged."""

    part_names = ("norm",)

    def __init__(self, task: Task[Any, Any], model: nn.Module, *arguments: Any, seed: int = 0) -> None:
        super().__init__(task, *arguments, num_classes=CLASSES, seed=seed, vector_sizes={"mean_logit": CLASSES})
        self.model = model

    def step(self, batch: tuple[Tensor, Tensor], stage: str) -> StepOutput:
        features, target = batch
        logits = self.model(features)
        parts = {"norm": logits.square().mean()}
        return StepOutput(self.loss(logits, target), logits, target, parts, {"mean_logit": logits.mean((0, 2))})


class TinyTask(Task[TinyModule, TinyData]):
    """The least that a task has to say."""

    def build_module(self, model: Any, loss: Any, optimizer: Any, scheduler: Any, *, seed: int, **_: Any) -> TinyModule:
        return TinyModule(self, model, loss, optimizer, scheduler, seed=seed)


class PaddedTask(TinyTask):
    """Strings of several lengths."""

    ignore_index = PADDING


class BackgroundTask(TinyTask):
    """Class 0 stands for nothing."""

    background = 0
    collapse_metrics = ("predicted_background_share", "object_recall")
    adjustment_metric = "object_f1"


def build(task: TinyTask | None = None, *, seed: int = 0, scheduler: Any = None, **loss: Any) -> TinyModule:
    """A module of one convolution whose weights are always the same."""
    task = task or TinyTask()
    torch.manual_seed(7)
    made = make_loss(loss.pop("name", "cross_entropy"), ignore_index=task.ignore_index, **loss)
    return task.build_module(
        nn.Conv1d(CLASSES, CLASSES, 1), made, partial(torch.optim.SGD, lr=0.1), scheduler, seed=seed
    )


def trainer(folder: Path, *callbacks: Callback, clock: bool = True, **options: Any) -> Trainer:
    """A Trainer that is quiet and writes nothing unless it is told to."""
    moved: Sequence[Callback] = (ClockCallback(), *callbacks) if clock else callbacks
    quiet: dict[str, Any] = {
        "max_epochs": 2, "logger": False, "enable_checkpointing": False, "enable_progress_bar": False,
        "enable_model_summary": False, "num_sanity_val_steps": 0, "accelerator": "cpu",
    }  # fmt: skip
    return Trainer(default_root_dir=folder, callbacks=list(moved), **(quiet | options))
