"""The contract of the data: everything that a training run of any task asks of its data module."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from lightning.pytorch import LightningDataModule
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader

from arcvae.errors import DataError


def require_within(size: int, max_bytes: float, what: str) -> None:
    """Refuse to generate a corpus that would be refused when it is read.

    Raises:
        DataError: It would have more than ``max_bytes`` bytes; ``what`` is the setting that says so.
    """
    if size > max_bytes:
        raise DataError(f"{what} makes {size:,} bytes, more than data.max_bytes={max_bytes:,.0f}; lower or raise it")


class ImbalanceDataModule(LightningDataModule):
    """A LightningDataModule that knows its classes. Each task implements the methods that raise NotImplementedError."""

    corpus_path: Path
    """File of the corpus."""

    @property
    def num_classes(self) -> int:
        """Number of classes, C."""
        raise NotImplementedError

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the C classes; their numbers by default."""
        return tuple(map(str, range(self.num_classes)))

    @property
    def model_settings(self) -> dict[str, int]:
        """Settings of the model that follow from the corpus, such as its number of classes.

        A setting of that name which is null in the config is filled in; one that differs is an error.
        """
        return {}

    @property
    def class_counts(self) -> NDArray[np.int64]:
        """Elements of each class in the whole train split, ``(C,)``."""
        raise NotImplementedError

    @property
    def content_hash(self) -> str:
        """SHA-256 of the corpus."""
        raise NotImplementedError

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """Shape of one sample."""
        raise NotImplementedError

    def evaluation_loader(self, split: str, limit: int | None = None) -> DataLoader[Any]:
        """Loads the first ``limit`` samples of a split, or all, in their order and without augmentation."""
        raise NotImplementedError

    def size(self, split: str) -> int:
        """Number of samples of a split: "train", "val" or "test"."""
        return len(self.targets(split))

    def targets(self, split: str) -> Tensor:
        """Targets of a split, ``(N, *)``, any integer type."""
        raise NotImplementedError

    def describe(self) -> str:
        """What the class counts were computed from, for the log."""
        raise NotImplementedError
