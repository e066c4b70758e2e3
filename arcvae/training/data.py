"""The contract of the data: everything that a training run of any task asks of its data module."""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from lightning.pytorch import LightningDataModule
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader

from arcvae.errors import DataError
from arcvae.imbalance.sampling import ClassSampler, Draw, rarest_classes
from arcvae.imbalance.settings import SAMPLERS

log = logging.getLogger(__name__)

LEAK: Final = 0.05
"""Share of held-out samples that may be training samples as well without a warning. Of 100,000 generated grids, 2.6 %
are: those with a single small object."""


def count_repeated(train: NDArray[Any], *held_out: NDArray[Any]) -> int:
    """Held-out samples that are training samples as well, each counted as often as it occurs.

    Args:
        train: ``(N, *)``.
        *held_out: Each ``(M, *)``, of the same dtype and with samples of the same shape.

    Example:
        >>> count_repeated(np.array([[1, 2], [3, 4]]), np.array([[3, 4], [3, 4], [2, 1]]))
        2
    """
    times = Counter(hash(sample.tobytes()) for split in held_out for sample in split)
    found = {key for sample in train if (key := hash(sample.tobytes())) in times}
    return sum(times[key] for key in found)


def report_repeated(path: str, unit: str, train: NDArray[Any], *held_out: NDArray[Any]) -> None:
    """Log how many samples of val and test a model has seen in training, if there are any.

    Args:
        path: File of the corpus, as it may be written down.
        unit: What samples are called, for example ``"grids"``.
        train: See :func:`count_repeated`.
        *held_out: Val and test.
    """
    count, total = count_repeated(train, *held_out), sum(map(len, held_out))
    if count:
        level = logging.WARNING if count > LEAK * total else logging.INFO
        log.log(
            level, "%s: %s of the %s %s of val and test are also in train, where they may have been memorised",
            path, f"{count:,}", f"{total:,}", unit,
        )  # fmt: skip


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
    sampler: str = "instance"
    """How often samples of each class are drawn in training; see :mod:`arcvae.imbalance.sampling`."""
    _written_as: str | None = None

    @property
    def shown_path(self) -> str:
        """The file of the corpus, as it may be written down."""
        return self._written_as or str(self.corpus_path)

    def write_down(self, path: str | None) -> None:
        """Write ``path`` down in place of the file, if it is made of what must not be: ``${oc.env:CORPUS}``."""
        self._written_as = path if path and "${" in path else None

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
    def preprocessing(self) -> dict[str, Any]:
        """How samples were made of what they are measured from, in plain types, for whoever has more of that.

        It goes into checkpoints and exports.
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

    def draws(self, targets: Tensor) -> Draw | None:
        """How the sampler draws an epoch of training, for :class:`~arcvae.training.batches.BatchIndices`.

        Args:
            targets: Of the train split, ``(N, *)``.
        """
        if self.sampler == "instance":
            return None
        epochs = (self.trainer.max_epochs if self.trainer else None) or 1
        return ClassSampler(rarest_classes(targets, torch.from_numpy(self.class_counts)), self.sampler, max(1, epochs))

    @property
    def changes_until(self) -> float:
        """Share of the run after which the sampler draws classes as often as it then will, in [0, 1]."""
        start, end = SAMPLERS[self.sampler]
        return float(start != end)

    def targets(self, split: str) -> Tensor:
        """Targets of a split, ``(N, *)``, any integer type."""
        raise NotImplementedError

    def describe(self) -> str:
        """What the class counts were computed from, for the log."""
        raise NotImplementedError
