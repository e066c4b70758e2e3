"""A corpus as a file: what is refused, and what a generated one holds."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from arcvae.errors import DataError
from arcvae.grid.corpus.files import default_corpus_path, make_corpus, read_corpus, write_corpus
from arcvae.grid.corpus.generator import generate_grids
from arcvae.grid.settings import GENERATOR_VERSION
from arcvae.io.npz import read_npz
from tests.conftest import save_arrays

GOOD = np.zeros((8, 16, 16), dtype=np.uint8)


def with_cell(value: int) -> np.ndarray:
    grids = GOOD.astype(np.uint8 if value >= 0 else np.int8)
    grids[3, 4, 5] = value
    return grids


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (GOOD.astype(np.int64), r"train has dtype int64, expected uint8; convert it with \.astype\(np\.uint8\)"),
        (GOOD.astype(np.float32), "train has dtype float32, expected uint8"),
        # The conversion made cells of 0 of these, and 255 of -1.
        (
            GOOD + np.float32(0.25),
            r"float32, expected uint8, and train\[0, 0, 0\] is 0\.25, no colour \(2,048 such cells",
        ),
        (
            np.full((8, 16, 16), np.nan),
            r"train has dtype float64.* train\[0, 0, 0\] is nan, no colour .* store colours",
        ),
        (with_cell(-1).astype(np.int8), r"int8, .* train\[3, 4, 5\] is -1, no colour \(1 such cells .* from -1 to 0\)"),
        (with_cell(10).astype(np.int64), r"int64, .* train\[3, 4, 5\] is 10, no colour"),
        (with_cell(10).astype(float), r"float64, .* train\[3, 4, 5\] is 10\.0, no colour"),
        (np.full((8, 16, 16), np.inf, np.float32), r"train has dtype float32.* train\[0, 0, 0\] is inf, no colour"),
        (GOOD.astype([("a", "u1")]), r"train has dtype \[\('a', .*\], expected uint8$"),
        (GOOD.astype("S1"), r"train has dtype \|S1, expected uint8$"),
        (GOOD.astype(float)[:0], "train has dtype float64, expected uint8; convert it"),
        (GOOD.astype(bool), "train has dtype bool, expected uint8$"),
        (GOOD.astype(np.int8), "train has dtype int8"),
        (GOOD[:, :15], r"train has shape \(8, 15, 16\), expected \(N, S, S\)"),
        (GOOD.reshape(8, 256), r"train has shape \(8, 256\)"),
        (GOOD[0], r"train has shape \(16, 16\)"),
        (GOOD[..., None], r"train has shape \(8, 16, 16, 1\)"),
        (np.uint8(3), r"train has shape \(\)"),
        (GOOD[:, :0, :0], r"train has shape \(8, 0, 0\)"),
        (GOOD[:0], "train is empty"),
        (with_cell(10), r"train\[3, 4, 5\] is 10, expected a colour 0-9 \(1 such cells"),
        (with_cell(255), r"train\[3, 4, 5\] is 255"),
        (GOOD[:, :8, :8], r"the splits differ in grid size \(train \(8, 8, 8\), val \(2, 16, 16\)"),
    ],
)
def test_what_is_no_corpus_is_refused_with_split_and_place(tmp_path: Path, array: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_corpus(save_arrays(tmp_path / "f.npz", train=array))


@pytest.mark.parametrize("value", range(10, 256, 49))
@pytest.mark.parametrize("split", ["val", "test"])
def test_every_split_is_checked(tmp_path: Path, split: str, value: int) -> None:
    grids = np.zeros((2, 16, 16), dtype=np.uint8)
    grids[1, 15, 0] = value
    with pytest.raises(DataError, match=rf"{split}\[1, 15, 0\] is {value}"):
        read_corpus(save_arrays(tmp_path / "f.npz", **{split: grids}))


@pytest.mark.parametrize("name", ["train", "grids", "arr_0"])
def test_grids_that_are_not_split_are_split_as_the_message_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    grids = np.random.default_rng(1).integers(0, 10, (20, 16, 16)).astype(np.uint8)
    np.savez("mine.npz", **{name: grids})
    with pytest.raises(
        DataError, match=f"mine.npz has no array '.*'; it holds {name}, needs train, val, test; "
    ) as caught:
        read_corpus("mine.npz")
    exec(str(caught.value).rpartition("grids: ")[2], {"np": np, "grids": np.load("mine.npz")[name]})
    corpus = read_corpus("corpus.npz")
    assert [len(split) for split in (corpus.train, corpus.val, corpus.test)] == [16, 2, 2]
    together = np.concatenate([corpus.train, corpus.val, corpus.test])
    assert sorted(grid.tobytes() for grid in together) == sorted(grid.tobytes() for grid in grids)


def test_empty_validation_is_refused_and_empty_test_is_not(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="val is empty"):
        read_corpus(save_arrays(tmp_path / "f.npz", val=GOOD[:0]))
    assert len(read_corpus(save_arrays(tmp_path / "g.npz", test=GOOD[:0])).test) == 0


def test_file_replaced_with_the_same_size_and_time_is_read_again(tmp_path: Path) -> None:
    path = save_arrays(tmp_path / "f.npz", train=with_cell(1))
    before = path.stat()
    assert read_corpus(path).train[3, 4, 5] == 1
    save_arrays(path, train=with_cell(2))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert read_corpus(path).train[3, 4, 5] == 2


def test_content_hash_depends_on_every_split_and_not_on_the_packing(tmp_path: Path) -> None:
    one = read_corpus(save_arrays(tmp_path / "a.npz")).content_hash()
    arrays = np.load(tmp_path / "a.npz", allow_pickle=False)
    np.savez(tmp_path / "b.npz", **{name: arrays[name] for name in ("test", "train", "val")})
    assert read_corpus(tmp_path / "b.npz").content_hash() == one
    for name in ("train", "val", "test"):
        changed = arrays[name].copy()
        changed[0, 0, 0] = (changed[0, 0, 0] + 1) % 10
        assert read_corpus(save_arrays(tmp_path / "c.npz", **{name: changed})).content_hash() != one


def test_written_corpus_is_the_generated_one_split_80_10_10_with_factors(tmp_path: Path) -> None:
    write_corpus(tmp_path / "f.npz", "atomic", 50, seed=9)
    grids, factors = generate_grids("atomic", 50, seed=9)
    corpus = read_corpus(tmp_path / "f.npz")
    assert [len(corpus.train), len(corpus.val), len(corpus.test)] == [40, 5, 5]
    assert np.array_equal(np.concatenate([corpus.train, corpus.val, corpus.test]), grids)
    stored = read_npz(tmp_path / "f.npz", ["train_factors", "val_factors", "test_factors"])
    assert np.array_equal(np.concatenate(list(stored.values())), factors)
    assert read_npz(tmp_path / "f.npz", ["generator_version"])["generator_version"] == GENERATOR_VERSION


def test_same_seed_writes_the_same_file(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_corpus(tmp_path / name, "simplified", 30, seed=1)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_too_few_grids_and_unknown_kinds_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least 10"):
        write_corpus(tmp_path / "f", "atomic", 9, seed=0)
    with pytest.raises(ValueError, match="unknown corpus kind"):
        default_corpus_path(tmp_path, "arc", 10, 0)


def test_made_corpus_lies_where_it_was_asked_for_or_where_training_looks(tmp_path: Path) -> None:
    named, what = make_corpus("simplified", 1200, 3, str(tmp_path / "mine.npz"), "unused")
    assert (named, what) == (tmp_path / "mine.npz", "1,200 simplified grids of 16x16")
    unnamed, _ = make_corpus("simplified", 1200, 3, None, str(tmp_path / "corpora"))
    assert unnamed == default_corpus_path(tmp_path / "corpora", "simplified", 1200, 3)
    assert (read_corpus(named).train == generate_grids("simplified", 1200, 3)[0][:960]).all()
    assert unnamed.read_bytes() == named.read_bytes()
