"""The LightningDataModule over a grid corpus."""

from __future__ import annotations

import logging
from functools import cached_property, partial
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from arcvae.errors import DataError
from arcvae.grid.corpus.augment import augment
from arcvae.grid.corpus.files import Corpus, default_corpus_path, read_corpus, write_corpus
from arcvae.grid.corpus.generator import NUM_COLORS, generate_grids
from arcvae.grid.corpus.shape_batches import ShapeBatches
from arcvae.grid.corpus.shapes import SIZE
from arcvae.grid.settings import GENERATOR_VERSION
from arcvae.imbalance.counts import cached_counts
from arcvae.io.cached import make_once
from arcvae.training.batches import Batch, BatchIndices, TensorBatches, Transform, batch_loader, transformed
from arcvae.training.data import ImbalanceDataModule, report_repeated, require_within
from arcvae.training.seeding import derive_seed

log = logging.getLogger(__name__)

COLOR_NAMES: Final = (
    "background", "blue", "red", "green", "yellow", "grey", "magenta", "orange", "azure", "maroon",
)  # fmt: skip
"""The colours of ARC, by number."""
SHAPE_FRAME, SHAPE_CELLS = 8, 15
"""Largest height and width, and most cells, of the shapes that are trained on."""
CHUNK: Final = 8192
"""Grids that are generated at once, 20 times as fast as batch by batch."""


class GeneratedBatches(Dataset[Tensor]):
    """Endless batches that the generator draws, instead of those of a corpus.

    Args:
        kind: ``"atomic"`` or ``"simplified"``.
        batch_size: Grids of a batch; the last one of an epoch may take fewer.
        transform: Applied to each batch, as in :class:`~arcvae.training.batches.TensorBatches`.
        seed: A batch depends on it, on the batch size and on the number of the batch alone.
    """

    def __init__(self, kind: str, batch_size: int, transform: Transform | None, seed: int) -> None:
        self.kind, self.batch_size, self.transform, self.seed = kind, batch_size, transform, seed
        self.per_chunk = max(1, CHUNK // batch_size)
        self.first_seed = derive_seed(seed, "generator", 0)
        self.chunk, self.grids = -1, torch.empty(0)

    def __getitem__(self, batch: Batch) -> Tensor:
        number, indices = batch
        chunk, place = divmod(number, self.per_chunk)
        if chunk != self.chunk:
            # Consecutive seeds, so that no two chunks of a run share one.
            seed = (self.first_seed + chunk) % 2**32
            grids, _ = generate_grids(self.kind, self.per_chunk * self.batch_size, seed)
            self.chunk, self.grids = chunk, torch.from_numpy(grids)
        samples = self.grids[place * self.batch_size :][: len(indices)]  # (B, S, S)
        return samples if self.transform is None else transformed(samples, self.transform, self.seed, number)


class GridDataModule(ImbalanceDataModule):
    """A corpus in memory as uint8, in batches ``(B, S, S)`` uint8.

    Args:
        path: ``.npz`` corpus; None generates the one that ``kind``, ``num_grids`` and ``corpus_seed`` describe
            into ``corpus_dir``, once.
        kind: ``"atomic"`` or ``"simplified"``.
        num_grids: Grids of the generated corpus, all splits together.
        corpus_seed: Its seed.
        generator_version: Version of the generator that it is from. Only the present one can be generated; a corpus
            of an earlier one is used if its file is there.
        batch_size: Grids per training step (and process).
        eval_batch_size: Grids per validation or test step.
        num_workers: Processes that fetch batches; 0 is fastest for a corpus in memory.
        sampler: How often grids are drawn in training, by their rarest colour; see :mod:`arcvae.imbalance.sampling`.
            Has no effect with ``overfit_grids``.
        fresh: Draw the grids of each training step from the generator of ``kind``, as many to an epoch as the train
            split has. Class counts, validation and test stay those of the corpus. Has no effect with
            ``overfit_grids``.
        symmetries: Turn and mirror each training grid at random.
        permute_colors: Permute the colours of each training grid at random.
        shape_power: Train on the shapes of the train split instead of its grids, drawn with probability proportional
            to this power of their counts; see :mod:`arcvae.grid.corpus.shape_batches`. None trains on the grids.
        shape_mutation: Share of these shapes in which a cell is moved; has no effect without ``shape_power``.
        shape_changes: Share of these shapes that are changed as operations on codes change them; has no effect without
            ``shape_power``.
        max_bytes: Refuse a corpus that declares more.
        overfit_grids: Train and validate on this many training grids alone, as they are; 0 for the whole corpus. Class
            counts are still those of the whole train split.
        overfit_repeats: How often an epoch repeats them.
        corpus_dir: Folder for generated corpora.
        cache_dir: Folder for class counts.
        seed: Seed of batch order and augmentation.
    """

    num_classes = NUM_COLORS

    def __init__(
        self,
        path: str | None = None,
        *,
        kind: str = "atomic",
        num_grids: int = 100_000,
        corpus_seed: int = 42,
        generator_version: int = GENERATOR_VERSION,
        batch_size: int = 128,
        eval_batch_size: int = 1000,
        num_workers: int = 0,
        sampler: str = "instance",
        fresh: bool = False,
        symmetries: bool = False,
        permute_colors: bool = False,
        shape_power: float | None = None,
        shape_mutation: float = 0.0,
        shape_changes: float = 0.0,
        max_bytes: float = 4e9,
        overfit_grids: int = 0,
        overfit_repeats: int = 50,
        corpus_dir: str = "outputs/corpora",
        cache_dir: str = "outputs/cache",
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.given = path is not None
        self.corpus_path = (
            Path(path)
            if path is not None
            else default_corpus_path(corpus_dir, kind, num_grids, corpus_seed, generator_version)
        )
        self.generator_version = generator_version
        self.kind, self.num_grids, self.corpus_seed = kind, num_grids, corpus_seed
        self.batch_size, self.eval_batch_size, self.num_workers = batch_size, eval_batch_size, num_workers
        self.sampler = sampler
        self.fresh, self.symmetries, self.permute_colors = fresh, symmetries, permute_colors
        self.shape_power, self.shape_mutation, self.shape_changes = shape_power, shape_mutation, shape_changes
        self.max_bytes, self.cache_dir, self.seed = max_bytes, Path(cache_dir), seed
        self.overfit_grids, self.overfit_repeats = overfit_grids, overfit_repeats

    def prepare_data(self) -> None:
        """Generate the default corpus unless it is there.

        Raises:
            DataError: It is from an earlier version of the generator and not there, or the grids of each training step
                would have to be drawn by that version.
        """
        missing = not self.given and not self.corpus_path.exists()
        if self.generator_version != GENERATOR_VERSION and (missing or self.fresh):
            what = f"{self.corpus_path} is missing" if missing else "data.fresh=true draws new grids"
            raise DataError(
                f"{what}, and this arcvae has version {GENERATOR_VERSION} of the generator, not "
                f"data.generator_version={self.generator_version}; "
                + ("put that file back, or give another corpus (data.path)" if missing else "start a new run")
            )
        if missing:
            require_within(self.num_grids * SIZE**2, self.max_bytes, f"data.num_grids={self.num_grids}")
            log.info(
                "Generating %s %s grids (seed %d) into %s",
                f"{self.num_grids:,}", self.kind, self.corpus_seed, self.corpus_path,
            )  # fmt: skip
            make_once(
                self.corpus_path,
                lambda: write_corpus(self.corpus_path, self.kind, self.num_grids, self.corpus_seed),
            )

    @cached_property
    def corpus(self) -> Corpus:
        """The corpus; read on first use."""
        corpus = read_corpus(self.corpus_path, max_bytes=self.max_bytes)
        log.info(
            "Corpus %s: %s train, %s val, %s test grids of %dx%d",
            self.shown_path, f"{len(corpus.train):,}", f"{len(corpus.val):,}", f"{len(corpus.test):,}",
            corpus.grid_size, corpus.grid_size,
        )  # fmt: skip
        report_repeated(self.shown_path, "grids", corpus.train, corpus.val, corpus.test)
        if self.fresh and corpus.grid_size != SIZE:
            raise DataError(
                f"{corpus.path} has grids of {corpus.grid_size}x{corpus.grid_size}, and data.fresh=true draws grids of "
                f"{SIZE}x{SIZE}; set data.fresh=false"
            )
        return corpus

    @cached_property
    def class_counts(self) -> NDArray[np.int64]:
        return cached_counts(self.corpus.train, NUM_COLORS, self.cache_dir)

    @cached_property
    def splits(self) -> dict[str, Tensor]:
        """Grids ``(N, S, S)`` uint8 that the loaders serve, by split."""
        corpus = self.corpus
        if self.overfit_grids:
            few = torch.from_numpy(corpus.train[: self.overfit_grids])
            return {"train": few, "val": few, "test": few[:0]}  # nothing here is held out
        return {name: torch.from_numpy(getattr(corpus, name)) for name in ("train", "val", "test")}

    @cached_property
    def content_hash(self) -> str:
        return self.corpus.content_hash()

    @property
    def sample_shape(self) -> tuple[int, int]:
        return self.corpus.grid_size, self.corpus.grid_size

    @property
    def model_settings(self) -> dict[str, int]:
        return {"grid_size": self.corpus.grid_size}

    def targets(self, split: str) -> Tensor:
        return self.splits[split]

    def describe(self) -> str:
        return f"whole train split, {len(self.corpus.train):,} grids of {self.shown_path}"

    @property
    def class_names(self) -> tuple[str, ...]:
        return COLOR_NAMES

    def train_dataloader(self) -> DataLoader[Tensor]:
        return self._loader(self.splits["train"], self.batch_size, training=True)

    def val_dataloader(self) -> DataLoader[Tensor]:
        return self.evaluation_loader("val")

    def test_dataloader(self) -> DataLoader[Tensor]:
        if not len(self.splits["test"]):
            raise DataError(f"{self.corpus.path}: test is empty, there is nothing to test on")
        return self.evaluation_loader("test")

    def evaluation_loader(self, split: str, limit: int | None = None) -> DataLoader[Tensor]:
        return self._loader(self.splits[split][:limit], self.eval_batch_size, training=False)

    @cached_property
    def _shape_batches(self) -> ShapeBatches:
        log.info("Looking for the shapes of %s training grids", f"{len(self.splits['train']):,}")
        batches = ShapeBatches(
            self.splits["train"], num_colors=NUM_COLORS, frame=SHAPE_FRAME, max_cells=SHAPE_CELLS,
            power=self.shape_power or 0.0, mutation=self.shape_mutation, changes=self.shape_changes, seed=self.seed,
        )  # fmt: skip
        log.info("Training on %s different shapes", f"{len(batches.shapes):,}")
        return batches

    def _loader(self, grids: Tensor, batch_size: int, *, training: bool) -> DataLoader[Tensor]:
        trainer = self.trainer
        indices = BatchIndices(
            len(grids),
            batch_size,
            seed=self.seed if training else None,
            draw=self.draws(grids) if training and not self.overfit_grids else None,
            repeats=self.overfit_repeats if training and self.overfit_grids else 1,
            rank=trainer.global_rank if trainer else 0,
            world_size=trainer.world_size if trainer else 1,
        )
        on_gpu = trainer is not None and trainer.strategy.root_device.type == "cuda"
        transform = None
        if training and not self.overfit_grids and (self.symmetries or self.permute_colors):
            transform = partial(augment, symmetries=self.symmetries, colors=self.permute_colors, num_colors=NUM_COLORS)
        batches: Dataset[Tensor] = TensorBatches(grids, transform, self.seed)
        if training and self.shape_power is not None and not self.overfit_grids:
            batches = self._shape_batches
        elif training and self.fresh and not self.overfit_grids:
            batches = GeneratedBatches(self.kind, batch_size, transform, self.seed)
        return batch_loader(batches, indices, num_workers=self.num_workers, pin_memory=on_gpu)
