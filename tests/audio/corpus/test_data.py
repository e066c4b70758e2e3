"""The data module of clips: batches, deltas, statistics of the train split alone."""

from __future__ import annotations

from pathlib import Path

import librosa
import numpy as np
import pytest
import torch

from arcvae.audio.corpus.data import AudioDataModule
from arcvae.audio.corpus.files import read_audio_corpus
from arcvae.errors import DataError
from arcvae.io.npz import DIGESTS, write_npz
from tests.audio.corpus.test_files import save


def test_epoch_gives_each_clip_once_with_its_own_label(tmp_path: Path, tiny_clips: Path) -> None:
    data = AudioDataModule(str(tiny_clips), batch_size=7, cache_dir=str(tmp_path))
    corpus = read_audio_corpus(tiny_clips)
    batches = list(data.train_dataloader())
    features, labels = (torch.cat(parts) for parts in zip(*batches, strict=True))
    assert [len(part) for part, _ in batches[:-1]] == [7] * (len(batches) - 1)
    assert (features.dtype, labels.dtype) == (torch.float32, torch.int64)
    assert features.shape == (len(corpus.labels["train"]), 20, 500)
    assert not torch.equal(labels, data.targets("train"))  # shuffled
    stored = {clip.astype(np.float32).tobytes(): label for clip, label in zip(*clips(corpus), strict=True)}
    assert len(stored) == len(labels)
    assert all(stored[clip.numpy().tobytes()] == label for clip, label in zip(features, labels, strict=True))


def clips(corpus, split: str = "train"):  # type: ignore[no-untyped-def]
    return corpus.features[split], corpus.labels[split]


@pytest.mark.slow
def test_three_channels_are_the_features_and_librosas_deltas(tmp_path: Path, tiny_clips: Path) -> None:
    data = AudioDataModule(str(tiny_clips), channels=3, cache_dir=str(tmp_path))
    features, labels = next(iter(data.val_dataloader()))
    assert features.shape[1:] == data.sample_shape == (3, 20, 500)
    assert torch.equal(labels, data.targets("val"))  # in the order of the file
    stored = read_audio_corpus(tiny_clips).features["val"].astype(np.float32)
    assert np.array_equal(features[:, 0].numpy(), stored)
    for order in (1, 2):
        assert np.abs(features[:, order].numpy() - librosa.feature.delta(stored, order=order)).max() < 1e-3


@pytest.mark.parametrize("channels", [1, 3])
def test_statistics_are_those_of_the_train_split(tmp_path: Path, tiny_clips: Path, channels: int) -> None:
    data = AudioDataModule(str(tiny_clips), channels=channels, cache_dir=str(tmp_path))
    train = torch.cat([features for features, _ in data.train_dataloader()]).double().reshape(-1, channels, 20, 500)
    mean, deviation = data.statistics
    assert mean.shape == deviation.shape == (channels, 20, 1)
    assert torch.allclose(mean.double()[..., 0], train.mean((0, 3)), atol=1e-4)
    assert torch.allclose(deviation.double()[..., 0], train.std((0, 3), correction=0), rtol=1e-4)


@pytest.mark.slow
def test_worker_processes_change_nothing(tmp_path: Path, tiny_clips: Path) -> None:
    # Started afresh, as on macOS: what they are given must survive pickling.
    modules = [AudioDataModule(str(tiny_clips), channels=3, cache_dir=str(tmp_path), num_workers=n) for n in (0, 1)]
    loaders = [data.train_dataloader() for data in modules]
    loaders[1].multiprocessing_context = "spawn"
    for (a, x), (b, y) in zip(*loaders, strict=True):
        assert torch.equal(a, b)
        assert torch.equal(x, y)


def test_constant_coefficient_is_not_divided_by_zero(tmp_path: Path) -> None:
    data = AudioDataModule(str(save(tmp_path / "f.npz")), cache_dir=str(tmp_path))
    mean, deviation = data.statistics
    assert torch.equal(mean, torch.full((1, 20, 1), 0.5))
    assert torch.equal(deviation, torch.ones(1, 20, 1))


def test_counts_are_those_of_the_whole_train_split_and_cached(tmp_path: Path, tiny_clips: Path) -> None:
    for _ in range(2):
        data = AudioDataModule(str(tiny_clips), cache_dir=str(tmp_path))
        expected = np.bincount(read_audio_corpus(tiny_clips).labels["train"], minlength=4)
        assert data.class_counts.tolist() == expected.tolist()
        assert len(list(tmp_path.glob("class-counts-*.json"))) == 1
    assert data.class_names == ("species_00", "species_01", "species_02", "species_03")
    assert data.model_settings == {"num_classes": 4, "channels": 1}
    assert f"{expected.sum()} clips of {tiny_clips}" in data.describe()


def test_corpus_is_generated_once(tmp_path: Path) -> None:
    def make() -> AudioDataModule:
        return AudioDataModule(num_species=2, num_clips=20, corpus_dir=str(tmp_path / "c"), cache_dir=str(tmp_path))

    make().prepare_data()
    (path,) = (tmp_path / "c").glob("*.npz")
    before = path.stat()
    data = make()
    data.prepare_data()
    assert path.stat() == before
    assert data.num_classes == 2
    assert sum(data.size(split) for split in ("train", "val", "test")) == 20


def test_what_cannot_be_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"channels must be 1 .* or 3 .*, got 2"):
        AudioDataModule(channels=2)
    nothing = {"test_features": np.zeros((0, 20, 500), np.float32), "test_labels": np.zeros(0, np.int64)}
    data = AudioDataModule(str(save(tmp_path / "f.npz", **nothing)), cache_dir=str(tmp_path))
    with pytest.raises(DataError, match="test is empty, there is nothing to test on"):
        data.test_dataloader()


def test_held_out_clips_that_are_trained_on_are_reported(
    tmp_path: Path, tiny_clips: Path, caplog: pytest.LogCaptureFixture
) -> None:
    arrays = dict(np.load(tiny_clips))
    arrays["val_features"][1] = arrays["train_features"][7]
    write_npz(tmp_path / "leak.npz", {name: array for name, array in arrays.items() if name != DIGESTS})
    AudioDataModule(str(tiny_clips)).corpus  # noqa: B018
    assert "also in train" not in caplog.text
    caplog.set_level("INFO")
    AudioDataModule(str(tmp_path / "leak.npz")).corpus  # noqa: B018
    assert ": 1 of the 24 clips of val and test are also in train" in caplog.text
