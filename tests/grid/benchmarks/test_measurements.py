"""What studies can measure, by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from arcvae.errors import ConfigError, DataError
from arcvae.grid.benchmarks import measurements
from arcvae.grid.benchmarks.measurements import MEASUREMENTS, Operations, Transforms
from arcvae.grid.codec import Codec
from arcvae.grid.settings import SETTINGS
from arcvae.grid.task import GridTask
from arcvae.io.settings import Choice

SETTING = {"limit": 4, "chains": 3, "chain_grids": 6, "pairs": 10, "seconds": 0.5, "refine": 0, "seed": 0}


def test_every_measurement_may_be_asked_for_and_no_other() -> None:
    rule = SETTINGS.rules["study.measure.what"]
    assert isinstance(rule, Choice)
    assert set(rule.options) == set(MEASUREMENTS)
    assert isinstance(GridTask().measurement("operations"), Operations)
    assert isinstance(GridTask().measurement("transforms"), Transforms)
    with pytest.raises(ConfigError, match=r"study\.measure\.what=colors"):
        GridTask().measurement("colors")


def test_corpus_is_the_one_given_or_is_made(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Operations().corpus(str(corpus), str(tmp_path)) == corpus
    with pytest.raises(DataError):
        Operations().corpus(str(tmp_path / "none.npz"), str(tmp_path))
    monkeypatch.setattr(measurements, "_GENERATED", ("atomic", 20, 1))
    made = Operations().corpus(None, str(tmp_path))
    assert made.parent == tmp_path / "corpora"
    written = made.stat().st_mtime_ns
    assert Transforms().corpus(None, str(tmp_path)).stat().st_mtime_ns == written  # once


@pytest.mark.slow
def test_operations_report_draws_what_was_measured(perfect: Codec, corpus: Path, measured: dict[str, Any]) -> None:
    found = Operations().measure(perfect, corpus, SETTING)
    timings = ("seconds", "plain", "training")  # these differ; so may what is learned within a time
    for ours, theirs in zip(found["programs"], measured["programs"], strict=True):
        assert ours["figures"]["operation"] == theirs["figures"]["operation"]
        assert ours.keys() - set(timings) == theirs.keys() - set(timings)
    report = Operations().report({"My model 1.0": [measured]})
    assert set(report.pictures) == {"operations_my_model_1_0", "depth"}
    assert report.text.startswith(report.summary.rstrip())
    assert set(Operations().report({"a": [measured | {"chains": []}]}).pictures) == {"operations_a"}
