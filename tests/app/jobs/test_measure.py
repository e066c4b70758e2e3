"""The part of ``arcvae.compare`` that measures models: once each, all on one corpus."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from arcvae.app.jobs import measure
from arcvae.errors import ConfigError
from arcvae.grid.benchmarks.measurements import Operations
from tests.conftest import Job, NamedCommand, fault

SMALL = (
    *("study=operations", "study.measure.limit=2", "study.measure.chains=1", "study.measure.chain_grids=2"),
    *("study.measure.pairs=4", "study.measure.seconds=0.1"),
)
"""The benchmark in seconds."""


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The settings of each model that is measured, while the real measuring goes on."""
    calls: list[Any] = []
    real = Operations.measure

    def counting(self: Operations, model: Any, corpus: Path, settings: Any) -> dict[str, Any]:
        calls.append(settings)
        return real(self, model, corpus, settings)

    monkeypatch.setattr(Operations, "measure", counting)
    return calls


@pytest.mark.slow
def test_measured_models_are_not_measured_again(
    job: Job, run_folder: Path, tiny_corpus: Path, tmp_path: Path, counted: list[Any]
) -> None:
    corpus = f"study.measure.path={tiny_corpus}"
    first = job("compare", *SMALL, corpus, f"runs=[{run_folder}]", folder="first")
    assert len(counted) == 1
    second = job("compare", *SMALL, corpus, f"runs=[{run_folder},atomic-objects]", folder="second")
    assert len(counted) == 2  # the new one
    assert second["measured"]["run 1"] == json.loads(json.dumps(first["measured"]["run 1"]))
    assert second["variants"] == {"atomic-objects": ["atomic-objects"], "run 1": [str(run_folder)]}
    written = {path.name for path in (tmp_path / "second").iterdir()}
    pictures = {"depth.png", "operations_atomic_objects.png", "operations_run_1.png"}
    assert written == {"results.json", "results.md", *pictures}
    job("compare", *SMALL, corpus, "study.measure.limit=3", f"runs=[{run_folder}]", folder="third")
    assert len(counted) == 3  # another setting
    changed = tmp_path / "changed"
    shutil.copytree(run_folder, changed)
    shutil.copy(tiny_corpus, tmp_path / "same.npz")
    job("compare", *SMALL, f"study.measure.path={tmp_path}/same.npz", f"runs=[{changed}]", folder="fourth")
    assert len(counted) == 3  # the same model and corpus elsewhere


@pytest.mark.slow
def test_corpus_is_that_of_the_runs_unless_another_is_given(job: Job, run_folder: Path) -> None:
    results = job("compare", *SMALL, f"runs=[{run_folder}]")
    assert results["corpus"] == json.loads((run_folder / "metrics.json").read_text())["corpus"]["path"]


def test_tasks_that_measure_nothing_say_so(job: Job, clips_run: Path, run_folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"study\.measure\.what=operations: models for .* have no such measurement"):
        job("compare", *SMALL, f"runs=[{clips_run}]", folder="clips")
    with pytest.raises(ConfigError, match="runs are of 2 tasks"):
        job("compare", *SMALL, f"runs=[{clips_run},{run_folder}]", folder="both")


def test_names_of_models_are_for_studies_that_measure(command: NamedCommand, capsys: Any) -> None:
    assert command("compare", "runs=[atomic-objects]") == 3
    assert "atomic-objects comes with arcvae, without the record of its run; give it to study=operations" in fault(
        capsys
    )
    assert command("compare", "study=operations", "study.measure.what=operation") == 2
    assert "did you mean operations?" in fault(capsys)
    assert command("compare", "study=operations", "runs=[atomic-object]") == 3


def test_identity_knows_what_lies_beside_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, corpus = tmp_path / "m.safetensors", tmp_path / "c.npz"
    model.write_bytes(b"weights")
    corpus.write_bytes(b"grids")
    first = measure._identity(model, corpus, {"limit": 1})
    assert first == measure._identity(model, corpus, {"limit": 1, "path": "elsewhere"})
    (tmp_path / "m.operators.safetensors").write_bytes(b"new")
    second = measure._identity(model, corpus, {"limit": 1})
    assert second != first
    monkeypatch.setattr(measure, "PACKAGE", tmp_path)  # other code gives other figures
    assert measure._identity(model, corpus, {"limit": 1}) != second


@pytest.mark.slow
def test_transforms_of_a_model_that_comes_with_arcvae(command: NamedCommand, tiny_corpus: Path, capfd: Any) -> None:
    words = ("runs=[atomic-objects]", f"study.measure.path={tiny_corpus}")
    assert command("compare", "study=transforms", *words) == 0
    shown = capfd.readouterr().out
    assert "`rotate(90)` 1.000, go" in shown
    assert "Go or no-go" in shown
