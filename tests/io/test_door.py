"""Only regular files are read, at once, and no more of them than expected."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from arcvae.errors import ArcvaeError, CheckpointError, DataError, FileSystemError
from arcvae.io.door import opened, read_json, read_whole, read_yaml_list, require_bounded_yaml
from arcvae.io.exports import check_digest, main_export, read_checkpoint, read_export
from arcvae.io.npz import read_npz
from arcvae.io.tensors import load_safetensors, load_torch
from arcvae.training.record import RunRecord

READERS: dict[str, Callable[[Path], object]] = {
    "f.npz": lambda path: read_npz(path, ["train"]),
    "f.ckpt": read_checkpoint,
    "f.pth": load_torch,
    "f.safetensors": load_safetensors,
    "export.safetensors": read_export,
    "metrics.json": lambda path: RunRecord.read(path.parent),
    "exports.json": lambda path: main_export(path.parent),
    "overrides.yaml": lambda path: read_yaml_list(path, DataError, "another"),
    "any.json": lambda path: read_json(path, DataError, "another"),
}


@pytest.mark.timeout(20)
@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("kind", ["pipe", "folder", "socket", "device", "missing", "loop"])
def test_what_is_no_regular_file_is_refused_by_every_reader_at_once(tmp_path: Path, name: str, kind: str) -> None:
    path = tmp_path / name
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "loop":
        path.symlink_to(path.name)
    started = time.perf_counter()
    with pytest.raises(ArcvaeError) as caught:
        READERS[name](path)
    assert time.perf_counter() - started < 2
    assert "\n" not in str(caught.value)
    if name != "exports.json":
        wanted = {"missing": "there is no file", "loop": "cannot read"}.get(kind, "is not a regular file")
        assert wanted in str(caught.value)


def test_manifest_that_is_a_pipe_does_not_hold_up_an_export(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "exports.json")
    (tmp_path / "f.pth").touch()
    check_digest(tmp_path / "f.pth")


def test_file_that_a_link_leads_to_is_read(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"content")
    (tmp_path / "link").symlink_to("f")
    with opened(tmp_path / "link", DataError, "another") as file:
        assert file.read() == b"content"


def test_name_that_no_file_can_have_is_refused(tmp_path: Path) -> None:
    for name in ("a\0b", "a" * 300):
        with pytest.raises(DataError, match="cannot read"):
            read_whole(tmp_path / name, DataError, "another", 10)


def test_file_that_may_not_be_read_is_a_fault_of_the_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)  # root may read anything, so chmod would prove nothing
    with pytest.raises(FileSystemError, match="permission denied: cannot read"):
        read_whole(tmp_path / "f", DataError, "another", 10)


def test_error_while_reading_is_told_as_one_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"content")
    with (
        pytest.raises(CheckpointError, match=r"cannot read .*f: Input/output error"),
        opened(tmp_path / "f", CheckpointError, "another"),
    ):
        raise OSError(5, "Input/output error")


def test_no_more_than_the_limit_is_read(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"x" * 10)
    assert read_whole(path, DataError, "another", 10) == b"x" * 10
    with pytest.raises(DataError, match=r"has 10 bytes, more than 9; give another"):
        read_whole(path, DataError, "another", 9)
    os.truncate(path, 1 << 40)  # a file with a hole takes no room, and its content would take a terabyte
    with pytest.raises(DataError, match=r"more than 65,536"):
        read_yaml_list(path, DataError, "another")


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"a": 1} x'])
def test_what_is_not_json_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "f").write_bytes(content)
    with pytest.raises(DataError, match=r"is not JSON .*; give another"):
        read_json(tmp_path / "f", DataError, "another")


def test_list_of_text_is_read_as_yaml_writes_it(tmp_path: Path) -> None:
    (tmp_path / "f").write_text('- data.path=c.npz\n- \'tags=[a, "b"]\'\n- "x\\ty"\n')
    assert read_yaml_list(tmp_path / "f", DataError, "another") == ["data.path=c.npz", 'tags=[a, "b"]', "x\ty"]
    (tmp_path / "f").write_text("[]\n")
    assert read_yaml_list(tmp_path / "f", DataError, "another") == []
    (tmp_path / "f").write_text("")
    assert read_yaml_list(tmp_path / "f", DataError, "another") == []


BOMB = "\n".join(
    ["- &a0 [x,x,x,x,x,x,x,x,x]", *(f"- &a{n} [{','.join(f'*a{n - 1}' for _ in range(9))}]" for n in range(1, 9))]
)


@pytest.mark.parametrize(
    "text",
    [
        BOMB,
        "- &a text\n- *a",
        "- a: b",
        "- [a]",
        "- 1",
        "text",
        "- !!python/object/apply:os.system [touch canary]",
        "a: [",
        "[" * 20_000,
        "- 2024-13-45",
        "- \x00",
    ],
)
def test_any_other_yaml_is_refused_at_once(tmp_path: Path, text: str) -> None:
    (tmp_path / "f").write_text(text)
    started = time.process_time()
    with pytest.raises(DataError, match=r"is not a list of text.*; give another"):
        read_yaml_list(tmp_path / "f", DataError, "another")
    assert time.process_time() - started < 0.5
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize(
    "text",
    [
        BOMB,
        "a: &a [*a]",
        "a: &a {b: {c: *a}}",
        "a: " + "[" * 30_000,
        "a: [" + "x, " * 20_000 + "]",
        "a: &a " + "x" * 60_000 + "\nb: [" + "*a, " * 500 + "]",
        "# " + "x" * 70_000,
    ],
)
def test_yaml_is_bounded_by_what_it_stands_for(text: str) -> None:
    started = time.process_time()
    with pytest.raises(ValueError, match=r"stands for more than 2,000 values|has more than 65,536 bytes"):
        require_bounded_yaml(text.encode())
    assert time.process_time() - started < 0.5


@pytest.mark.parametrize(
    "text", ["", "a: 1", "base: &b {gamma: 1}\n<<: *b\n", "a: &a [1, 2]\nb: [*a, *a]", "[" * 60 + "]" * 60]
)
def test_ordinary_yaml_is_let_through(text: str) -> None:
    require_bounded_yaml(text.encode())


def test_file_of_somebody_else_is_a_fault_of_the_system(tmp_path: Path) -> None:
    path = tmp_path / "f.npz"
    path.write_bytes(b"x")
    path.chmod(0)
    child = os.fork()
    if child == 0:  # as root anything may be read
        code = 1
        try:
            if os.geteuid() == 0:
                for folder in (tmp_path, *tmp_path.parents[:-1]):
                    folder.chmod(0o755)
                os.setuid(65534)
            read_whole(path, DataError, "another", 10)
        except FileSystemError as error:
            code = 5 if f"permission denied: cannot read {path}" in str(error) else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == FileSystemError.exit_code
