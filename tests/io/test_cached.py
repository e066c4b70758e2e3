"""A file is read once, and again as soon as it has changed."""

from __future__ import annotations

import inspect
import os
from pathlib import Path

import pytest

from arcvae.io.cached import cached_by_file, make_once


class Counted:
    """A reader that counts its calls."""

    def __init__(self) -> None:
        self.calls = 0
        self.read = cached_by_file(self._read)

    def _read(self, path: str | os.PathLike[str], *, upper: bool = False) -> list[str]:
        """Read."""
        self.calls += 1
        text = Path(path).read_text()
        return [text.upper() if upper else text]


def test_unchanged_file_is_read_once_whatever_type_its_path_has(tmp_path: Path) -> None:
    counted, path = Counted(), tmp_path / "f"
    path.write_text("a")
    first = counted.read(path)
    assert first == ["a"]
    assert counted.read(str(path)) is first
    assert counted.read(path, upper=False) is first
    assert counted.calls == 1


def test_changed_file_of_the_same_size_and_time_is_read_again(tmp_path: Path) -> None:
    counted, path = Counted(), tmp_path / "f"
    path.write_text("a")
    before = path.stat()
    counted.read(path)
    path.write_text("b")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # what a copy that keeps times leaves behind
    assert counted.read(path) == ["b"]
    (tmp_path / "new").write_text("c")
    os.utime(tmp_path / "new", ns=(before.st_atime_ns, before.st_mtime_ns))
    (tmp_path / "new").replace(path)
    assert counted.read(path) == ["c"]


def test_other_settings_and_other_files_are_other_results(tmp_path: Path) -> None:
    counted = Counted()
    for name in ("f", "g"):
        (tmp_path / name).write_text(name)
        os.link(tmp_path / name, tmp_path / f"{name}2")
    assert [counted.read(tmp_path / "f"), counted.read(tmp_path / "f", upper=True)] == [["f"], ["F"]]
    assert counted.read(tmp_path / "g") == ["g"]
    assert counted.read(tmp_path / "g2") == ["g"]
    assert counted.calls == 4  # a result may hold its path, so a link to the same file is read anew


def test_only_the_last_result_is_kept(tmp_path: Path) -> None:
    counted = Counted()
    for name in ("f", "g", "f"):
        (tmp_path / name).touch()
        counted.read(tmp_path / name)
    assert counted.calls == 3


def test_fault_is_not_remembered_and_comes_from_the_reader(tmp_path: Path) -> None:
    counted, path = Counted(), tmp_path / "f"
    for _ in range(2):
        with pytest.raises(FileNotFoundError):
            counted.read(path)
    path.write_text("a")
    assert counted.read(path) == ["a"]
    with pytest.raises(ValueError, match="null"):
        counted.read("a\0b")


def test_reader_keeps_its_name_signature_and_text() -> None:
    read = Counted().read
    assert (read.__name__, read.__doc__) == ("_read", "Read.")
    assert list(inspect.signature(read).parameters) == ["path", "upper"]


def test_file_is_made_once_and_what_a_killed_maker_left_is_swept(tmp_path: Path) -> None:
    path, made = tmp_path / "corpus.npz", []
    (tmp_path / ".corpus.npz.123-00c0ffee.part").touch()
    (tmp_path / ".other.npz.123-00c0ffee.part").touch()

    def make() -> None:
        made.append(path)
        path.touch()

    for _ in range(2):
        make_once(path, make)
    assert made == [path]
    assert {file.name for file in tmp_path.glob(".*")} == {".other.npz.123-00c0ffee.part"}
