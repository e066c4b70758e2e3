"""Endless grids: new ones in every batch, the same ones for the same seed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from arcvae.errors import DataError
from arcvae.grid.corpus.augment import augment
from arcvae.grid.corpus.data import CHUNK, GeneratedBatches, GridDataModule
from arcvae.grid.corpus.files import read_corpus
from arcvae.grid.settings import GENERATOR_VERSION
from tests.conftest import save_arrays


def draw(batches: GeneratedBatches, number: int, size: int = 64) -> torch.Tensor:
    return batches[number, torch.arange(size)]


def test_no_grid_comes_twice() -> None:
    batches = GeneratedBatches("atomic", 64, None, seed=3)
    chunk = CHUNK // 64
    numbers = [0, 1, chunk - 1, chunk, 7 * chunk + 5]
    grids = torch.cat([draw(batches, number) for number in numbers])
    assert (grids.shape, grids.dtype) == ((5 * 64, 16, 16), torch.uint8)
    assert len(grids.unique(dim=0)) >= 0.99 * len(grids)  # two single dots may well be the same grid


def test_batch_depends_on_its_number_and_the_seed_alone() -> None:
    one, other = (GeneratedBatches("atomic", 64, augment_colors, seed=3) for _ in range(2))
    forwards = [draw(one, number) for number in (0, 200, 400)]
    backwards = [draw(other, number) for number in (400, 200, 0)][::-1]
    assert all(map(torch.equal, forwards, backwards))
    assert torch.equal(draw(one, 200, size=10), forwards[1][:10])
    assert not torch.equal(draw(GeneratedBatches("atomic", 64, augment_colors, seed=4), 0), forwards[0])


def augment_colors(grids: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    return augment(grids, generator, symmetries=False, colors=True, num_colors=10)


def test_epoch_is_as_long_as_the_train_split_and_evaluation_is_that_of_the_corpus(
    tmp_path: Path, tiny_corpus: Path
) -> None:
    fresh, plain = (
        GridDataModule(str(tiny_corpus), batch_size=50, cache_dir=str(tmp_path), fresh=fresh) for fresh in (True, False)
    )
    drawn = list(fresh.train_dataloader())
    assert [len(batch) for batch in drawn] == [50, 50, 50, 42]
    known = {grid.tobytes() for grid in fresh.corpus.train}
    assert sum(grid.numpy().tobytes() in known for grid in torch.cat(drawn)) < 10
    for split in ("val", "test"):
        batches = zip(fresh.evaluation_loader(split), plain.evaluation_loader(split), strict=True)
        assert all(torch.equal(*pair) for pair in batches)
    assert np.array_equal(fresh.class_counts, plain.class_counts)


def test_grids_are_of_the_kind_asked_for(tmp_path: Path, tiny_corpus: Path) -> None:
    full = []
    for kind in ("atomic", "simplified"):
        data = GridDataModule(str(tiny_corpus), kind=kind, cache_dir=str(tmp_path), fresh=True)
        full.append(torch.cat(list(data.train_dataloader())))
    atomic, simplified = ((grids > 0).double().mean() for grids in full)
    assert simplified > 1.1 * atomic  # up to six objects instead of four


def test_memorising_goes_first(tmp_path: Path, tiny_corpus: Path) -> None:
    data = GridDataModule(str(tiny_corpus), cache_dir=str(tmp_path), fresh=True, overfit_grids=8, batch_size=8)
    batch = next(iter(data.train_dataloader()))
    assert {grid.tobytes() for grid in batch.numpy()} == {grid.tobytes() for grid in data.corpus.train[:8]}


def test_corpus_of_another_size_is_refused(tmp_path: Path) -> None:
    arrays = {name: np.ones((9, 12, 12), np.uint8) for name in ("train", "val", "test")}
    path = save_arrays(tmp_path / "small.npz", **arrays)
    data = GridDataModule(str(path), cache_dir=str(tmp_path), fresh=True)
    with pytest.raises(DataError, match=r"small\.npz has grids of 12x12.* 16x16; set data\.fresh=false"):
        data.train_dataloader()


def test_corpus_of_an_earlier_generator_is_used_while_it_is_there(tmp_path: Path) -> None:
    def data(**settings: Any) -> GridDataModule:
        return GridDataModule(num_grids=20, corpus_dir=str(tmp_path), cache_dir=str(tmp_path / "cache"), **settings)

    before, now = data(generator_version=GENERATOR_VERSION - 1), data()
    with pytest.raises(DataError, match=r"atomic-20-seed42-v1\.npz is missing, .* version 2 .*; put that file back"):
        before.prepare_data()
    assert not list(tmp_path.iterdir())
    save_arrays(before.corpus_path)
    before.prepare_data()
    now.prepare_data()
    assert before.content_hash == read_corpus(before.corpus_path).content_hash() != now.content_hash
    assert before.class_counts.tolist() != now.class_counts.tolist()
    with pytest.raises(DataError, match=r"fresh=true draws new grids, .* data\.generator_version=1; start a new run"):
        data(generator_version=GENERATOR_VERSION - 1, fresh=True).prepare_data()


def test_held_out_grids_that_are_trained_on_are_reported(
    tmp_path: Path, tiny_corpus: Path, caplog: pytest.LogCaptureFixture
) -> None:
    corpus = read_corpus(tiny_corpus)
    path = save_arrays(tmp_path / "leak.npz", train=corpus.train, val=corpus.train[:5], test=corpus.train[3:6])
    assert len(GridDataModule(str(path)).corpus.val) == 5
    assert f"{path}: 8 of the 8 grids of val and test are also in train, where they may have been" in caplog.text
