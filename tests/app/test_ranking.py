"""The table at the end of a sweep, and the run that ``latest`` points to after it."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import pytest

from arcvae.app.ranking import end_of_sweep, ranked_jobs
from arcvae.app.sweep import FILE
from arcvae.io.files import write_json
from arcvae.training.record import RunRecord
from tests.conftest import FAST, Command


@pytest.fixture
def sweep(tmp_path: Path, run_folder: Path) -> Path:
    """A sweep of four jobs: three finished with .2, .5 and no figure, one failed."""
    record, folder = RunRecord.read(run_folder), tmp_path / "outputs" / "sweeps" / "mine"
    jobs: dict[str, Any] = {}
    for number, best in enumerate((0.2, 0.5, None)):
        (folder / str(number)).mkdir(parents=True)
        dataclasses.replace(record, best=best).write(folder / str(number))
        words = [f"loss.gamma={number}", "trainer=quick_test"]
        jobs[str(number)] = {"state": "finished", "folder": str(number), "overrides": words, "error": None}
    jobs["3"] = {"state": "failed", "folder": "3", "overrides": ["loss.gamma=3"], "error": "out of memory"}
    write_json(folder / FILE, jobs)
    return folder


def test_jobs_are_ranked_by_the_monitored_figure_whatever_its_direction(sweep: Path) -> None:
    ranked, lines = ranked_jobs(sweep)
    assert [job.number for job in ranked] == ["1", "0", "2"]
    assert lines == ["job 3 failed: out of memory (loss.gamma=3)"]
    for number in "012":
        record = RunRecord.read(sweep / number)
        dataclasses.replace(record, monitor_mode="min").write(sweep / number)
    assert [job.number for job in ranked_jobs(sweep)[0]] == ["0", "1", "2"]
    for number in "012":  # of an earlier version
        record = RunRecord.read(sweep / number)
        config = record.config | {"monitor_mode": "min"}
        dataclasses.replace(record, monitor_mode=None, config=config).write(sweep / number)
    assert [job.number for job in ranked_jobs(sweep)[0]] == ["0", "1", "2"]


def test_table_names_what_differs_and_fits(sweep: Path, tmp_path: Path) -> None:
    table = end_of_sweep(sweep, tmp_path, 100)
    assert table is not None
    lines = table.splitlines()
    assert lines[1].split() == ["job", "val/object_f1", "test/object_f1", "trivial", "verdict", "seconds"]
    assert [line.split()[0] for line in lines[2:5]] == ["1", "0", "2"]
    assert lines[2].endswith("loss.gamma=1")  # not what all have in common
    assert " 0.5000 " in lines[2]
    assert " — " in lines[4]
    assert "0.0000" in lines[2]  # the trivial predictor
    assert max(map(len, lines[1:5])) <= 100
    assert lines[5].startswith("job 3 failed")
    assert lines[6:] == [f"{tmp_path / 'latest'} is the best of them, {sweep / '1'}"]
    assert all(len(line) <= 60 for line in end_of_sweep(sweep, tmp_path, 60).splitlines()[1:5])  # type: ignore[union-attr]


@pytest.mark.parametrize("entry", [None, 7, "torn", [], {}, {"state": 3, "folder": [], "overrides": 7, "error": {}}])
def test_entry_that_is_damaged_costs_neither_the_table_nor_the_link(sweep: Path, entry: object) -> None:
    jobs = json.loads((sweep / FILE).read_text())
    write_json(sweep / FILE, {**jobs, "4": entry, "note": {"folder": "1"}})
    ranked, lines = ranked_jobs(sweep)
    assert [job.number for job in ranked] == ["1", "0", "2"]
    assert len(lines) == (2 if isinstance(entry, dict) else 1)
    assert end_of_sweep(sweep, sweep.parent, 100) is not None
    write_json(sweep / FILE, list(jobs))
    assert ranked_jobs(sweep) == ([], [])


def test_table_waits_for_no_pipe(sweep: Path) -> None:
    (sweep / FILE).unlink()
    os.mkfifo(sweep / FILE)
    assert end_of_sweep(sweep, sweep.parent, 100) is None


def test_latest_is_the_best_run_and_is_said_to_be_only_if_it_is(sweep: Path, tmp_path: Path) -> None:
    output_dir = sweep.parent.parent
    assert end_of_sweep(sweep / "none", output_dir, 100) is None
    assert not (output_dir / "latest").exists()
    assert end_of_sweep(sweep, output_dir, 100) is not None
    assert (output_dir / "latest").resolve() == (sweep / "1").resolve()
    (tmp_path / "file").touch()  # below which no link can be made
    said = end_of_sweep(sweep, tmp_path / "file", 100)
    assert said is not None
    assert said.splitlines()[-1] == f"The best of them is {sweep / '1'}"


@pytest.mark.slow
def test_a_sweep_ends_with_its_table(train: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train("-m", *FAST, "trainer.max_epochs=1", "loss.gamma=0,2") == 0
    shown = capsys.readouterr().out
    table = shown[shown.index("best first") :]
    assert all(f"loss.gamma={gamma}" in table for gamma in (0, 2))
    (folder,) = (tmp_path / "outputs" / "sweeps").iterdir()
    best = ranked_jobs(folder)[0][0].folder
    assert (tmp_path / "outputs" / "latest").resolve() == best.resolve()
