"""The state of the jobs of a sweep on disk."""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from arcvae.app.command import run_command
from arcvae.app.sweep import FILE, held_sweep, settled_sweep
from arcvae.errors import BusyError, DataError

Job = Callable[[dict[str, Any]], None]


@pytest.fixture
def sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    def run(job: Job, check: Job = lambda _: None) -> int:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr("sys.argv", ["arcvae.evaluate", "-m", "seed=1,2,3,4", "hydra.sweep.dir=all"])
        return run_command("evaluate", lambda config, *_: job(config), check)

    return run


def states(folder: Path) -> dict[str, tuple[str, str, list[str], str | None]]:
    found = json.loads((folder / "all" / FILE).read_text())
    return {number: (job["state"], job["folder"], job["overrides"], job["error"]) for number, job in found.items()}


@pytest.mark.slow
def test_each_job_has_its_state_and_a_file_that_one_lacks_stops_no_other(
    sweep: Callable[..., int], tmp_path: Path
) -> None:
    def check(config: dict[str, Any]) -> None:
        if config["seed"] == 2:
            raise DataError("no corpus")

    def job(config: dict[str, Any]) -> None:
        assert states(tmp_path)[str(config["seed"] - 1)][0] == "running"
        if config["seed"] == 3:
            raise DataError("bad\n corpus")

    assert sweep(job, check) == 1
    assert states(tmp_path) == {
        "0": ("finished", "0", ["seed=1"], None),
        "1": ("failed", "1", ["seed=2"], "no corpus"),
        "2": ("failed", "2", ["seed=3"], "bad corpus"),
        "3": ("finished", "3", ["seed=4"], None),
    }
    assert sweep(lambda _: None) == 0
    assert {state for state, *_ in states(tmp_path).values()} == {"finished"}


@pytest.mark.slow
def test_job_whose_folder_cannot_be_made_stops_no_other(
    sweep: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "all").mkdir()
    (tmp_path / "all" / "1").touch()  # where Hydra would make a folder
    assert sweep(lambda _: None) == 1
    said = f"File exists: {tmp_path}/all/1; give another path"
    assert capsys.readouterr().err == f"arcvae: error[E_FILES]: {said}\n"
    found = states(tmp_path)
    assert [found[number][0] for number in ("0", "1", "2")] == ["finished", "failed", "finished"]
    assert found["1"][3] == said
    (tmp_path / "all" / "1").unlink()
    assert sweep(lambda _: None) == 0
    assert {state for state, *_ in states(tmp_path).values()} == {"finished"}


def test_file_that_all_jobs_lack_stops_the_sweep(sweep: Callable[..., int], tmp_path: Path) -> None:
    def check(_: dict[str, Any]) -> None:
        raise DataError("no corpus")

    assert sweep(lambda _: None, check) == 3
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_job_that_is_interrupted_is_marked_and_those_after_it_were_not_begun(
    sweep: Callable[..., int], tmp_path: Path
) -> None:
    assert sweep(lambda config: os.kill(os.getpid(), signal.SIGTERM) if config["seed"] == 2 else None) == 143
    assert {number: state for number, (state, *_) in states(tmp_path).items()} == {"0": "finished", "1": "interrupted"}


def test_job_that_was_running_when_its_process_was_killed_is_an_interrupted_one(tmp_path: Path) -> None:
    def entry(state: str) -> dict[str, Any]:
        return {"state": state, "folder": "2", "overrides": ["seed=3"], "error": None}

    (tmp_path / "all").mkdir()
    (tmp_path / "all" / FILE).write_text(json.dumps({"0": entry("finished"), "2": entry("running")}))
    with held_sweep(tmp_path / "all"):
        found = states(tmp_path)
        assert found["0"][0] == "finished"
        assert found["2"] == ("interrupted", "2", ["seed=3"], "the process ended without a word")


@pytest.mark.slow
def test_second_sweep_in_a_folder_is_refused_before_it_writes_anything(
    sweep: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with held_sweep(tmp_path / "all"):
        before = [(path, path.read_bytes()) for path in (tmp_path / "all").iterdir()]
        assert sweep(lambda _: None) == 7
        assert "another sweep is going on in" in capsys.readouterr().err
        assert [(path, path.read_bytes()) for path in (tmp_path / "all").iterdir()] == before
    assert sweep(lambda _: None) == 0


@pytest.mark.slow
def test_folder_that_hydra_would_make_up_is_settled_once_and_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["arcvae.evaluate", "seed=1,2", "-m", "output_dir='o u'"])
    folders: list[Path] = []

    def job(_: dict[str, Any], __: dict[str, Any], folder: Path, command: list[str]) -> None:
        with pytest.raises(BusyError, match="another sweep is going on"), held_sweep(folder.parent):
            pass
        assert command == ["python", "-m", "arcvae.evaluate", "seed=1,2", "-m", "output_dir='o u'"]
        folders.append(folder)

    assert run_command("evaluate", job, lambda _: None) == 0
    (made,) = (tmp_path / "o u" / "sweeps").iterdir()
    assert folders == [made / "0", made / "1"]
    monkeypatch.setattr("sys.argv", words := ["arcvae.evaluate", "-m", "seed=1,2", "--cfg", "job"])
    with settled_sweep("evaluate"):
        assert sys.argv == words


@pytest.mark.slow
def test_sweep_without_run_folders_leaves_nothing_and_two_do_not_meet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place := tmp_path / "work").mkdir()
    (temporary := tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    monkeypatch.chdir(place)
    folders: list[Path] = []

    def job(config: dict[str, Any], _: dict[str, Any], folder: Path, __: list[str]) -> None:
        folders.append(folder)
        if config["limit"] == 1:  # beside the one that is going on
            sys.argv = ["arcvae.runs", "-m", "limit=3,4"]
            with settled_sweep("runs"):
                folders.append(Path(sys.argv[-1].partition("=")[2].strip("'")))
                assert folders[-1].is_dir()

    monkeypatch.setattr("sys.argv", ["arcvae.runs", "-m", "limit=1,2"])
    assert run_command("runs", job, lambda _: None) == 0
    first, other, second = folders
    assert first == second != other
    assert not [*place.iterdir(), *temporary.iterdir()]
    monkeypatch.setattr("sys.argv", ["arcvae.runs", "-m", "limit=2,3", "hydra.sweep.dir=mine"])
    assert run_command("runs", job, lambda _: None) == 0
    assert [path.name for path in place.rglob("*")] == ["mine", "multirun.yaml"]  # where Hydra is told to leave it


@pytest.mark.slow
def test_states_that_cannot_be_read_cost_no_job(sweep: Callable[..., int], tmp_path: Path) -> None:
    # To open a named pipe would wait for a writer for ever.
    (tmp_path / "all").mkdir()
    os.mkfifo(tmp_path / "all" / FILE)
    assert sweep(lambda _: None) == 0
    assert {state for state, *_ in states(tmp_path).values()} == {"finished"}
