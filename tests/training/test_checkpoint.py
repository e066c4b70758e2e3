"""Files that a crash cannot tear, and that cannot run code."""

from __future__ import annotations

import errno
import itertools
import os
import random
import signal
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from arcvae.errors import ArcvaeError, CheckpointError, FileSystemError
from arcvae.io.files import to_json, write_atomic, write_json
from arcvae.io.tensors import load_torch, save_torch

VALUE = {"weight": torch.arange(12.0).view(3, 4), "step": 7, "name": "x", "list": [1.5, None]}


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    save_torch(tmp_path / "f.pth", VALUE)
    loaded = load_torch(tmp_path / "f.pth")
    assert torch.equal(loaded.pop("weight"), VALUE["weight"])
    assert loaded == {name: value for name, value in VALUE.items() if name != "weight"}


def test_flipped_cut_and_spliced_files_are_never_read_as_something_else(tmp_path: Path) -> None:
    save_torch(tmp_path / "f.pth", VALUE)
    whole, draw, refused = (tmp_path / "f.pth").read_bytes(), random.Random(0), 0
    for _ in range(1000):
        mutant = bytearray(whole)
        mutant[draw.randrange(len(mutant))] ^= 1 << draw.randrange(8)
        if draw.random() < 0.3:
            del mutant[draw.randrange(len(mutant)) :]
        (tmp_path / "m.pth").write_bytes(mutant)
        try:
            loaded = load_torch(tmp_path / "m.pth")
        except ArcvaeError:
            refused += 1
            continue
        assert torch.equal(loaded.pop("weight"), VALUE["weight"])
        assert loaded == {name: value for name, value in VALUE.items() if name != "weight"}
    assert refused > 500


class Bomb:
    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.canary}",)


@pytest.mark.parametrize("forced", [True, False])
def test_pickled_code_is_refused_whatever_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forced: bool
) -> None:
    if forced:
        monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    canary = tmp_path / "canary"
    torch.save({"a": Bomb(canary)}, tmp_path / "f.pth")
    with pytest.raises(CheckpointError, match="not an intact checkpoint of plain tensors") as caught:
        load_torch(tmp_path / "f.pth")
    assert not canary.exists()
    assert "weights_only" not in str(caught.value)


def test_deflated_bomb_is_refused_before_it_inflates(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(16_000_000)}, tmp_path / "f.pth")
    with zipfile.ZipFile(tmp_path / "f.pth") as source, zipfile.ZipFile(tmp_path / "b.pth", "w", 8) as target:
        for member in source.infolist():
            target.writestr(member.filename, source.read(member))
    tracemalloc.start()
    with pytest.raises(CheckpointError, match=r"packed in a way that torch\.save does not"):
        load_torch(tmp_path / "b.pth")
    assert tracemalloc.get_traced_memory()[1] < 5e6
    tracemalloc.stop()


@pytest.mark.parametrize("content", [b"", b"text", b"\x80\x02}q\x00."])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "f.pth").write_bytes(content)
    with pytest.raises(CheckpointError, match="not an intact checkpoint"):
        load_torch(tmp_path / "f.pth")


def test_missing_file_folder_and_other_content_are_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"there is no checkpoint .*none\.ckpt"):
        load_torch(tmp_path / "none.ckpt")
    with pytest.raises(CheckpointError, match="is not a regular file"):
        load_torch(tmp_path)
    save_torch(tmp_path / "t.pth", torch.zeros(2))
    with pytest.raises(CheckpointError, match="holds a Tensor, not a checkpoint"):
        load_torch(tmp_path / "t.pth")


OPERATIONS = ("open", "write", "fsync", "replace", "unlink")


def interrupted(writer: Callable[[], None], at: int, mode: str) -> int:
    """Run ``writer`` in a child whose ``at``-th file operation kills it or fails; its wait status."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    calls = itertools.count(1)

    def faulty(operation: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object, **kwargs: object) -> object:
            if next(calls) == at:
                if mode == "kill":
                    os.kill(os.getpid(), signal.SIGKILL)
                raise OSError(errno.ENOSPC, "No space left on device")
            return operation(*args, **kwargs)

        return call

    for name in OPERATIONS:
        setattr(os, name, faulty(getattr(os, name)))
    try:
        writer()
    except FileSystemError:
        os._exit(5)
    except BaseException:
        os._exit(99)
    os._exit(0)


def naive(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.write(descriptor, content[: len(content) // 2])
    os.write(descriptor, content[len(content) // 2 :])
    os.close(descriptor)


@pytest.mark.parametrize("mode", ["kill", "full disk"])
def test_old_or_new_file_survives_an_interruption_at_every_operation(tmp_path: Path, mode: str) -> None:
    path, old, new = tmp_path / "f", b"old" * 100, b"new!" * 100
    for at in itertools.count(1):
        path.write_bytes(old)
        status = interrupted(lambda: write_atomic(path, new), at, mode)
        assert path.read_bytes() in (old, new)
        if mode == "full disk" and os.waitstatus_to_exitcode(status) == 5:
            assert list(tmp_path.iterdir()) == [path]
        if status == 0:
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
