"""``arcvae.load`` opens runs, exports, checkpoints and shipped models of any task."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import arcvae
from arcvae.app.loading import SHIPPED, shipped
from arcvae.audio.corpus.files import read_audio_corpus
from arcvae.errors import CheckpointError
from arcvae.grid.codec import Codec
from arcvae.grid.corpus.files import read_corpus
from arcvae.io.tensors import load_torch, save_torch
from arcvae.training.predictor import Predictor
from arcvae.training.task import Task
from tests.conftest import metrics


@pytest.mark.parametrize("name", ["", "classifier.pth", "classifier.safetensors", "checkpoints/best.ckpt"])
def test_run_on_clips_becomes_a_predictor_with_the_accuracy_of_the_record(
    clips_run: Path, tiny_clips: Path, name: str
) -> None:
    predictor = arcvae.load(clips_run / name)
    assert isinstance(predictor, Predictor)
    corpus, record = read_audio_corpus(tiny_clips), metrics(clips_run)
    features, labels = corpus.features["test"], corpus.labels["test"]
    predicted = predictor.predict(features)
    assert (predicted == labels).mean() == pytest.approx(record["test"]["accuracy"], abs=1e-6)
    assert predictor.names(features) == [corpus.species[index] for index in predicted]
    if not name.endswith(".ckpt"):  # tau is tuned after the last checkpoint
        adjusted = predictor.predict(features, decision="adjusted")
        assert (adjusted == labels).mean() == pytest.approx(record["adjusted"]["accuracy"], abs=1e-6)


@pytest.mark.parametrize("name", ["", "vae_best.safetensors", "checkpoints/best.ckpt"])
def test_run_on_grids_becomes_a_codec_with_the_accuracy_of_the_record(
    run_folder: Path, tiny_corpus: Path, name: str
) -> None:
    codec = arcvae.load(run_folder / name)
    assert isinstance(codec, Codec)
    grids, record = read_corpus(tiny_corpus).test, metrics(run_folder)
    accuracy = (codec.reconstruct(grids) == grids).mean()
    assert accuracy == pytest.approx(record["test"]["pixel_accuracy"], abs=1e-9)


@pytest.mark.slow
def test_neither_lightning_nor_hydra_is_imported(clips_run: Path) -> None:
    code = (
        f"import sys, arcvae, numpy as np; arcvae.load({str(clips_run)!r})\n"
        "assert not {'lightning', 'hydra', 'omegaconf', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_name_of_a_shipped_model_is_its_file_unless_such_a_file_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert shipped(Path("atomic-d10")) == SHIPPED / "atomic-d10.safetensors"
    assert shipped(Path("atomic-d11")) == Path("atomic-d11")
    (tmp_path / "atomic-d10").touch()
    assert shipped(Path("atomic-d10")) == Path("atomic-d10")


def test_shipped_model_brings_its_prior(tmp_path: Path) -> None:
    codes = arcvae.load("atomic-d10").sample_codes(3, seed=1)
    given = arcvae.load(SHIPPED / "atomic-d10.safetensors", prior=SHIPPED / "atomic-d10.prior.safetensors")
    assert (given.sample_codes(3, seed=1) == codes).all()
    shutil.copy(SHIPPED / "atomic-d10.safetensors", tmp_path)
    without = arcvae.load(tmp_path / "atomic-d10.safetensors").sample_codes(3, seed=1)
    assert without.shape == codes.shape == (3, 10)
    assert (without != codes).any()


def test_folder_without_exports_or_with_several_is_refused(clips_run: Path, run_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="holds no exports; give the folder of a finished training run"):
        arcvae.load(tmp_path)
    (tmp_path / "exports.json").write_text('{"sha256": {"../classifier.pth": ""}}')
    with pytest.raises(CheckpointError, match="holds no exports"):  # none outside of the folder
        arcvae.load(tmp_path)
    (tmp_path / "exports.json").write_text("[]")
    with pytest.raises(CheckpointError, match="holds no exports"):
        arcvae.load(tmp_path)
    shutil.copy(run_folder / "exports.json", tmp_path)
    with pytest.raises(CheckpointError, match=r"holds decoder.pth, encoder.pth, vae_best.pth; give one of these files"):
        arcvae.load(tmp_path)
    with pytest.raises(CheckpointError, match="there is no"):
        arcvae.load(clips_run / "none.pth")
    with pytest.raises(
        CheckpointError, match=r"there is no atomic-object \(did you mean atomic-objects\?\); train first"
    ):
        arcvae.load("atomic-object")


def test_changed_file_is_refused(clips_run: Path, tmp_path: Path) -> None:
    for name in ("classifier.pth", "exports.json"):
        shutil.copy(clips_run / name, tmp_path)
    export = load_torch(tmp_path / "classifier.pth")
    name, tensor = next((name, tensor) for name, tensor in export["state_dict"].items() if tensor.is_floating_point())
    save_torch(tmp_path / "classifier.pth", export | {"state_dict": export["state_dict"] | {name: tensor + 1}})
    for path in (tmp_path, tmp_path / "classifier.pth"):
        with pytest.raises(CheckpointError, match=r"classifier.pth"):
            arcvae.load(path)


@pytest.mark.parametrize(
    "damage", [{"class_names": 7}, {"preprocessing": 7}, {"preprocessing": {"mfcc": 7}}, {"task": 7}, {"model": 7},
               {"logit_adjustment": {}}],
)  # fmt: skip
def test_export_that_cannot_be_used_is_replaced_as_its_message_says(
    clips_run: Path, tmp_path: Path, damage: dict[str, Any]
) -> None:
    run = tmp_path / "run"
    shutil.copytree(clips_run, run)
    save_torch(run / "classifier.pth", load_torch(run / "classifier.pth") | damage)
    remedy = "load checkpoints/best.ckpt of its run, or train it again"
    with pytest.raises(CheckpointError, match=rf"is not the file that its run wrote .*; {remedy}$"):
        arcvae.load(run)
    (run / "exports.json").write_text('{"sha256": {"classifier.pth": 0}}')  # then only the content says it
    with pytest.raises(CheckpointError, match=rf"; {remedy}$"):
        arcvae.load(run / "classifier.pth")
    assert isinstance(arcvae.load(run / "checkpoints/best.ckpt"), Predictor)


def test_task_of_the_user_is_asked_with_all_that_was_given(clips_run: Path) -> None:
    class Mine(Task[Any, Any]):
        def load(self, export: Any, path: Path, *, device: str = "cpu", **options: Any) -> Any:
            return export, path, device, options

    export, path, device, options = arcvae.load(clips_run, task=Mine(), device="meta", model=torch.nn.Linear)
    assert path == clips_run / "classifier.pth"
    assert export["class_names"] == metrics(clips_run)["class_names"]
    assert (device, options) == ("meta", {"model": torch.nn.Linear})
