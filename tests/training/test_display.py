"""What a run shows while it trains: with a terminal, into a file, and beside the trivial predictor."""

from __future__ import annotations

import csv
import logging
import re
import sys
from pathlib import Path

import pytest
from lightning.pytorch.callbacks import Checkpoint, ModelCheckpoint

from arcvae.training.callbacks import EpochRecord
from arcvae.training.display import EpochProgress, LayerSummary, TrivialPredictor
from arcvae.training.report import baseline
from tests.training.tiny import TinyData, build, trainer


@pytest.mark.parametrize("terminal", [True, False])
def test_epochs_are_counted_from_one_in_a_bar_or_in_lines(
    terminal: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    trainer(tmp_path, EpochProgress(refresh_rate=1), enable_progress_bar=True).fit(build(), TinyData())
    shown = capsys.readouterr().out
    lines = [record.message for record in caplog.records if record.message.startswith("Epoch ")]
    if terminal:
        assert "Epoch 1 of 2" in shown
        assert "Epoch 2 of 2" in shown
        assert "Epoch 0" not in shown
        assert lines == []
    else:
        assert "\r" not in shown
        assert [line.partition(":")[0] for line in lines] == ["Epoch 1 of 2", "Epoch 2 of 2"]
        assert all("val/loss " in line for line in lines)


def test_line_of_an_epoch_has_the_figure_that_chooses_the_best_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: False)
    # Others that write are checkpoints to Lightning, too, such as the pictures of each epoch.
    callbacks = (Checkpoint(), ModelCheckpoint(tmp_path, monitor="val/accuracy", mode="max"))
    lines = EpochProgress(refresh_rate=1)
    trainer(tmp_path, *callbacks, lines, enable_progress_bar=True, enable_checkpointing=True).fit(build(), TinyData())
    shown = [record.message for record in caplog.records if record.message.startswith("Epoch ")]
    assert len(shown) == 2
    assert all(re.fullmatch(r"Epoch \d of 2: val/accuracy [\d.]+, val/loss [\d.]+", line) for line in shown)


def test_summary_has_names_types_and_parameters_and_no_empty_columns(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    module = build()
    trainer(tmp_path, LayerSummary(max_depth=1), enable_model_summary=True).fit(module, TinyData())
    (shown,) = [record.message for record in caplog.records if record.name == "arcvae.training.display"]
    assert shown.splitlines()[0].split() == ["Name", "Type", "Params"]
    assert "FLOPs" not in shown
    count = sum(parameter.numel() for parameter in module.parameters())
    assert shown.endswith(f"{count:,} parameters")


def test_trivial_predictor_is_a_constant_line_beside_the_figures_of_the_run(tmp_path: Path) -> None:
    module, data = build(), TinyData()
    trainer(tmp_path, TrivialPredictor(), EpochRecord(), max_epochs=3, enable_checkpointing=True).fit(module, data)
    expected = baseline(module, data.targets("val"), data.class_counts)
    with (tmp_path / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    for name in module.task.headline:
        assert [float(row[f"trivial/{name}"]) for row in rows] == pytest.approx([expected[name]] * 3)
    assert len({row["val/loss"] for row in rows}) == 3
