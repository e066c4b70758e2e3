"""Same or refused: an .npz is read as exactly what was written, or not at all."""

from __future__ import annotations

import io
import os
import random
import socket
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from arcvae.errors import ArcvaeError, DataError, FileSystemError
from arcvae.grid.corpus.files import read_corpus
from arcvae.io.npz import read_npz, write_npz
from tests.conftest import save_arrays

ARRAYS = {name: np.arange(24, dtype=np.uint8).reshape(2, 3, 4) + i for i, name in enumerate(("train", "val", "test"))}


def packed(compressed: bool) -> bytes:
    buffer = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(buffer, **ARRAYS)  # type: ignore[arg-type]
    return buffer.getvalue()


def same_or_refused(path: Path, content: bytes) -> bool:
    """Read a mutant; True if it was read as the original, False if refused, AssertionError otherwise."""
    path.write_bytes(content)
    try:
        arrays = read_npz(path, list(ARRAYS))
    except ArcvaeError:
        return False
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype
        assert np.array_equal(arrays[name], array)
    return True


@pytest.mark.parametrize("compressed", [True, False])
def test_every_truncation_is_refused(tmp_path: Path, compressed: bool) -> None:
    whole = packed(compressed)
    assert same_or_refused(tmp_path / "f.npz", whole)
    for end in range(len(whole)):
        assert not same_or_refused(tmp_path / "f.npz", whole[:end])


@pytest.mark.slow
@pytest.mark.parametrize("compressed", [True, False])
def test_flipped_and_spliced_bytes_never_change_what_is_read(tmp_path: Path, compressed: bool) -> None:
    whole, draw = packed(compressed), random.Random(0)
    refused = 0
    for _ in range(2000):
        mutant = bytearray(whole)
        for _ in range(draw.randint(1, 4)):
            mutant[draw.randrange(len(mutant))] ^= 1 << draw.randrange(8)
        if draw.random() < 0.2:
            start = draw.randrange(len(mutant))
            del mutant[start : start + draw.randint(1, 30)]
        refused += not same_or_refused(tmp_path / "f.npz", bytes(mutant))
    assert refused > 1000


def test_shrunken_header_of_a_stored_member_is_refused(tmp_path: Path) -> None:
    # numpy.load gives (1, 3, 4) here without a word: the checksum is looked at only at the end of the member.
    np.savez(tmp_path / "f.npz", train=np.zeros((3000, 16, 16), np.uint8))
    content = (tmp_path / "f.npz").read_bytes().replace(b"(3000,", b"(1000,")
    (tmp_path / "f.npz").write_bytes(content)
    with pytest.raises(DataError, match=r"declares shape \(1000, 16, 16\)"):
        read_npz(tmp_path / "f.npz", ["train"])


@pytest.mark.parametrize("content", [b"", b"text\n", b"\x89PNG\r\n\x1a\n" + b"\0" * 100, b"PK\x03\x04", b"\x93NUMPY"])
def test_foreign_file_is_refused_without_talk_of_pickles(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "f.npz").write_bytes(content)
    with pytest.raises(DataError, match=r"f\.npz is not an intact \.npz file") as caught:
        read_npz(tmp_path / "f.npz", ["train"])
    assert "pickle" not in str(caught.value)


def test_npy_called_npz_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "f.npz").open("wb") as file:
        np.save(file, ARRAYS["train"])
    with pytest.raises(DataError, match="not an intact"):
        read_npz(tmp_path / "f.npz", ["train"])


class Bomb:
    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.canary}",)


def test_objects_are_refused_and_never_unpickled(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    for number, array in enumerate(
        [np.array([Bomb(canary)], dtype=object), np.array([(1, Bomb(canary))], dtype=[("a", int), ("b", object)])]
    ):
        path = save_arrays(tmp_path / f"{number}.npz", train=array)
        with pytest.raises(DataError, match="Python objects, which are never loaded"):
            read_npz(path, ["train"])
    assert not canary.exists()


def test_folder_fifo_and_socket_are_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "s"))
    for path in (tmp_path, tmp_path / "fifo", tmp_path / "s", Path("/dev/zero")):
        with pytest.raises(DataError, match="is not a regular file"):
            read_npz(path, ["train"])
    listener.close()


def test_missing_file_and_broken_links_name_the_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dangling.npz").symlink_to("nowhere")
    (tmp_path / "loop.npz").symlink_to("loop.npz")
    for name in ("missing.npz", "dangling.npz"):
        with pytest.raises(DataError, match=rf"there is no file {tmp_path}/{name}; .*data\.path"):
            read_npz(name, ["train"])
    with pytest.raises(DataError, match="cannot read"):
        read_npz("loop.npz", ["train"])
    save_arrays(tmp_path / "good.npz")
    (tmp_path / "link.npz").symlink_to("good.npz")
    assert len(read_npz("link.npz", ["train"])["train"]) == 8


def test_unreadable_file_is_a_fault_of_the_file_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save_arrays(tmp_path / "f.npz")

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("os.open", refuse)  # root may read anything, so chmod would prove nothing
    with pytest.raises(FileSystemError, match=r"permission denied: cannot read .*f\.npz"):
        read_npz(path, ["train"])


def test_member_names_are_matched_exactly_and_hints_are_at_what_is_read(tmp_path: Path) -> None:
    path = save_arrays(tmp_path / "f.npz", train=None, Train=ARRAYS["train"])
    with pytest.raises(
        DataError, match="no array 'train'; it holds val, test, Train, needs train; rename Train to train"
    ):
        read_npz(path, ["train"], advice="not this")
    # Nothing reads x_train: "did you mean x_train?" led nowhere.
    path = save_arrays(tmp_path / "g.npz", train=None, x_train=ARRAYS["train"])
    with pytest.raises(DataError, match=r"no array 'train'; it holds val, test, x_train, needs train, val; do this$"):
        read_npz(path, ["train", "val"], advice="do this")
    with pytest.raises(DataError, match=r"needs train, val$"):
        read_npz(path, ["train", "val"])


def _rezip(path: Path, method: int, duplicate: bool = False) -> Path:
    buffer = io.BytesIO()
    np.save(buffer, ARRAYS["train"])
    with zipfile.ZipFile(path, "w", method) as archive:
        for _ in range(1 + duplicate):
            archive.writestr("train.npy", buffer.getvalue())
    return path


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_duplicates_and_other_compressions_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds 'train\.npy' twice"):
        read_npz(_rezip(tmp_path / "a.npz", zipfile.ZIP_STORED, duplicate=True), ["train"])
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        with pytest.raises(DataError, match="a compression that NumPy does not"):
            read_npz(_rezip(tmp_path / "b.npz", method), ["train"])


def test_encrypted_member_is_refused(tmp_path: Path) -> None:
    path = _rezip(tmp_path / "f.npz", zipfile.ZIP_STORED)
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="is encrypted"):
        read_npz(path, ["train"])


@pytest.mark.parametrize("shape", ["(1000000000000, 16, 16)", "(10000000, 16, 16)"])
def test_declared_size_without_data_is_refused_before_memory_is_taken(tmp_path: Path, shape: str) -> None:
    head = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    member = b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head.encode()
    with zipfile.ZipFile(tmp_path / "f.npz", "w") as archive:
        archive.writestr("train.npy", member)
    tracemalloc.start()
    with pytest.raises(DataError, match="declares shape"):
        read_npz(tmp_path / "f.npz", ["train"])
    assert tracemalloc.get_traced_memory()[1] < 5e6
    tracemalloc.stop()


def test_deflate_bomb_is_refused_by_its_declared_size(tmp_path: Path) -> None:
    path = save_arrays(tmp_path / "f.npz", train=np.zeros((100_000, 16, 16), np.uint8))
    tracemalloc.start()
    with pytest.raises(DataError, match=r"declares 25,\d+,\d+ bytes, more than data\.max_bytes=1,000,000"):
        read_corpus(path, max_bytes=1e6)
    assert tracemalloc.get_traced_memory()[1] < 5e6
    tracemalloc.stop()


def test_fortran_order_and_strides_are_read_as_what_they_mean(tmp_path: Path) -> None:
    grids = np.random.default_rng(0).integers(0, 10, (8, 16, 16)).astype(np.uint8)
    for changed in (np.asfortranarray(grids), grids[::-1, ::-1]):
        loaded = read_npz(save_arrays(tmp_path / "f.npz", train=changed), ["train"])["train"]
        assert np.array_equal(loaded, changed)
        assert loaded.flags.c_contiguous


def test_other_members_are_never_extracted(tmp_path: Path) -> None:
    path = save_arrays(tmp_path / "f.npz")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("../../evil.npy", b"not an array")
    before = sorted(tmp_path.rglob("*"))
    assert len(read_npz(path, ["train"])) == 1
    assert sorted(tmp_path.rglob("*")) == before


def swapped(source: Path, target: Path, one: str, two: str) -> Path:
    """A copy of a zip file with two members exchanged, every checksum right."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for info in old.infolist():
            name = {one: two, two: one}.get(info.filename, info.filename)
            new.writestr(zipfile.ZipInfo(name), old.read(info))
    return target


@pytest.mark.parametrize("compressed", [True, False])
def test_written_arrays_are_read_and_exchanged_ones_refused(tmp_path: Path, compressed: bool) -> None:
    arrays = {"val": np.arange(6).reshape(2, 3), "test": np.arange(6)[::-1].reshape(2, 3), "n": np.array(7, np.uint8)}
    arrays["turned"] = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    path = tmp_path / "f.npz"
    write_npz(path, arrays, compressed=compressed)
    found = read_npz(path, list(arrays))
    assert found.keys() == arrays.keys()
    assert all((found[name] == array).all() and found[name].shape == array.shape for name, array in arrays.items())
    with np.load(path, allow_pickle=False) as loaded:  # as anybody else would
        assert (loaded["val"] == arrays["val"]).all()
    other = swapped(path, tmp_path / "g.npz", "val.npy", "test.npy")
    with pytest.raises(DataError, match=r"g\.npz: val is not the array that was written under this name"):
        read_npz(other, ["val", "test"])
    assert (read_npz(other, ["n"])["n"] == 7).all()


def test_digests_that_are_none_are_refused(tmp_path: Path) -> None:
    for number, junk in enumerate((b"", b"[]", b"{}", b"7", b"\xff", b'{"train": 1}')):
        path = tmp_path / f"{number}.npz"
        np.savez(path, train=ARRAYS["train"], arcvae_sha256=np.frombuffer(junk, np.uint8))
        with pytest.raises(DataError):
            read_npz(path, ["train"])


def patched(content: bytes, field: int, value: bytes) -> bytes:
    """A zip file with one member, with bytes in its entry of the directory and, where they stand, in its own header."""
    mutant = bytearray(content)
    directory = mutant.index(b"PK\x01\x02")
    mutant[directory + field : directory + field + len(value)] = value
    mutant[field - 2 : field - 2 + len(value)] = value
    return bytes(mutant)


def test_member_that_numpy_would_not_refuse_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "f.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("train.npy", b"no array at all, which numpy.load gives as bytes")
    with pytest.raises(DataError, match=r"f\.npz is not an intact \.npz file"):
        read_npz(path, ["train"])
    whole = _rezip(path, zipfile.ZIP_STORED).read_bytes()
    size = len(ARRAYS["train"].tobytes()) + 128
    for field, value in (
        (10, (99).to_bytes(2, "little")),  # a method that nobody has
        (24, (size + 1).to_bytes(4, "little")),  # more, or less, than there is
        (24, (size - 1).to_bytes(4, "little")),
        (24, b"\xff\xff\xff\xff"),  # says that zip64 has it, and there is none
    ):
        path.write_bytes(patched(whole, field, value))
        tracemalloc.start()
        with pytest.raises(DataError):
            read_npz(path, ["train"])
        assert tracemalloc.get_traced_memory()[1] < 5e6
        tracemalloc.stop()
