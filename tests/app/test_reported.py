"""What a page can be made of, and where it may be written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from arcvae.app.reported import is_sweep, jobs_in, require_page, require_runs
from arcvae.app.sweep import FILE
from arcvae.errors import ConfigError, DataError, FileSystemError
from arcvae.training.page.parts import page
from tests.training.page.records import record


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    """A sweep of which jobs 2 and 10 are finished."""
    folder = tmp_path / "sweep"
    for job in ("2", "10"):
        (folder / job).mkdir(parents=True)
        record().write(folder / job)
    (folder / "3").mkdir()
    return folder


def test_jobs_of_a_sweep_are_told_from_a_run_and_come_by_number(sweep: Path) -> None:
    assert [job.name for job in jobs_in(sweep)] == ["2", "10"]
    assert is_sweep(sweep)
    assert not is_sweep(sweep / "2")
    assert not is_sweep(sweep / "3")
    require_runs([str(sweep), str(sweep / "2")])
    require_runs(["atomic-objects"])


def test_what_is_no_run_is_refused_in_a_line(sweep: Path, tmp_path: Path) -> None:
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun" / FILE).write_text("{}")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "metrics.json").write_text('{"scores": 1}')
    for runs, said in (
        ([], r"runs=\[\]: name a run folder"),
        (["elsewhere"], "there is no such folder"),
        ([str(sweep / "3")], "holds no metrics.json"),
        ([str(tmp_path / "begun")], "no job is finished"),
        ([str(tmp_path / "other")], "is not the record of a training run"),
        (["atomic-objects", str(sweep)], "give it alone"),
    ):
        with pytest.raises((ConfigError, DataError), match=said):
            require_runs(runs)


def test_page_goes_over_a_page_and_over_nothing_else(tmp_path: Path) -> None:
    require_page(tmp_path / "new.html")
    (tmp_path / "old.html").write_text(page("title", "", []))
    require_page(tmp_path / "old.html")
    (tmp_path / "mine.html").write_text("<html>mine</html>")
    (tmp_path / "folder.html").mkdir()
    for name, said in (
        ("mine.html", "is not a page that arcvae has written"),
        ("metrics.json", "must end in .html"),
        ("folder.html", "is a folder"),
    ):
        with pytest.raises(ConfigError, match=said):
            require_page(tmp_path / name)
    os.mkfifo(tmp_path / "pipe.html")  # to open it would wait for a writer for ever
    for name, said in (("pipe.html", "it is a pipe or a device"), ("mine.html/new.html", "Not a directory")):
        with pytest.raises(FileSystemError, match=f"^cannot write out={tmp_path}/{name}: {said}; choose another name$"):
            require_page(tmp_path / name)
