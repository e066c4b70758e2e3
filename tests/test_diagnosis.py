"""A zoo of runs: each bad one is told its cause, and a good one that nothing stands out."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import arcvae
from arcvae.app.compose import plan
from arcvae.grid.task import GridTask
from arcvae.training import course
from arcvae.training.course import Course
from arcvae.training.evaluation import merged
from arcvae.training.record import RunRecord
from tests.conftest import FAST, FAST_CLIPS, metrics, run_job, save_arrays

SMALL = (
    "trainer.accelerator=cpu", "callbacks.progress_bar.refresh_rate=0", "model.widths=[8,8,8]", "model.hidden=16",
    "data.overfit_grids=32", "data.overfit_repeats=60", "data.batch_size=32", "trainer.max_epochs=4",
    "loss=option_b", "callbacks.snapshots=null", "callbacks.code_pictures=null", "report=false",
)  # fmt: skip
"""Two hundred and forty steps on one batch: long enough for a cause other than the length, if that asks for no more."""
ZOO = {
    "too short": ("too short: 6 steps in 2 epochs", (*FAST, "loss=cross_entropy")),
    "beta too large": (
        "a beta of 100 against nats per grid", (*SMALL, "beta=constant", "beta.maximum=100")),
    "mean reduction": (
        "a mean over cells makes beta as many times stronger", (*SMALL, "beta=constant", "loss.reduction=mean")),
    "no weights": (
        "the loss has no class weights", (*SMALL, "loss=cross_entropy", "beta=constant", "beta.maximum=1")),
    "learning rate too high": ("a learning rate of 0.3 is too high", (*SMALL, "beta=zero", "optimizer.lr=0.3")),
    "learning rate too low": ("a learning rate of 1e-07 is too low", (*SMALL, "beta=zero", "optimizer.lr=1e-7")),
}  # fmt: skip
"""Each with words of its cause, and with the overrides of its run."""
TYPED = re.compile(r"\b[a-z_]+(?:\.[a-z_]+)*=[\w.+-]*\w")


@pytest.mark.slow
@pytest.mark.parametrize("name", ZOO)
def test_bad_run_is_told_its_cause_by_training_and_by_evaluation(
    name: str, tmp_path: Path, tiny_corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(course, "FEW_STEPS", 240)
    cause, words = ZOO[name]
    record = run_job("train", f"data.path='{tiny_corpus}'", *words, folder=tmp_path / "run")
    said = [finding["cause"] for finding in record.findings]
    assert any(cause in text for text in said), record.findings
    others = [words for other, (words, _) in ZOO.items() if other != name]
    assert not any(other in text for other in others for text in said if cause not in text) or name == "no weights"
    found = run_job(
        "evaluate", f"ckpt_path={tmp_path}/run/checkpoints/best.ckpt", "split=train", "limit=20",
        "importance_samples=2", "accelerator=cpu", folder=tmp_path / "evaluation",
    )  # fmt: skip
    assert any(cause in finding["cause"] for finding in found["findings"]), found["findings"]
    for finding in (*record.findings, *found["findings"]):  # what a remedy spells out can be typed
        for typed in TYPED.findall(finding["remedy"]):
            assert plan("sample" if typed.startswith("prior") else "train", [typed])


@pytest.mark.slow
def test_species_that_are_never_found_are_counted_and_named(tmp_path: Path, tiny_clips: Path) -> None:
    words = (*FAST_CLIPS, "experiment=audio_seed_cnn", "trainer.max_epochs=12", f"data.path='{tiny_clips}'")
    record = run_job("train", *words, folder=tmp_path / "run")
    lost = [index for index, recall in enumerate(record.results("test")["per_class_recall"]) if recall == 0]
    assert lost
    (finding,) = [one for one in record.findings if "lost classes" in one["name"] or "mode collapse" in one["name"]]
    assert finding["cause"].startswith("too short")
    if "lost classes" in finding["name"]:
        there = [
            recall for recall in record.results("test")["per_class_recall"] if recall is not None and recall == recall
        ]
        assert f"{len(lost)} of {len(there)} classes are never found" in finding["evidence"]
        assert all(record.class_names[index] in finding["evidence"] for index in lost)


@pytest.mark.slow
def test_nothing_stands_out_in_a_run_that_learned_its_batch(tmp_path: Path, tiny_corpus: Path) -> None:
    with np.load(tiny_corpus) as arrays:  # without a test split the run is judged by what it learned
        corpus = save_arrays(tmp_path / "c.npz", train=arrays["train"], val=arrays["val"], test=arrays["test"][:0])
    words = ("experiment=objects", "trainer=overfit_batch", "trainer.accelerator=cpu", "model.width=64")
    words += ("callbacks.progress_bar.refresh_rate=0", f"data.path='{corpus}'")
    record = run_job("train", *words, folder=tmp_path / "run")
    assert record.split == "val"
    assert record.val["object_f1"] > 0.9
    assert record.findings == []


@pytest.mark.parametrize("name", ["atomic-d10", "atomic-objects", "atomic-objects-20"])
def test_nothing_stands_out_in_the_figures_of_models_that_come_with_arcvae(name: str) -> None:
    facts = json.loads((Path(arcvae.__file__).parent / "weights" / f"{name}.json").read_text())
    (config,) = plan("train", ["experiment=best_d10" if name == "atomic-d10" else "experiment=operations"])
    trained = Course.of(config, steps=facts["epochs"] * 312, epochs=facts["epochs"], tau=0.0)
    results: dict[str, Any] = facts["test"]
    verdict = {"mode_collapse": False, "posterior_collapse": False}
    assert GridTask().findings(results, None, verdict, trained) == []  # type: ignore[arg-type]
    worse = results | {"calibration_error": 0.5}
    assert len(merged(GridTask().findings(worse, None, verdict, trained))) == 1  # type: ignore[arg-type]


def test_run_of_two_epochs_is_told_that_it_was_too_short(run_folder: Path, evaluated: Path) -> None:
    record = RunRecord.read(run_folder)
    causes = {finding["cause"] for finding in (*record.findings, *metrics(evaluated)["findings"])}
    assert any(cause.startswith(f"too short: {record.steps} steps in 2 epochs") for cause in causes)
    assert not any("beta" in cause or "weights" in cause for cause in causes)
    assert f"cause   too short: {record.steps} steps" in (run_folder / "train.log").read_text()
