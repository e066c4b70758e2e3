"""Files that a crash cannot tear."""

from __future__ import annotations

import errno
import itertools
import os
import resource
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from arcvae.errors import FileSystemError
from arcvae.io.files import sweep_parts, to_json, unwritable, write_atomic, write_json
from arcvae.io.npz import write_npz
from arcvae.io.tensors import save_safetensors, save_torch
from tests.io.crashes import interrupted, naive


@pytest.mark.parametrize("mode", ["kill", "full disk"])
def test_old_or_new_file_survives_an_interruption_at_every_operation(tmp_path: Path, mode: str) -> None:
    path, old, new = tmp_path / "f", b"old" * 100, b"new!" * 100
    for at in itertools.count(1):
        path.write_bytes(old)
        code = interrupted(lambda: write_atomic(path, new), at, mode)
        assert path.read_bytes() in (old, new)
        if mode == "full disk" and code == 5:
            assert list(tmp_path.iterdir()) == [path]
        if code == 0:
            assert path.read_bytes() == new
            break
    assert at > 4


def test_the_interruptions_would_catch_a_writer_that_tears(tmp_path: Path) -> None:
    path, old, new = tmp_path / "f", b"old" * 100, b"new!" * 100
    torn = False
    for at in range(1, 4):
        path.write_bytes(old)
        interrupted(lambda: naive(path, new), at, "kill")
        torn |= path.read_bytes() not in (old, new)
    assert torn


def test_content_is_on_disk_before_it_takes_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (order.append("fsync"), fsync(fd)))
    monkeypatch.setattr(os, "replace", lambda a, b: (order.append("replace"), replace(a, b)))
    write_atomic(tmp_path / "f", b"x")
    assert order == ["fsync", "replace", "fsync"]


def test_writing_does_not_depend_on_the_folder_for_temporary_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", "/nonexistent")
    write_atomic(tmp_path / "f", b"x")
    assert (tmp_path / "f").read_bytes() == b"x"


def test_json_is_strict(tmp_path: Path) -> None:
    write_json(
        tmp_path / "f.json", {"a": float("nan"), "b": torch.tensor([1.0, float("inf")]), "c": Path("x"), 3: (1,)}
    )
    expected = '{\n  "a": null,\n  "b": [\n    1.0,\n    null\n  ],\n  "c": "x",\n  "3": [\n    1\n  ]\n}\n'
    assert (tmp_path / "f.json").read_text() == expected
    assert to_json(True) is True


@pytest.mark.parametrize("refused", ["open", "fsync"])
def test_file_counts_as_written_where_folders_cannot_be_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: str
) -> None:
    operation = getattr(os, refused)

    def refusing(target: object, *args: object) -> object:  # as Windows refuses to open a folder
        if target == tmp_path or (isinstance(target, int) and os.fstat(target).st_mode & 0o040000):
            raise PermissionError(errno.EACCES, "Permission denied", str(target))
        return operation(target, *args)

    monkeypatch.setattr(os, refused, refusing)
    write_json(tmp_path / "f.json", {"a": 1})
    assert [path.name for path in tmp_path.iterdir()] == ["f.json"]


def flipping(times: int) -> Callable[[object, object], None]:
    """``os.replace`` of a disk that flips a bit of the file it moves, the first ``times`` times."""
    replace, left = os.replace, [times]

    def flip(source: object, target: object) -> None:
        replace(source, target)  # type: ignore[arg-type]
        if left[0]:
            left[0] -= 1
            content = bytearray(Path(str(target)).read_bytes())
            content[len(content) // 2] ^= 1
            Path(str(target)).write_bytes(content)

    return flip


def test_what_does_not_read_back_is_written_again_and_then_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "replace", flipping(1))
    write_atomic(tmp_path / "f", b"content")
    assert (tmp_path / "f").read_bytes() == b"content"
    monkeypatch.undo()
    monkeypatch.setattr(os, "replace", flipping(2))
    with pytest.raises(FileSystemError, match=r"f does not hold what was written to it; check this disk"):
        write_atomic(tmp_path / "f", b"other")


def test_old_file_stays_where_the_new_one_never_read_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_atomic(tmp_path / "f", b"old")
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, content: write(descriptor, b"?" * len(content)))
    with pytest.raises(FileSystemError, match="does not hold what was written"):
        write_atomic(tmp_path / "f", b"new")
    assert (tmp_path / "f").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_link_is_followed_on_request_and_else_replaced(tmp_path: Path) -> None:
    # In the run folder of a stranger a link may lead to any file of the user's.
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "f").write_bytes(b"old")
    for name, target in (("link", "disk/f"), ("dangling", "disk/new")):
        (tmp_path / name).symlink_to(target)
        write_atomic(tmp_path / name, b"through", follow=True)
        assert (tmp_path / name).is_symlink()
        assert (tmp_path / target).read_bytes() == b"through"
        write_atomic(tmp_path / name, b"replaced")
        assert not (tmp_path / name).is_symlink()
        assert (tmp_path / target).read_bytes() == b"through"


def test_pipe_or_folder_that_the_user_names_is_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("pipe")
    for name, what in (("pipe", "a pipe or a device"), ("folder", "a folder"), ("link", "a pipe or a device")):
        assert unwritable(tmp_path / name) == f"it is {what}"
        with pytest.raises(FileSystemError, match=rf"cannot write .*/(pipe|folder): it is {what}; choose another"):
            write_atomic(tmp_path / name, b"x", follow=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "link", "pipe"]
    assert (tmp_path / "pipe").is_fifo()


def test_what_can_be_written_is_known_before(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"old")
    assert unwritable(tmp_path / "f") is None
    assert unwritable(tmp_path / "new" / "folder" / "f") is None
    assert unwritable(tmp_path / "f" / "below" / "f") == "Not a directory"
    assert unwritable(tmp_path / ("x" * 300) / "f") == "File name too long"
    assert "null" in str(unwritable(f"{tmp_path}/\0"))
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("f", b"old")]
    child = os.fork()
    if child == 0:  # nobody but root makes files in every folder
        os.chdir(tmp_path)  # for the folders above it are root's own
        tmp_path.chmod(0o555)
        if os.getuid() == 0:
            os.setuid(65534)
        os._exit(int(unwritable("new") != "Permission denied"))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_parts_of_killed_writers_are_swept_and_nothing_else(tmp_path: Path) -> None:
    for at in (3, 4, 5):  # after the temporary file is there
        interrupted(lambda: write_atomic(tmp_path / "a.json", b"x"), at, "kill")
    interrupted(lambda: write_atomic(tmp_path / "b", b"x"), 4, "kill")
    stays = {"a.json", ".b.part", "b.1-00000000.part", ".hidden", ".c.1-xyz.part"}
    for name in stays:
        (tmp_path / name).touch()
    assert len(list(tmp_path.iterdir())) == len(stays) + 4
    sweep_parts(tmp_path, "a.json")
    assert len(list(tmp_path.iterdir())) == len(stays) + 1
    sweep_parts(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == stays
    sweep_parts(tmp_path / "none")


@pytest.mark.parametrize("name", ["f.json", "f.ckpt", "f.safetensors", "f.npz"])
def test_file_that_the_system_cuts_off_leaves_the_old_one(tmp_path: Path, name: str) -> None:
    def write(number: float) -> object:
        tensors = {"a": torch.full((1000,), number, dtype=torch.float64)}
        path = tmp_path / name
        match path.suffix:
            case ".json":
                return write_json(path, tensors)
            case ".ckpt":
                return save_torch(path, tensors)
            case ".safetensors":
                return save_safetensors(path, tensors, {})
            case _:
                return write_npz(path, {"a": tensors["a"].numpy()}, compressed=False)

    write(1.0)
    before = (tmp_path / name).read_bytes()
    assert len(before) > 5000
    child = os.fork()
    if child == 0:  # a limit of the system is as near to a full disk as a test can come
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        code = 1
        try:
            write(2.0)
        except FileSystemError as error:
            code = 5 if f"cannot write {tmp_path / name}: File too large" in str(error) else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 5
    assert (tmp_path / name).read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [name]
