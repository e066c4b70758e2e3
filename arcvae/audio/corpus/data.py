"""The LightningDataModule over an audio corpus."""

from __future__ import annotations

import logging
from dataclasses import asdict
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader

from arcvae.audio.corpus.augment import Augmentation
from arcvae.audio.corpus.files import (
    SHAPE,
    SPLITS,
    AudioCorpus,
    default_audio_path,
    read_audio_corpus,
    write_synthetic_corpus,
)
from arcvae.audio.corpus.synthesis import NUM_CLIPS, NUM_SPECIES
from arcvae.audio.features.mfcc import with_deltas
from arcvae.errors import DataError
from arcvae.imbalance.counts import cached_counts
from arcvae.io.cached import make_once
from arcvae.training.batches import BatchIndices, TensorBatches, batch_loader
from arcvae.training.data import ImbalanceDataModule, report_repeated, require_within

log = logging.getLogger(__name__)

_ROWS = 256


class AudioDataModule(ImbalanceDataModule):
    """A corpus in memory as it is stored, in batches of features and labels.

    A batch is ``(features, labels)``: float32 ``(B, 20, 500)``, or ``(B, 3, 20, 500)`` with both deltas as channels,
    and int64 ``(B,)``.

    Args:
        path: ``.npz`` corpus; None generates the one that ``num_species``, ``num_clips`` and ``corpus_seed`` describe
            into ``corpus_dir``, once.
        num_species: Species of the generated corpus.
        num_clips: Its clips, all splits together.
        corpus_seed: Its seed.
        channels: 1 for MFCCs alone, 3 with delta and delta-delta.
        batch_size: Clips per training step (and process).
        masks: See :class:`~arcvae.audio.corpus.augment.Augmentation`, for all up to ``tempo``; training only.
        mask_frames: The same.
        mask_coefficients: The same.
        mixup: The same.
        shift: The same.
        noise: The same.
        pitch: The same.
        tempo: The same.
        eval_batch_size: Clips per validation or test step.
        num_workers: Processes that fetch batches; 0 is fastest for a corpus in memory.
        sampler: How often clips of each species are drawn in training; see :mod:`arcvae.imbalance.sampling`.
        max_bytes: Refuse a corpus that declares more.
        corpus_dir: Folder for generated corpora.
        cache_dir: Folder for class counts.
        seed: Seed of the batch order.

    Raises:
        ValueError: ``channels`` is neither 1 nor 3.
    """

    def __init__(
        self,
        path: str | None = None,
        *,
        num_species: int = NUM_SPECIES,
        num_clips: int = NUM_CLIPS,
        corpus_seed: int = 42,
        channels: int = 1,
        batch_size: int = 32,
        masks: int = 0,
        mask_frames: int = 50,
        mask_coefficients: int = 4,
        mixup: float = 0.0,
        shift: int = 0,
        noise: float = 0.0,
        pitch: float = 0.0,
        tempo: float = 0.0,
        eval_batch_size: int = 256,
        num_workers: int = 0,
        sampler: str = "instance",
        max_bytes: float = 4e9,
        corpus_dir: str = "outputs/corpora",
        cache_dir: str = "outputs/cache",
        seed: int = 0,
    ) -> None:
        super().__init__()
        if channels not in (1, 3):
            raise ValueError(f"channels must be 1 (MFCCs) or 3 (with both deltas), got {channels}")
        self.given = path is not None
        self.corpus_path = (
            Path(path) if path is not None else default_audio_path(corpus_dir, num_species, num_clips, corpus_seed)
        )
        self.num_species, self.num_clips, self.corpus_seed = num_species, num_clips, corpus_seed
        self.channels, self.max_bytes, self.cache_dir, self.seed = channels, max_bytes, Path(cache_dir), seed
        self.augmentation = Augmentation(masks, mask_frames, mask_coefficients, mixup, shift, noise, pitch, tempo)
        self.batch_size, self.eval_batch_size, self.num_workers = batch_size, eval_batch_size, num_workers
        self.sampler = sampler

    def prepare_data(self) -> None:
        """Generate the built-in corpus unless it is there."""
        if not self.given and not self.corpus_path.exists():
            require_within(2 * self.num_clips * SHAPE[0] * SHAPE[1], self.max_bytes, f"data.num_clips={self.num_clips}")
            log.info(
                "Generating %s clips of %d species (seed %d) into %s",
                f"{self.num_clips:,}", self.num_species, self.corpus_seed, self.corpus_path,
            )  # fmt: skip
            make_once(
                self.corpus_path,
                lambda: write_synthetic_corpus(self.corpus_path, self.num_species, self.num_clips, self.corpus_seed),
            )

    @cached_property
    def corpus(self) -> AudioCorpus:
        """The corpus; read on first use."""
        corpus = read_audio_corpus(self.corpus_path, max_bytes=self.max_bytes)
        train, val, test = (f"{len(corpus.labels[split]):,}" for split in SPLITS)
        log.info(
            "Corpus %s: %s train, %s val, %s test clips of %d species",
            self.shown_path, train, val, test, len(corpus.species),
        )  # fmt: skip
        report_repeated(self.shown_path, "clips", *(corpus.features[split] for split in SPLITS))
        return corpus

    @property
    def num_classes(self) -> int:
        return len(self.corpus.species)

    @property
    def class_names(self) -> tuple[str, ...]:
        return self.corpus.species

    @property
    def preprocessing(self) -> dict[str, Any]:
        return {"mfcc": asdict(self.corpus.settings)}

    @cached_property
    def class_counts(self) -> NDArray[np.int64]:
        return cached_counts(self.corpus.labels["train"], self.num_classes, self.cache_dir)

    @cached_property
    def content_hash(self) -> str:
        return self.corpus.content_hash()

    @property
    def sample_shape(self) -> tuple[int, ...]:
        return SHAPE if self.channels == 1 else (self.channels, *SHAPE)

    @property
    def model_settings(self) -> dict[str, int]:
        return {"num_classes": self.num_classes, "channels": self.channels}

    @cached_property
    def statistics(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of each coefficient over the train split, ``(channels, 20, 1)`` float32.

        A coefficient that never changes has a deviation of 1, so that dividing by it is harmless.
        """
        features = self.corpus.features["train"]
        total, squares = np.zeros((2, self.channels, SHAPE[0]))
        for start in range(0, len(features), _ROWS):
            part = as_input(torch.from_numpy(features[start : start + _ROWS]), channels=self.channels).double()
            part = part.reshape(len(part), self.channels, *SHAPE)
            total += part.sum((0, 3)).numpy()
            squares += part.square().sum((0, 3)).numpy()
        frames = len(features) * SHAPE[1]
        mean = total / frames
        deviation = np.sqrt(np.maximum(squares / frames - mean**2, 0))
        deviation[deviation < 1e-6] = 1.0
        return torch.from_numpy(mean[..., None]).float(), torch.from_numpy(deviation[..., None]).float()

    def targets(self, split: str) -> Tensor:
        return torch.from_numpy(self.corpus.labels[split])

    def describe(self) -> str:
        return f"whole train split, {len(self.corpus.labels['train']):,} clips of {self.shown_path}"

    def train_dataloader(self) -> DataLoader[tuple[Tensor, ...]]:
        return self._loader("train", self.batch_size, training=True)

    def val_dataloader(self) -> DataLoader[tuple[Tensor, ...]]:
        return self.evaluation_loader("val")

    def test_dataloader(self) -> DataLoader[tuple[Tensor, ...]]:
        if not self.size("test"):
            raise DataError(f"{self.corpus.path}: test is empty, there is nothing to test on")
        return self.evaluation_loader("test")

    def evaluation_loader(self, split: str, limit: int | None = None) -> DataLoader[tuple[Tensor, ...]]:
        return self._loader(split, self.eval_batch_size, limit)

    def _loader(
        self, split: str, batch_size: int, limit: int | None = None, *, training: bool = False
    ) -> DataLoader[tuple[Tensor, ...]]:
        trainer = self.trainer
        features = torch.from_numpy(self.corpus.features[split][:limit])
        indices = BatchIndices(
            len(features),
            batch_size,
            seed=self.seed if training else None,
            draw=self.draws(self.targets(split)) if training else None,
            rank=trainer.global_rank if trainer else 0,
            world_size=trainer.world_size if trainer else 1,
        )
        on_gpu = trainer is not None and trainer.strategy.root_device.type == "cuda"
        to_input = partial(as_input, channels=self.channels)
        batches = TensorBatches(features, to_input, targets=self.targets(split)[:limit])
        return batch_loader(batches, indices, num_workers=self.num_workers, pin_memory=on_gpu)


def as_input(features: Tensor, _: torch.Generator | None = None, *, channels: int) -> Tensor:
    """Features as they are stored, ``(B, 20, 500)`` of any floating type, as a model of 1 or 3 channels takes them."""
    features = features.float()
    return features if channels == 1 else torch.from_numpy(with_deltas(features.numpy()))
