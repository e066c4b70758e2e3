"""Whole batches by index: one tensor operation per batch instead of Python per sample."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from arcvae.imbalance.sampling import Draw
from arcvae.training.seeding import derive_seed

Batch = tuple[int, Tensor]
"""Number of a batch, counted over all epochs and processes, and the indices of its samples."""


class BatchIndices(Sampler[Batch]):
    """Numbers and index tensors of whole batches, in an order that depends on seed and epoch only.

    Each of ``world_size`` processes gets its own share. When shuffling (training), all shares have the same number of
    batches, for which fewer than ``world_size`` samples per epoch are left out; otherwise every sample is seen once.

    Args:
        size: Number of samples, >= 1.
        batch_size: Samples per batch and process; the last batch may be smaller.
        seed: Seed of the order; None keeps the order of the samples.
        repeats: Passes through the samples in an epoch.
        draw: What the samples of an epoch are when shuffling, by its number and a generator, for example a
            :class:`~arcvae.imbalance.sampling.ClassSampler`; None: each once. The processes share them as they share
            the others.
        rank: Number of this process, in [0, world_size).
        world_size: Number of processes.
    """

    def __init__(
        self,
        size: int,
        batch_size: int,
        *,
        seed: int | None = None,
        repeats: int = 1,
        draw: Draw | None = None,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self.size, self.batch_size, self.seed, self.repeats = size, batch_size, seed, repeats
        self.draw, self.rank, self.world_size = draw, rank, world_size
        self.epoch = 0
        self.taken = (0, 0)

    def resume(self, epoch: int, taken: int) -> None:
        """Leave out the first ``taken`` batches of an epoch, which a run that goes on within it has had."""
        self.taken = epoch, taken

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning before each epoch."""
        self.epoch = epoch

    def _share(self) -> int:
        """Samples of this process in one pass."""
        if self.seed is not None:
            return max(1, self.size // self.world_size)
        return len(range(self.rank, self.size, self.world_size))

    def __len__(self) -> int:
        return -(-self._share() // self.batch_size) * self.repeats

    def __iter__(self) -> Iterator[Batch]:
        first = self.epoch * len(self)
        epoch, taken = self.taken
        start = taken if epoch == self.epoch else 0
        for index, samples in enumerate(itertools.islice(self._batches(), start, None), start):
            yield (first + index) * self.world_size + self.rank, samples

    def _batches(self) -> Iterator[Tensor]:
        for repeat in range(self.repeats):
            if self.seed is None:
                order = torch.arange(self.size)
            else:
                seed = derive_seed(self.seed, "order", self.epoch * self.repeats + repeat)
                generator = torch.Generator().manual_seed(seed)
                if self.draw is None:
                    order = torch.randperm(self.size, generator=generator)
                else:
                    order = self.draw(self.epoch, generator)
            yield from order[self.rank :: self.world_size][: self._share()].split(self.batch_size)


Transform = Callable[[Tensor, torch.Generator], Tensor]
"""An augmentation of a whole batch, given the generator that it draws from."""


def transformed(samples: Tensor, transform: Transform, seed: int, number: int) -> Tensor:
    """Apply a transform whose random draws depend on ``seed`` and the number of the batch only."""
    return transform(samples, torch.Generator().manual_seed(derive_seed(seed, "augmentation", number)))


class TensorBatches(Dataset[Any]):
    """Samples in one tensor, indexed by whole batches; with targets, a batch is ``(samples, targets)``.

    Args:
        samples: ``(N, *)``.
        transform: Applied to each batch, with a generator that depends on ``seed`` and the number of the batch
            alone: the same draws in a resumed run, and with any number of worker processes.
        seed: Seed of the transform.
        targets: ``(N, *)``, if the samples are not their own targets; they are not transformed.
    """

    def __init__(
        self, samples: Tensor, transform: Transform | None = None, seed: int = 0, *, targets: Tensor | None = None
    ) -> None:
        self.samples, self.transform, self.seed, self.targets = samples, transform, seed, targets

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, batch: Batch) -> Tensor | tuple[Tensor, Tensor]:
        number, indices = batch
        samples = self.samples[indices]  # (B, *)
        if self.transform is not None:
            samples = transformed(samples, self.transform, self.seed, number)
        return samples if self.targets is None else (samples, self.targets[indices])


def batch_loader(
    batches: Dataset[Any], indices: BatchIndices, *, num_workers: int = 0, pin_memory: bool = False
) -> DataLoader[Any]:
    """A DataLoader that yields ``batches[index]`` for each item of ``indices``."""
    return DataLoader(
        batches,
        sampler=indices,
        batch_size=None,
        num_workers=num_workers,
        pin_memory=pin_memory,
        persistent_workers=num_workers > 0,
    )
