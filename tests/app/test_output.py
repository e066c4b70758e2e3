"""A file of the user is replaced only on request."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from arcvae.app.output import require_new_file, require_new_folder
from arcvae.errors import BusyError, ConfigError, FileSystemError


def test_existing_file_is_refused_unless_it_may_be_replaced(tmp_path: Path) -> None:
    there, absent = str(tmp_path / "there.npz"), str(tmp_path / "absent.npz")
    Path(there).touch()
    for out, overwrite in ((None, False), (absent, False), (absent, True), (there, True)):
        require_new_file(out, overwrite=overwrite)
    with pytest.raises(ConfigError, match=r"out=.*there\.npz exists; choose another name or set overwrite=true"):
        require_new_file(there, overwrite=False)


def test_folder_that_holds_something_is_refused(tmp_path: Path) -> None:
    for name in ("absent", "empty", "locked"):
        if name != "absent":
            (tmp_path / name).mkdir()
        if name == "locked":
            (tmp_path / name / "run.lock").touch()
        require_new_folder(str(tmp_path / name))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "tasks.jsonl").touch()
    with pytest.raises(BusyError, match=r"out=.*full holds files already; choose another name"):
        require_new_folder(str(tmp_path / "full"))
    with pytest.raises(ConfigError, match=r"out=.*tasks\.jsonl is a file; choose the name of a folder"):
        require_new_folder(str(tmp_path / "full" / "tasks.jsonl"))


@pytest.mark.parametrize(
    ("out", "reason"),
    [
        ("folder", "it is a folder"),
        ("pipe", "it is a pipe or a device"),
        ("link to a pipe", "it is a pipe or a device"),
        ("/dev/null", "it is a pipe or a device"),
        ("file/x.npz", "Not a directory"),
        ("link into a file", "Not a directory"),
        ("x" * 250, "File name too long"),  # with the rest of the name that it has while it is written
    ],
)
@pytest.mark.parametrize("overwrite", [False, True])
def test_place_that_cannot_be_written_is_refused_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: str, reason: str, overwrite: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    Path("file").touch()
    os.mkfifo("pipe")
    Path("link to a pipe").symlink_to("pipe")
    Path("link into a file").symlink_to("file/x")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(FileSystemError, match=rf"^cannot write out={out}: {reason}; choose another name$"):
        require_new_file(out, overwrite=overwrite)
    if out == "file/x.npz":
        with pytest.raises(FileSystemError, match=rf"^cannot write out={out}: {reason}; choose another name$"):
            require_new_folder(out)
    assert sorted(tmp_path.rglob("*")) == before


def test_place_that_can_be_written_is_left_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("link").symlink_to("new/file")
    for out in ("a/b/c.npz", "c.npz", "link"):
        require_new_file(out, overwrite=False)
        require_new_folder(f"tasks/{out}")
    assert [path.name for path in tmp_path.rglob("*")] == ["link"]


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a file system in which nobody makes files")
def test_file_system_in_which_not_even_root_makes_files(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/proc/nowhere/x.npz")
    for out in ("/proc/nowhere/x.npz", str(tmp_path / "link")):
        with pytest.raises(FileSystemError, match=rf"^cannot write out={out}: .*; choose another name$"):
            require_new_file(out, overwrite=True)
    with pytest.raises(FileSystemError, match=r"^cannot write out=/proc/nowhere: .*; choose another name$"):
        require_new_folder("/proc/nowhere")
