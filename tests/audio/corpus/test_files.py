"""An audio corpus as a file: what is refused, how clips are split, and what is written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from arcvae.audio.corpus.files import (
    SPLITS,
    default_audio_path,
    read_audio_corpus,
    split_clips,
    write_corpus,
    write_synthetic_corpus,
)
from arcvae.audio.features.mfcc import SYNTHETIC
from arcvae.errors import DataError

ABOUT: dict[str, Any] = {
    "species": ["wren", "robin", "owl"],
    "mfcc": {"sample_rate": 8000, "n_fft": 256, "hop_length": 64, "n_mels": 40, "n_mfcc": 20, "frames": 500},
}


def as_bytes(about: object) -> np.ndarray:
    return np.frombuffer(json.dumps(about).encode(), np.uint8)


def save(path: Path, **changes: Any) -> Path:
    """A valid corpus of 4 + 2 + 1 clips, with some arrays replaced."""
    arrays: dict[str, Any] = {"about": as_bytes(ABOUT)}
    for split, count in zip(SPLITS, (4, 2, 1), strict=True):
        arrays[f"{split}_features"] = np.full((count, 20, 500), 0.5, np.float32)
        arrays[f"{split}_labels"] = np.arange(count) % 3
    np.savez(path, **(arrays | changes))
    return path


def features(value: float, dtype: Any = np.float32) -> np.ndarray:
    array = np.zeros((4, 20, 500), dtype)
    array[2, 3, 77] = value
    return array


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("train_features", features(np.nan), r"train_features\[2, 3, 77\] is nan, expected finite numbers"),
        ("train_features", features(-np.inf, np.float16), r"train_features\[2, 3, 77\] is -inf"),
        ("train_features", np.zeros((4, 20, 499), np.float32), r"shape \(4, 20, 499\), expected \(N, 20, 500\)"),
        ("train_features", np.zeros((4, 3, 20, 500), np.float32), r"shape \(4, 3, 20, 500\)"),
        ("train_features", np.zeros((20, 500), np.float32), r"shape \(20, 500\)"),
        ("train_features", np.zeros((4, 20, 500)), r"dtype float64, expected float32 or float16; convert it with"),
        ("train_features", np.zeros((4, 20, 500), "U1"), "dtype <U1, expected float32 or float16$"),
        ("train_features", np.zeros((5, 20, 500), np.float32), "train_features has 5 clips but train_labels 4"),
        ("train_labels", np.array([0, 1, 3, 5]), r"train_labels\[2\] is 3, expected a species 0-2 \(2 such labels"),
        ("val_labels", np.array([0, -1]), r"val_labels\[1\] is -1, expected a species 0-2"),
        ("test_labels", np.array([0.0]), r"test_labels has dtype float64 and shape \(1,\), expected whole numbers"),
        ("test_labels", np.array([[0]]), r"test_labels has dtype int64 and shape \(1, 1\)"),
        ("about", np.zeros(3, np.uint8), "about is not JSON, as uint8, with species and mfcc"),
        ("about", np.zeros(3), "about is not JSON"),
        ("about", as_bytes([1]), "about is not JSON"),
        ("about", as_bytes({"species": ["a", "b"]}), "about is not JSON"),
        ("about", as_bytes(ABOUT | {"mfcc": {"hop": 1}}), "about.mfcc is no mapping of mfcc settings"),
        ("about", as_bytes(ABOUT | {"mfcc": {"n_fft": 0}}), "mfcc has a setting that is not a positive whole number"),
        ("about", as_bytes(ABOUT | {"species": ["a", 3]}), r"about\.species is not a list of names"),
        ("about", as_bytes(ABOUT | {"species": ["a"]}), "1 different names in 1, needs 2 or more"),
        ("about", as_bytes(ABOUT | {"species": ["a", "b", "a"]}), "2 different names in 3"),
    ],
)
def test_what_is_no_corpus_is_refused_with_place_and_value(
    tmp_path: Path, name: str, array: np.ndarray, message: str
) -> None:
    with pytest.raises(DataError, match=message) as caught:
        read_audio_corpus(save(tmp_path / "f.npz", **{name: array}))
    assert str(caught.value).startswith(str(tmp_path / "f.npz"))
    assert len(caught.value.lines()) == len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("split", ["train", "val"])
def test_empty_split_is_refused_unless_it_is_test(tmp_path: Path, split: str) -> None:
    def empty(split: str) -> dict[str, np.ndarray]:
        return {f"{split}_features": np.zeros((0, 20, 500), np.float32), f"{split}_labels": np.zeros(0, np.int64)}

    with pytest.raises(DataError, match=f"{split}_features is empty"):
        read_audio_corpus(save(tmp_path / "f.npz", **empty(split)))
    assert len(read_audio_corpus(save(tmp_path / "g.npz", **empty("test"))).labels["test"]) == 0


def test_object_arrays_are_never_loaded(tmp_path: Path) -> None:
    path = save(tmp_path / "f.npz", about=np.array([{"species": ["a", "b"]}], dtype=object))
    with pytest.raises(DataError, match="Python objects"):
        read_audio_corpus(path)


def test_labels_of_any_whole_type_are_read_as_int64(tmp_path: Path) -> None:
    corpus = read_audio_corpus(save(tmp_path / "f.npz", train_labels=np.array([2, 0, 1, 2], np.uint8)))
    assert corpus.labels["train"].dtype == np.int64
    assert corpus.labels["train"].tolist() == [2, 0, 1, 2]
    assert corpus.species == ("wren", "robin", "owl")
    assert corpus.settings == SYNTHETIC


def test_content_hash_depends_on_everything_but_the_packing(tmp_path: Path) -> None:
    one = read_audio_corpus(save(tmp_path / "a.npz")).content_hash()
    arrays = dict(np.load(tmp_path / "a.npz", allow_pickle=False))
    np.savez_compressed(tmp_path / "b.npz", **arrays)  # type: ignore[arg-type]
    assert read_audio_corpus(tmp_path / "b.npz").content_hash() == one
    changes: list[dict[str, Any]] = [
        {"test_labels": np.array([1])},
        {"val_features": np.zeros((2, 20, 500), np.float32)},
        {"about": as_bytes(ABOUT | {"species": ["wren", "robin", "crow"]})},
    ]
    for index, change in enumerate(changes):
        assert read_audio_corpus(save(tmp_path / f"c{index}.npz", **change)).content_hash() != one


@pytest.mark.parametrize("count", range(1, 30))
def test_species_with_three_clips_or_more_is_in_each_split(count: int) -> None:
    labels = np.concatenate([np.full(count, 4), np.full(40, 2)])
    chosen = split_clips(labels, seed=1)
    assert sorted(np.concatenate(list(chosen.values())).tolist()) == list(range(count + 40))  # each clip once
    found = [int((labels[chosen[name]] == 4).sum()) for name in SPLITS]
    if count >= 3:
        assert min(found) >= 1
        assert found[1] == found[2] == max(1, round(0.15 * count))
    else:
        assert found == [[1, 0, 0], [1, 0, 1]][count - 1]


def test_split_of_many_is_70_15_15_and_depends_on_the_seed() -> None:
    labels = np.zeros(1000, np.int64)
    one = split_clips(labels, seed=1)
    assert [len(one[name]) for name in SPLITS] == [700, 150, 150]
    assert np.array_equal(split_clips(labels, seed=1)["val"], one["val"])
    assert not np.array_equal(split_clips(labels, seed=2)["val"], one["val"])


def test_synthetic_corpus_is_written_once_and_the_same(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_synthetic_corpus(tmp_path / name, 3, 40, seed=1)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    corpus = read_audio_corpus(tmp_path / "a")
    assert corpus.species == ("species_00", "species_01", "species_02")
    assert sum(len(corpus.labels[name]) for name in SPLITS) == 40
    assert default_audio_path(tmp_path, 3, 40, 1).name == "birdsong-40x3-seed1-v1.npz"


def test_features_stay_with_their_labels_and_files(tmp_path: Path) -> None:
    labels = np.arange(30) % 3
    marked = np.zeros((30, 20, 500), np.float32)
    marked[:, 0, 0] = np.arange(30)
    files = [f"{label}/{index}.wav" for index, label in enumerate(labels)]
    write_corpus(tmp_path / "f", marked, labels, ["a", "b", "c"], SYNTHETIC, seed=0, files=files)
    corpus = read_audio_corpus(tmp_path / "f")
    about = json.loads(bytes(np.load(tmp_path / "f", allow_pickle=False)["about"]))
    for name in SPLITS:
        indices = corpus.features[name][:, 0, 0].astype(int)
        assert np.array_equal(corpus.labels[name], labels[indices])
        assert about["files"][name] == [files[index] for index in indices]


def test_nothing_to_validate_on_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no species has 3 recordings"):
        write_corpus(
            tmp_path / "f", np.zeros((4, 20, 500), np.float32), np.array([0, 0, 1, 1]), ["a", "b"], SYNTHETIC, seed=0
        )
    assert list(tmp_path.iterdir()) == []
