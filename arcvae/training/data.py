"""What a training run asks of its data, whatever the task."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from lightning.pytorch import LightningDataModule
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader


class ImbalanceDataModule(LightningDataModule):
    """A LightningDataModule that knows its classes. A task defines the methods."""

    corpus_path: Path
    """The file that the data are from."""

    @property
    def num_classes(self) -> int:
        """C."""
        raise NotImplementedError

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, C of them."""
        return tuple(map(str, range(self.num_classes)))

    @property
    def model_settings(self) -> dict[str, int]:
        """What a model must be told about the samples: a setting of this name that is null is filled in."""
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
        """The first ``limit`` samples of a split, or all, in their order and as they are."""
        raise NotImplementedError

    def size(self, split: str) -> int:
        """Samples of a split: "train", "val" or "test"."""
        return len(self.targets(split))

    def targets(self, split: str) -> Tensor:
        """What a model has to predict in a split, ``(N, *)``, any integer type."""
        raise NotImplementedError

    def describe(self) -> str:
        """What the class counts were made from."""
        raise NotImplementedError
