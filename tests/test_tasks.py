"""What holds for every task: the same losses, class weights, verdicts and choices of the best checkpoint.

What one run of each leaves is tested in ``tests/app/jobs``, a task of a user's in ``tests/test_third_task.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import arcvae
from arcvae.app.compose import plan
from arcvae.audio.module import AudioModule
from arcvae.grid.module import GridModule
from arcvae.training.module import ImbalanceModule
from tests.conftest import FAST, FAST_CLIPS, Job, metrics

BRIEF = ("trainer.max_epochs=1", "logger=none")


@dataclass(frozen=True)
class Case:
    """A model of a task, small enough to be trained in a second."""

    overrides: tuple[str, ...]
    module: type[ImbalanceModule]
    accuracy: str
    corpus: str


CASES = {
    "grids": Case(FAST, GridModule, "pixel_accuracy", "tiny_corpus"),
    "clips": Case(FAST_CLIPS, AudioModule, "accuracy", "tiny_clips"),
    "clips_v2": Case((*FAST_CLIPS, "experiment=audio_cnn_v2", "model.hidden=8"), AudioModule, "accuracy", "tiny_clips"),
}


@pytest.fixture(params=[name if name != "clips_v2" else pytest.param(name, marks=pytest.mark.slow) for name in CASES])
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


@pytest.fixture
def corpus(request: pytest.FixtureRequest, case: Case) -> Path:
    found = request.getfixturevalue(case.corpus)
    assert isinstance(found, Path)
    return found


@pytest.mark.parametrize("loss", ["cross_entropy", "focal", "option_a", "option_b", "option_c"])
def test_every_loss_composes_unchanged(case: Case, loss: str) -> None:
    (config,) = plan("train", [*case.overrides, f"loss={loss}", "data.path=none"])
    assert config["loss"] == plan("train", [f"loss={loss}"])[0]["loss"]


@pytest.mark.slow
def test_loss_weights_and_monitor_are_free_to_choose(job: Job, case: Case, corpus: Path, tmp_path: Path) -> None:
    words = ("loss=option_b", "loss.gamma=1", "trainer.accumulate_grad_batches=2", "monitor=val/f1_macro")
    record = job("train", *case.overrides, *BRIEF, *words, corpus=corpus)
    counts, weights = np.array(record.class_counts), np.array(record.class_weights)
    expected = 1 / np.sqrt(counts + 1)
    assert weights == pytest.approx(expected * len(counts) / expected.sum())
    assert record.best == pytest.approx(record.val["f1_macro"])
    # The trivial predictor names the most frequent class: its share, up to the split's own chance.
    assert record.baseline[case.accuracy] == pytest.approx(counts.max() / counts.sum(), abs=0.15)
    recalls = [recall for recall in record.baseline["per_class_recall"] if not np.isnan(recall)]
    assert record.baseline["balanced_accuracy"] == pytest.approx(1 / len(recalls))
    evaluated = job("evaluate", f"ckpt_path='{tmp_path}/train/checkpoints/best.ckpt'", "accelerator=cpu")
    assert evaluated["test"]["loss"] == pytest.approx(record.test["loss"], rel=1e-5)
    assert arcvae.load(tmp_path / "train").tau == record.logit_adjustment["tau"]


def test_collapse_is_called_by_its_name(
    job: Job, case: Case, corpus: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    step = case.module.step

    def always_the_majority(self: ImbalanceModule, batch: Any, stage: str) -> Any:
        output = step(self, batch, stage)
        logits = torch.zeros_like(output.logits)
        logits[:, 0] = 1.0  # background, and the most frequent of the four species
        return type(output)(output.loss, logits, output.target, output.parts, output.vectors)

    monkeypatch.setattr(case.module, "step", always_the_majority)
    with caplog.at_level("INFO", logger="arcvae"):
        record = job("train", *case.overrides, *BRIEF, corpus=corpus)
    assert record.verdict["mode_collapse"] is True
    assert "MODE COLLAPSE" in caplog.text
    assert record.test[case.accuracy] == pytest.approx(record.baseline[case.accuracy])
    assert record.test["f1_macro"] == pytest.approx(record.baseline["f1_macro"])


def test_normalisation_and_counts_of_a_classifier_travel_with_its_checkpoint(clips_run: Path) -> None:
    state = torch.load(clips_run / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]
    assert state["train_counts"].tolist() == metrics(clips_run)["class_counts"]
    assert state["model.deviation"].min() > 0
    assert state["model.mean"].abs().max() > 1
