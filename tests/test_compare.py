"""`arcvae.compare` on small but real runs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.conftest import FAST

ROOT = Path(__file__).parent.parent
Capture = pytest.CaptureFixture[str]
Compare = Callable[..., int]


@pytest.fixture
def compare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Compare:
    from arcvae.compare import main

    def run(*arguments: str) -> int:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["arcvae.compare", *arguments])
        return main()

    return run


def quoted(values: tuple[str, ...]) -> str:
    return "[" + ",".join(f"'{value}'" for value in values) + "]"


def test_variants_are_trained_once_and_reported(
    compare: Compare, tmp_path: Path, tiny_corpus: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    overrides = f"overrides={quoted((f'data.path={tiny_corpus}', *FAST, 'trainer.max_epochs=1'))}"
    without_c = "~study.variants.C"
    assert compare(overrides, without_c) == 0
    (folder,) = (tmp_path / "outputs" / "compare").iterdir()
    assert {path.name for path in folder.glob("*.*")} >= {
        "results.md", "results.json", "curves.png", "reconstructions.png",
    }  # fmt: skip
    results = json.loads((folder / "results.json").read_text())
    assert list(results["variants"]) == ["A", "B"]
    report = (folder / "results.md").read_text()
    assert "**Recommendation: " in report
    for variant in results["variants"].values():
        (run,) = variant["runs"]
        record = json.loads((tmp_path / run / "metrics.json").read_text())
        assert variant["metrics"]["test/object_f1"]["mean"] == record["test"]["object_f1"]
        assert record["run_id"] in report
    losses = [json.loads((tmp_path / v["runs"][0] / "metrics.json").read_text()) for v in results["variants"].values()]
    assert [record["config"]["loss"]["class_weights"] for record in losses] == ["none", "sqrt_inverse"]

    capfd.readouterr()
    assert compare(overrides, without_c) == 0  # nothing is trained again
    assert "A, seed 42, is there" in capfd.readouterr().out
    assert len(list((tmp_path / "outputs" / "train").iterdir())) == 2
    touched = tiny_corpus.stat()
    os.utime(tiny_corpus)  # a corpus that is newer than the runs may be another one
    try:
        from arcvae.app.compose import plan
        from arcvae.compare import _is_run_of

        (job,) = plan("train", [f"data.path={tiny_corpus}", *FAST, "trainer.max_epochs=1", "loss=option_a"])
        run = tmp_path / results["variants"]["A"]["runs"][0]
        assert not _is_run_of(losses[0], job, run)
    finally:
        os.utime(tiny_corpus, ns=(touched.st_atime_ns, touched.st_mtime_ns))
    assert _is_run_of(losses[0], job, run)
    (other,) = plan("train", [f"data.path={tiny_corpus}", *FAST, "trainer.max_epochs=2", "loss=option_a"])
    assert not _is_run_of(losses[0], other, run)
    words = [f"data.path={tiny_corpus}", *FAST, "trainer.max_epochs=1", "loss=option_a"]
    (other,) = plan("train", [*words, "callbacks.beta_annealing=null"])
    assert not _is_run_of(losses[0], other, run)
    (same,) = plan("train", [*words, "callbacks.snapshots=null", "logger=none"])
    assert _is_run_of(losses[0], same, run)


def changed(run: Path, copy: Path, **changes: object) -> Path:
    """A copy of a run whose config says something else."""
    shutil.copytree(run, copy)
    record = json.loads((run / "metrics.json").read_text())
    record["run_id"] = copy.name
    for key, value in changes.items():
        record["config"][key] = value
    (copy / "metrics.json").write_text(json.dumps(record))
    return copy


def test_frontier_scores_samples_once_and_draws_the_plane(compare: Compare, tmp_path: Path, tiny_corpus: Path) -> None:
    small = (f"data.path={tiny_corpus}", *FAST, "trainer.max_epochs=1", "model.maps=2", "model.coarse=2")
    variants = yaml.safe_load((ROOT / "conf" / "study" / "frontier.yaml").read_text())["variants"]
    others = [f"~study.variants.{name}" for name in variants if name != "d4"]
    arguments = ["study=frontier", "study.samples=20", f"overrides={quoted(small)}", *others]
    assert compare(*arguments) == 0
    (folder,) = (tmp_path / "outputs" / "compare").iterdir()
    assert (folder / "frontier.png").stat().st_size > 5_000
    results = json.loads((folder / "results.json").read_text())
    assert list(results["variants"]) == ["d4"]
    (run,) = (tmp_path / run for run in results["variants"]["d4"]["runs"])
    for prior in ("posterior", "aggregate", "normal"):
        record = run / f"samples_{prior}_20" / "metrics.json"
        drawn = json.loads(record.read_text())
        assert drawn["config"]["prior"]["name"] == prior
        found = results["variants"]["d4"]["metrics"][f"test/valid_{prior}"]["mean"]
        assert found == drawn["scores"]["samples"]["valid"]
    written = record.stat().st_mtime_ns
    assert compare(*arguments) == 0
    assert record.stat().st_mtime_ns == written
    assert len(list((tmp_path / "outputs" / "train").iterdir())) == 1


def test_runs_that_differ_in_the_seed_alone_are_one_variant(compare: Compare, tmp_path: Path, run_folder: Path) -> None:
    other = changed(run_folder, tmp_path / "other", seed=7)
    loss = json.loads((run_folder / "metrics.json").read_text())["config"]["loss"]
    third = changed(run_folder, tmp_path / "third", loss=loss | {"gamma": 0.5})
    assert compare(f"runs=[{run_folder},{run_folder},{other},{third}]") == 0
    (folder,) = (tmp_path / "outputs" / "compare").iterdir()
    variants = json.loads((folder / "results.json").read_text())["variants"]
    assert {name: len(found["runs"]) for name, found in variants.items()} == {"loss.gamma=2.0": 2, "loss.gamma=0.5": 1}


def test_picture_that_cannot_be_drawn_costs_no_report(compare: Compare, tmp_path: Path, run_folder: Path) -> None:
    gone = changed(run_folder, tmp_path / "gone", corpus={"path": "x.npz", "sha256": ""})
    (gone / "vae_best.pth").write_text("damaged")
    assert compare(f"runs=[{gone}]") == 0
    assert list((tmp_path / "outputs" / "compare").glob("*/results.md"))


def test_given_runs_are_compared_without_training(compare: Compare, tmp_path: Path, run_folder: Path) -> None:
    assert compare(f"runs=[{run_folder}]") == 0
    (folder,) = (tmp_path / "outputs" / "compare").iterdir()
    (variant,) = json.loads((folder / "results.json").read_text())["variants"].values()
    assert variant["runs"] == [str(run_folder)]
    assert not (tmp_path / "outputs" / "train").exists()


def test_bad_requests_end_in_one_line_and_write_nothing(compare: Compare, tmp_path: Path, capsys: Capture) -> None:
    assert compare("runs=[nowhere]") == 3
    assert "nowhere holds no metrics.json" in capsys.readouterr().err
    assert compare("overrides=['loss=optoin_a']") == 2
    assert "did you mean option_a?" in capsys.readouterr().err
    assert compare("study=option") == 2
    assert compare("seeds=[]") == 2
    assert list(tmp_path.iterdir()) == []


def test_failed_training_ends_the_comparison_with_its_code(tmp_path: Path) -> None:
    (tmp_path / "bad.npz").write_text("no corpus")
    done = subprocess.run(
        [sys.executable, "-m", "arcvae.compare", "overrides=['data.path=bad.npz']"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 3
    lines = done.stderr.splitlines()
    assert any("bad.npz is not an intact .npz file" in line for line in lines)
    assert lines[-1].startswith("arcvae: error[E_DATA]: training A (seed 42) ended with exit code 3")
    assert not list(tmp_path.rglob("results.md"))
