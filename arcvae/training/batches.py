"""Whole batches by index: one tensor operation per batch instead of Python per sample."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from arcvae.training.seeding import derive_seed


class BatchIndices(Sampler[Tensor]):
    """Index tensors of whole batches, in an order that depends on seed and epoch alone.

    Each of ``world_size`` processes gets its own share. When shuffling (training) the shares have as many batches
    each, at the cost of fewer than ``world_size`` samples per epoch; otherwise every sample is seen exactly once.

    Args:
        size: Number of samples, >= 1.
        batch_size: Samples per batch and process; the last batch may be smaller.
        seed: Seed of the order; None keeps the samples in theirs.
        repeats: How often an epoch goes through the samples.
        rank: This process, in [0, world_size).
        world_size: Number of processes.
    """

    def __init__(
        self,
        size: int,
        batch_size: int,
        *,
        seed: int | None = None,
        repeats: int = 1,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self.size, self.batch_size, self.seed, self.repeats = size, batch_size, seed, repeats
        self.rank, self.world_size = rank, world_size
        self.epoch = 0

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

    def __iter__(self) -> Iterator[Tensor]:
        for repeat in range(self.repeats):
            if self.seed is None:
                order = torch.arange(self.size)
            else:
                generator = torch.Generator().manual_seed(
                    derive_seed(self.seed, "order", self.epoch * self.repeats + repeat)
                )
                order = torch.randperm(self.size, generator=generator)
            yield from order[self.rank :: self.world_size][: self._share()].split(self.batch_size)


class TensorBatches(Dataset[Tensor]):
    """Samples in one tensor, taken a batch at a time: ``batches[indices]`` is ``(B, *)``."""

    def __init__(self, samples: Tensor) -> None:
        self.samples = samples

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, indices: Tensor) -> Tensor:
        return self.samples[indices]


def batch_loader(
    samples: Tensor, indices: BatchIndices, *, num_workers: int = 0, pin_memory: bool = False
) -> DataLoader[Tensor]:
    """A DataLoader that yields ``samples[index]`` for each index tensor of ``indices``."""
    return DataLoader(
        TensorBatches(samples),
        sampler=indices,
        batch_size=None,
        num_workers=num_workers,
        pin_memory=pin_memory,
        persistent_workers=num_workers > 0,
    )
