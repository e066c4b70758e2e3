"""A third task in one file of the user's, outside of the package, gets all that the built-in ones have."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import arcvae
from arcvae.errors import CheckpointError
from arcvae.io.tensors import load_torch
from tests import processes

PLUGIN = Path(__file__).parent / "plugins" / "symbols.py"
FAST = ("logger=none", "callbacks.progress_bar.refresh_rate=0", "optimizer.lr=0.1", "trainer.accelerator=cpu")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the user's file and one finished run of two epochs."""
    folder = tmp_path_factory.mktemp("third")
    shutil.copy(PLUGIN, folder)
    assert command(folder, "train", "experiment=symbols", "trainer.max_epochs=2", *FAST).returncode == 0
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield folder


def command(
    folder: Path, name: str, *words: str, plugins: str = "plugins=[symbols]"
) -> subprocess.CompletedProcess[str]:
    """``python -m arcvae.NAME plugins=[symbols] WORDS`` in a process of its own: a plugin registers for good."""
    return processes.run(f"arcvae.{name}", *([plugins] if plugins else []), *words, cwd=folder)


def latest(folder: Path) -> Path:
    return (folder / "outputs" / "latest").resolve()


def record(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "metrics.json").read_text())


def test_run_stands_beside_the_trivial_predictor_and_gets_a_verdict(folder: Path) -> None:
    found = record(latest(folder))
    with np.load(folder / "outputs" / "corpora" / "symbols-500.npz", allow_pickle=False) as corpus:
        blanks = float((corpus["test"] == 0).mean())
        counts = np.bincount(corpus["train"].ravel(), minlength=6)
    assert found["class_counts"] == counts.tolist()
    assert found["baseline"]["accuracy"] == pytest.approx(blanks)
    assert found["baseline"]["object_f1"] == 0
    assert found["test"]["object_f1"] > 0.3  # features tell symbols apart well
    assert found["verdict"]["mode_collapse"] is False
    assert found["sample_unit"] == "strings"
    assert found["logit_adjustment"]["metric"] == "object_f1"
    expected = 1 / np.sqrt(counts + 1)
    assert found["class_weights"] == pytest.approx(expected * 6 / expected.sum())
    assert "all-blank" in (latest(folder) / "train.log").read_text()


def test_resumed_run_equals_the_uninterrupted_one(folder: Path) -> None:
    constant = ("scheduler=constant", *FAST)  # a cosine over two epochs is not the beginning of one over three
    assert command(folder, "train", "experiment=symbols", "trainer.max_epochs=3", *constant).returncode == 0
    whole = latest(folder)
    assert command(folder, "train", "experiment=symbols", "trainer.max_epochs=2", *constant).returncode == 0
    half = latest(folder)
    words = (f"ckpt_path={half / 'checkpoints' / 'last.ckpt'}", "trainer.max_epochs=3")
    assert command(folder, "train", *words).returncode == 0
    a, b = (load_torch(run / "checkpoints" / "last.ckpt")["state_dict"] for run in (whole, latest(folder)))
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_evaluation_repeats_the_figures_and_takes_the_settings_of_the_task(folder: Path) -> None:
    run = latest(folder)
    checkpoint = f"ckpt_path={run / 'checkpoints' / 'best.ckpt'}"
    result = command(folder, "evaluate", checkpoint, "+letters=xy", "hydra.run.dir=evaluated")
    assert result.returncode == 0, result.stderr
    found, trained = record(folder / "evaluated"), record(run)
    for name in ("accuracy", "object_f1", "per_class_recall"):
        assert found["test"][name] == pytest.approx(trained["test"][name])
    assert found["letters"] == (folder / "evaluated" / "letters.txt").read_text() == "xy"
    refused = command(folder, "evaluate", checkpoint, "refine=3")
    assert refused.returncode == 2
    assert "is a model for strings; set refine=null" in refused.stderr
    refused = command(folder, "sample", checkpoint)
    assert refused.returncode == 4
    assert "is a model for strings; it has nothing to draw samples with" in refused.stderr


def test_comparison_reads_its_runs(folder: Path) -> None:
    result = command(folder, "compare", f"runs=[{latest(folder)}]", "hydra.run.dir=compared", plugins="")
    assert result.returncode == 0, result.stderr
    assert "symbols.SymbolTask is not arcvae's; if it is yours, name its module in plugins" in result.stdout
    assert json.loads((folder / "compared" / "results.json").read_text())["recommendation"] == "run 1"


def test_exports_load_with_the_task_and_not_without(folder: Path) -> None:
    import symbols  # the user's file

    run = latest(folder)
    predictor = arcvae.load(run, task=symbols.SymbolTask())
    with np.load(folder / "outputs" / "corpora" / "symbols-500.npz", allow_pickle=False) as corpus:
        features, strings = corpus["test_features"], corpus["test"]
    predicted = predictor.predict(features)
    assert float((predicted == strings).mean()) == pytest.approx(record(run)["test"]["accuracy"], abs=1e-6)
    with pytest.raises(CheckpointError, match=r"is of the task symbols\.SymbolTask, which is not arcvae's"):
        arcvae.load(run)


def test_bad_values_of_the_task_are_refused_by_its_own_rules_before_a_run_begins(folder: Path) -> None:
    before = set((folder / "outputs" / "train").iterdir())
    result = command(folder, "train", "experiment=symbols", "model.width=0", "data.cuont=3", *FAST)
    assert result.returncode == 2
    assert "model.width=0 must be a whole number at least 1 and at most 64" in result.stderr
    assert "unknown key data.cuont (did you mean data.count?)" in result.stderr
    np.savez(folder / "short.npz", train=np.zeros((4, 5), np.uint8))
    result = command(folder, "train", "experiment=symbols", "data.path=short.npz", *FAST)
    assert result.returncode == 3
    assert "train has shape (4, 5), expected (N, 12)" in result.stderr
    assert set((folder / "outputs" / "train").iterdir()) == before
