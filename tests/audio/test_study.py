"""A mended classifier is measured, left where it can be loaded, and refused where it cannot be made."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import arcvae
from arcvae.audio.corpus.files import read_audio_corpus
from tests.conftest import FAST_CLIPS, NamedCommand, fault, metrics, run_command, runs, shared


@pytest.fixture(scope="module")
def linear_run(tmp_path_factory: pytest.TempPathFactory, tiny_clips: Path) -> Path:
    """A run whose last layer can be mended."""
    words = (f"data.path={tiny_clips}", *FAST_CLIPS, "model.head=linear", "loss=cross_entropy")

    def make(folder: Path) -> None:
        assert run_command("train", *words, folder=folder) == 0

    (run,) = runs(shared(tmp_path_factory, "linear", make))
    return run


@pytest.mark.slow
@pytest.mark.parametrize("method", ["tau_norm", "lws", "crt"])
def test_rebalanced_classifier_is_measured_and_exported(
    command: NamedCommand, linear_run: Path, tiny_clips: Path, tmp_path: Path, method: str
) -> None:
    best = linear_run / "checkpoints" / "best.ckpt"
    assert command("evaluate", f"ckpt_path={best}", f"rebalance={method}", f"hydra.run.dir={tmp_path / 'out'}") == 0
    record = metrics(tmp_path / "out")
    what = record["rebalancing"]
    assert what["method"] == method
    assert what["val_f1_macro"] >= what["before"]
    mended, before = arcvae.load(tmp_path / "out"), arcvae.load(linear_run)
    corpus = read_audio_corpus(tiny_clips)
    clips, labels = torch.as_tensor(np.asarray(corpus.features["test"])).float(), corpus.labels["test"]
    accuracy = float((mended.predict(clips).numpy() == np.asarray(labels)).mean())
    assert record["rebalanced"]["accuracy"] == pytest.approx(accuracy)
    assert torch.equal(mended.model.blocks[0].weight, before.model.blocks[0].weight)
    assert record["temperature"]["temperature"] > 0


def test_rebalancing_is_for_clips_with_a_linear_last_layer(
    command: NamedCommand, run_folder: Path, clips_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("evaluate", f"ckpt_path={clips_run}", "rebalance=crt") == 2
    assert "has CosineHead; train one with model.head=linear loss=cross_entropy" in fault(capsys)
    assert command("evaluate", f"ckpt_path={run_folder}", "rebalance=crt") == 2
    assert "set rebalance=null" in fault(capsys)
    assert command("evaluate", f"ckpt_path={run_folder}", "rebalance=smote") == 2
    assert "must be one of tau_norm, lws, crt" in fault(capsys)
