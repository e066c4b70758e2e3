"""The job of ``arcvae.compare``: a report on runs that are there, or on those that it trains."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

import arcvae
from arcvae.app.compose import CONF_DIR, plan
from arcvae.app.overrides import parse_overrides
from arcvae.app.overrides import quoted as quote
from arcvae.errors import DataError
from arcvae.io.files import write_json
from arcvae.training.record import RunRecord
from tests.conftest import FAST, FAST_CLIPS, Job
from tests.processes import Forked


def quoted(values: tuple[str, ...]) -> str:
    return "[" + ",".join(f"'{value}'" for value in values) + "]"


def changed(run: Path, copy: Path, **changes: Any) -> Path:
    """A copy of a run whose record says something else."""
    shutil.copytree(run, copy)
    dataclasses.replace(RunRecord.read(run), run_id=copy.name, **changes).write(copy)
    return copy


def softer(run: Path, copy: Path, **changes: Any) -> Path:
    """A copy of a run that was made with another loss."""
    config = RunRecord.read(run).config
    return changed(run, copy, config=config | {"loss": config["loss"] | {"gamma": 0.5}}, **changes)


def test_given_runs_are_compared_without_training(job: Job, run_folder: Path, tmp_path: Path) -> None:
    record = RunRecord.read(run_folder)
    better = record.val | {"object_f1": 0.9}
    healthy = record.verdict | {"mode_collapse": False, "posterior_collapse": False}
    other = softer(run_folder, tmp_path / "softer", val=better, seed=7, verdict=healthy)
    results = job("compare", f"runs=[{run_folder},{other}]")
    written = json.loads((tmp_path / "compare" / "results.json").read_text())
    assert written.keys() == results.keys()
    assert written["variants"].keys() == results["variants"].keys()
    assert results["version"] == arcvae.__version__
    assert results["recommendation"] == "loss.gamma=0.5"  # validation decides
    one, two = results["variants"].values()
    assert (one["runs"], two["runs"]) == ([str(run_folder)], [str(other)])
    assert (one["seeds"], two["seeds"]) == ([42], [7])
    assert (two["metrics"]["val/object_f1"]["mean"], two["metrics"]["val/object_f1"]["values"]) == (0.9, (0.9,))
    for split in ("test", "adjusted"):
        assert one["metrics"][f"{split}/object_f1"]["mean"] == record.results(split)["object_f1"]
    assert one["verdicts"] == [record.verdict]
    report = (tmp_path / "compare" / "results.md").read_text()
    assert "**Recommendation: loss.gamma=0.5" in report
    assert record.run_id in report
    names = {path.name for path in (tmp_path / "compare").iterdir()}
    assert names == {"results.md", "results.json", "curves.png", "reconstructions.png"}
    assert not (tmp_path / "outputs" / "train").exists()


@pytest.mark.slow
def test_seeds_of_a_variant_are_averaged(job: Job, run_folder: Path, tmp_path: Path) -> None:
    record = RunRecord.read(run_folder)
    config = record.config | {"seed": 7}
    other = changed(run_folder, tmp_path / "other", config=config, seed=7, val=record.val | {"object_f1": 0.5})
    (variant,) = job("compare", f"runs=[{run_folder},{other}]")["variants"].values()
    entry = variant["metrics"]["val/object_f1"]
    assert list(entry["values"]) == [record.val["object_f1"], 0.5]
    assert entry["mean"] == pytest.approx((record.val["object_f1"] + 0.5) / 2)


@pytest.mark.slow
def test_runs_on_different_corpora_are_compared_with_a_warning(
    job: Job, run_folder: Path, tmp_path: Path, caplog: Any
) -> None:
    other = softer(run_folder, tmp_path / "other", corpus={"path": "other.npz", "sha256": "0" * 64})
    job("compare", f"runs=[{run_folder},{other}]")
    assert "not all made on the same corpus; their figures do not compare" in caplog.text


@pytest.mark.slow
def test_runs_of_different_tasks_have_no_picture_of_one(
    job: Job, run_folder: Path, clips_run: Path, tmp_path: Path
) -> None:
    results = job("compare", f"runs=[{run_folder},{clips_run}]", "study.columns=[f1_macro]", "study.rank=[f1_macro]")
    assert len(results["variants"]) == 2
    assert not (tmp_path / "compare" / "reconstructions.png").exists()


@pytest.mark.slow
def test_runs_without_the_figure_of_the_study_are_compared_by_those_of_their_task(
    job: Job, clips_run: Path, caplog: Any
) -> None:
    with caplog.at_level("INFO", logger="arcvae"):  # whatever another test has left
        results = job("compare", f"runs=[{clips_run}]")
    assert "The runs have no object_f1" in caplog.text
    (run,) = results["variants"].values()
    assert {"test/f1_macro", "test/accuracy", "val/cmap"} <= set(run["metrics"])
    assert results["recommendation"] is not None or "collapsed" in results["reason"]


@pytest.mark.slow
def test_picture_that_cannot_be_drawn_costs_no_report(job: Job, run_folder: Path, tmp_path: Path) -> None:
    gone = changed(run_folder, tmp_path / "gone", corpus={"path": "x.npz", "sha256": ""})
    (gone / "vae_best.pth").write_text("damaged")
    job("compare", f"runs=[{gone}]")
    assert (tmp_path / "compare" / "results.md").is_file()
    assert not (tmp_path / "compare" / "reconstructions.png").exists()


def test_what_is_no_record_is_refused(job: Job, tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text('{"scores": {}}')
    with pytest.raises(DataError, match="is not the record of a training run"):
        job("compare", f"runs=[{tmp_path}]")


@pytest.fixture
def forked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The processes of a comparison are forked instead of imported anew."""
    monkeypatch.setattr("arcvae.app.variants.subprocess", SimpleNamespace(Popen=Forked))


@pytest.mark.slow
@pytest.mark.usefixtures("forked")
def test_variants_are_trained_in_processes_and_reported(job: Job, tmp_path: Path, tiny_clips: Path) -> None:
    # Two cheap variants stand for any study.
    words = (f"data.path={tiny_clips}", *FAST_CLIPS, "trainer.max_epochs=1", "logger=none")
    variants = ("~study.variants.C", "study.variants.A=['loss=cross_entropy']", "study.variants.B=['loss=option_b']")
    columns = ("study.columns=[f1_macro]", "study.rank=[f1_macro]")
    results = job("compare", f"overrides={quoted(words)}", *variants, *columns)
    assert list(results["variants"]) == ["A", "B"]
    weights = []
    for variant in results["variants"].values():
        (run,) = variant["runs"]
        assert Path(run).parent == tmp_path / "outputs" / "train"
        record = RunRecord.read(Path(run))
        weights.append(record.config["loss"]["class_weights"])
        assert variant["metrics"]["test/f1_macro"]["mean"] == record.results("test")["f1_macro"]
    assert weights == ["none", "sqrt_inverse"]
    again = job("compare", f"overrides={quoted(words)}", *variants, *columns, folder="again")
    assert again["variants"] == results["variants"]  # nothing is trained again
    assert len(list((tmp_path / "outputs" / "train").iterdir())) == 2


@pytest.mark.slow
@pytest.mark.usefixtures("forked")
def test_frontier_scores_samples_once_and_draws_the_plane(job: Job, tmp_path: Path, tiny_corpus: Path) -> None:
    small = (f"data.path={tiny_corpus}", *FAST, "trainer.max_epochs=1", "model.maps=2", "model.coarse=2")
    variants = yaml.safe_load((CONF_DIR / "study" / "frontier.yaml").read_text())["variants"]
    others = [f"~study.variants.{name}" for name in variants if name != "smooth_4"]
    words = ["study=frontier", "study.samples=20", f"overrides={quoted(small)}", *others]
    results = job("compare", *words)
    assert (tmp_path / "compare" / "frontier.png").stat().st_size > 5_000
    assert list(results["variants"]) == ["smooth_4"]
    (run,) = (Path(run) for run in results["variants"]["smooth_4"]["runs"])
    for prior in ("posterior", "normal"):
        file = run / f"samples_{prior}_20" / "metrics.json"
        drawn = json.loads(file.read_text())
        found = results["variants"]["smooth_4"]["metrics"][f"test/valid_{prior}"]["mean"]
        assert found == drawn["scores"]["samples"]["valid"]
    written = file.stat().st_mtime_ns
    job("compare", *words, folder="again")
    assert file.stat().st_mtime_ns == written
    assert len(list((tmp_path / "outputs" / "train").iterdir())) == 1


@pytest.mark.slow
def test_samples_are_drawn_with_the_plugins_of_the_study_whatever_its_paths_are_called(
    job: Job, run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_plugin.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    asked: list[dict[str, Any]] = []

    def draw(command: str, words: list[str], what: str) -> None:
        asked.extend(plan(command, words))
        (folder,) = (
            override.value() for override in parse_overrides(words) if override.key_or_group == "hydra.run.dir"
        )
        write_json(Path(folder) / "metrics.json", {"scores": {"samples": {"valid": 0.5}}, "of": what})

    monkeypatch.setattr("arcvae.app.jobs.compare.run_command_in_process", draw)
    run, place = changed(run_folder, tmp_path / "O'Brien"), tmp_path / "it's here"
    words = ("+study.samples=20", "+study.priors=[normal]", "plugins=[my_plugin]", f"output_dir={quote(str(place))}")
    job("compare", f"runs=[{quote(str(run))}]", *words)
    (sample,) = asked
    assert (sample["ckpt_path"], sample["output_dir"]) == (str(run / "checkpoints" / "best.ckpt"), str(place))
    assert (sample["num_samples"], sample["plugins"]) == (20, ["my_plugin"])
    assert (run / "samples_normal_20" / "metrics.json").is_file()
    assert "valid_normal" not in RunRecord.read(run).val


@pytest.mark.slow
def test_record_of_a_foreign_run_names_no_code_that_is_imported_or_built(
    job: Job, run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    canary = tmp_path / "canary"
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "lurking.py").write_text(f"open({str(canary)!r}, 'w').close()\n")
    config = RunRecord.read(run_folder).config
    task = {"_target_": "os.system", "command": f"touch {canary}"}
    run = changed(run_folder, tmp_path / "foreign", config=config | {"task": task, "plugins": ["os", "lurking"]})
    results = job("compare", f"runs=[{run}]")
    assert list(results["variants"]) == ["run 1"]
    assert not canary.exists()


@pytest.mark.parametrize("config", [{}, {"task": None, "data": {}}, {"task": {}, "data": []}])
def test_record_without_its_config_is_refused(job: Job, run_folder: Path, tmp_path: Path, config: Any) -> None:
    run = changed(run_folder, tmp_path / "odd", config=config)
    with pytest.raises(DataError, match=r"odd/metrics\.json lacks the config of its run; give the folder of another"):
        job("compare", f"runs=[{run}]")
