"""``python -m arcvae.compare``: everything is checked before the first run begins, and a failed run ends it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import NamedCommand, fault, metrics

Capture = pytest.CaptureFixture[str]


@pytest.mark.slow
def test_given_runs_are_reported_in_a_folder_below_outputs(
    command: NamedCommand, tmp_path: Path, run_folder: Path, capfd: Capture
) -> None:
    assert command("compare", f"runs=[{run_folder}]") == 0
    (folder,) = (tmp_path / "outputs" / "compare").iterdir()
    assert {"results.md", "results.json", "curves.png", "compare.log"} <= {path.name for path in folder.iterdir()}
    shown, report = capfd.readouterr().out, (folder / "results.md").read_text()
    assert "## Runs" in report
    assert str(folder) in shown
    record = metrics(run_folder)
    for words in ("best object_f1 first", f"{record['test']['object_f1']:.3f}", "trivial predictor", "Recommendation:"):
        assert words in shown
    assert f"{record['test']['pixel_accuracy']:.4f}" in report
    assert "|" not in shown  # a table that fits a terminal, and no Markdown


@pytest.mark.slow
def test_bad_requests_end_in_one_line_and_write_nothing(command: NamedCommand, tmp_path: Path, capsys: Capture) -> None:
    assert command("compare", "runs=[nowhere]") == 3
    assert "nowhere holds no metrics.json" in fault(capsys)
    assert command("compare", "overrides=['loss=optoin_a']") == 2
    assert "did you mean option_a?" in fault(capsys)
    assert command("compare", "study=option") == 2
    assert command("compare", "seeds=[]") == 2
    capsys.readouterr()
    # Only when all runs were trained would anybody have noticed.
    assert command("compare", "+study.samples=5", "+study.priors=[posterior,agregate]") == 2
    assert "prior=agregate: choose one of" in fault(capsys)
    assert command("compare", "+study.samples=5") == 2
    assert "study.samples needs study.priors" in fault(capsys)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_failed_training_ends_the_comparison_with_its_code(tmp_path: Path) -> None:
    (tmp_path / "bad.npz").write_text("no corpus")
    done = subprocess.run(
        [sys.executable, "-m", "arcvae.compare", "overrides=['data.path=bad.npz']"],
        cwd=tmp_path, capture_output=True, text=True, check=False, env=os.environ,
    )  # fmt: skip
    assert done.returncode == 3
    lines = done.stderr.splitlines()
    assert any("bad.npz is not an intact .npz file" in line for line in lines)
    assert lines[-1].startswith("arcvae: error[E_DATA]: training A (seed 42) ended with exit code 3")
    assert not list(tmp_path.rglob("results.md"))
