"""A run folder: held by one run at a time, never written over once it is finished, linked as the latest."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from arcvae.errors import BusyError, CheckpointError, FileSystemError
from arcvae.training.run_folder import held_run_folder, link_latest, require_free


def test_folder_is_made_and_free_again_afterwards(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "run"
    for _ in range(2):
        with held_run_folder(folder):
            assert folder.is_dir()
    with pytest.raises(ZeroDivisionError), held_run_folder(folder):
        raise ZeroDivisionError
    with held_run_folder(folder):
        pass


def test_folder_of_a_running_run_is_refused(tmp_path: Path) -> None:
    with held_run_folder(tmp_path):
        with pytest.raises(BusyError, match="another run is going on in"), held_run_folder(tmp_path):
            raise AssertionError("two runs hold one folder")
        with held_run_folder(tmp_path / "other"):  # another folder may be held beside it
            pass


def test_finished_run_is_refused_and_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text("{}")
    with (
        pytest.raises(BusyError, match=r"holds a finished run; choose another hydra\.run\.dir"),
        held_run_folder(tmp_path),
    ):
        raise AssertionError("a finished run is written over")
    assert (tmp_path / "metrics.json").read_text() == "{}"


def test_folder_that_is_taken_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    for name in ("free", "begun", "compared", "busy"):
        (tmp_path / name / "checkpoints").mkdir(parents=True)
    (tmp_path / "begun" / "checkpoints" / "last.ckpt").touch()
    (tmp_path / "compared" / "results.json").touch()
    before = sorted(tmp_path.rglob("*"))
    for trains in (False, True):
        require_free(tmp_path / "none", trains=trains)
        require_free(tmp_path / "free", trains=trains)
        with pytest.raises(BusyError, match=r"compared holds a finished run; choose another hydra\.run\.dir"):
            require_free(tmp_path / "compared", trains=trains)
    require_free(tmp_path / "begun", trains=True)
    with pytest.raises(BusyError, match=r"begun is the folder of a training run; choose another hydra\.run\.dir"):
        require_free(tmp_path / "begun", trains=False)
    assert sorted(tmp_path.rglob("*")) == before
    with held_run_folder(tmp_path / "busy"), pytest.raises(BusyError, match="another run is going on in"):
        require_free(tmp_path / "busy", trains=True)


def test_further_processes_of_a_run_leave_the_folder_to_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with held_run_folder(tmp_path):
        monkeypatch.setenv("LOCAL_RANK", "1")
        with held_run_folder(tmp_path):
            pass
        monkeypatch.setenv("LOCAL_RANK", "0")
        with pytest.raises(BusyError), held_run_folder(tmp_path):
            pass


def test_folder_that_cannot_be_made_is_an_error_of_files(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FileSystemError, match="cannot write to the run folder"), held_run_folder(tmp_path / "file"):
        pass


def test_latest_is_a_relative_link_to_the_newest_run(tmp_path: Path) -> None:
    for name in ("one", "two"):
        run = tmp_path / "outputs" / "train" / name
        run.mkdir(parents=True)
        assert link_latest(run, tmp_path / "outputs")
        assert (tmp_path / "outputs" / "latest").resolve() == run
    moved = (tmp_path / "outputs").rename(tmp_path / "elsewhere")
    assert (moved / "latest").resolve() == moved / "train" / "two"
    assert sorted(path.name for path in moved.iterdir()) == ["latest", "train"]  # nothing temporary is left


def test_latest_leads_to_the_run_also_through_links_and_into_a_folder_that_was_missing(tmp_path: Path) -> None:
    (tmp_path / "disk" / "far" / "outputs").mkdir(parents=True)
    (tmp_path / "home").mkdir()
    (outputs := tmp_path / "home" / "outputs").symlink_to(tmp_path / "disk" / "far" / "outputs")
    (run := tmp_path / "home" / "run").mkdir()  # from the folder that outputs leads to another way than from its name
    assert link_latest(run, outputs)
    assert (outputs / "latest").resolve() == run
    assert link_latest(run, tmp_path / "new" / "outputs")
    assert (tmp_path / "new" / "outputs" / "latest").resolve() == run


def test_latest_is_absolute_where_no_relative_path_leads_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> str:  # as between two drives of Windows
        raise ValueError("path is on mount 'C:', start on mount 'D:'")

    monkeypatch.setattr(os.path, "relpath", refuse)
    assert link_latest(tmp_path / "run", tmp_path)
    assert (tmp_path / "latest").readlink() == tmp_path / "run"


def test_latest_that_cannot_be_linked_costs_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "latest").mkdir()  # a folder of the user's
    (tmp_path / "latest" / "mine").write_text("")
    with caplog.at_level(logging.WARNING):
        assert not link_latest(tmp_path / "run", tmp_path)
    assert "latest does not point to this run: " in caplog.text
    assert {path.name for path in tmp_path.iterdir()} == {"latest"}
    assert (tmp_path / "latest" / "mine").is_file()


def test_parts_of_a_killed_run_are_swept_once_the_folder_is_held(tmp_path: Path) -> None:
    names = (".metrics.json", "checkpoints/.last.ckpt", ".hydra/.overrides.yaml")
    parts = [tmp_path / f"{name}.123-00c0ffee.part" for name in names]
    for part in parts:
        part.parent.mkdir(exist_ok=True)
        part.touch()
    with held_run_folder(tmp_path):
        assert not any(part.exists() for part in parts)
        parts[1].touch()  # of this run
        with pytest.raises(BusyError), held_run_folder(tmp_path):
            pass
        assert parts[1].exists()


def test_checkpoint_that_lightning_would_load_unasked_is_refused(tmp_path: Path) -> None:
    (tmp_path / "hpc_ckpt_9.ckpt").touch()
    with (
        pytest.raises(CheckpointError, match=r"hpc_ckpt_9\.ckpt would be loaded unasked under Slurm; move it out"),
        held_run_folder(tmp_path),
    ):
        pass


@pytest.mark.parametrize("name", ["train.log", "checkpoints/last.ckpt", "csv/metrics.csv"])
def test_pipe_among_what_a_run_writes_is_refused_at_once(tmp_path: Path, name: str) -> None:
    # A run that opens it to write waits for a reader for ever.
    path = tmp_path / "one" / name
    path.parent.mkdir(parents=True)
    os.mkfifo(path)
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "train.log").symlink_to(path)
    (tmp_path / "three").mkdir()
    (tmp_path / "three" / "train.log").symlink_to("nowhere")
    for folder, said in ((tmp_path / "one", path), (tmp_path / "two", tmp_path / "two" / "train.log")):
        with (
            pytest.raises(FileSystemError, match=rf"{said} is neither a file nor a folder; remove it"),
            held_run_folder(folder),
        ):
            pass
        said.unlink()
        with held_run_folder(folder):  # the remedy
            pass
        if folder.name == "one":
            os.mkfifo(path)
    with held_run_folder(tmp_path / "three"):
        pass
