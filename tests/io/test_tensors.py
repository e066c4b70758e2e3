"""Files of tensors: what was saved is loaded, or nothing is, and never as code."""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save as to_safetensors
from torch import nn

from arcvae.errors import ArcvaeError, CheckpointError, FileSystemError
from arcvae.io.tensors import fill, load_safetensors, load_torch, save_safetensors, save_torch
from tests.conftest import same

WEIGHTS = Path(__file__).parents[2] / "arcvae" / "weights"
VALUE = {"weight": torch.arange(12.0).view(3, 4), "step": 7, "name": "x", "list": [1.5, None]}


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    save_torch(tmp_path / "f.pth", VALUE)
    loaded = load_torch(tmp_path / "f.pth")
    assert torch.equal(loaded.pop("weight"), VALUE["weight"])
    assert loaded == {name: value for name, value in VALUE.items() if name != "weight"}


@pytest.mark.slow
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
    with pytest.raises(CheckpointError, match=r"there is no file .*none\.ckpt; give a checkpoint"):
        load_torch(tmp_path / "none.ckpt")
    with pytest.raises(CheckpointError, match="is not a regular file"):
        load_torch(tmp_path)
    save_torch(tmp_path / "t.pth", torch.zeros(2))
    with pytest.raises(CheckpointError, match="holds a Tensor, not a checkpoint"):
        load_torch(tmp_path / "t.pth")


def test_safetensors_hold_tensors_and_facts_in_strict_json(tmp_path: Path) -> None:
    tensors = {"w": torch.arange(12.0).view(3, 4).T, "half": torch.ones(3, dtype=torch.bfloat16), "n": torch.tensor(3)}
    facts = {"z": [1, None, 0.1], "a": {"b": "\u00e4"}, "flag": True}
    save_safetensors(tmp_path / "f.safetensors", tensors, facts)
    found, read = load_safetensors(tmp_path / "f.safetensors")
    assert read == facts
    assert found.keys() == tensors.keys()
    assert all(
        torch.equal(found[name], tensor) and found[name].dtype == tensor.dtype for name, tensor in tensors.items()
    )
    before = (tmp_path / "f.safetensors").read_bytes()
    with pytest.raises(ValueError, match="not JSON compliant"):
        save_safetensors(tmp_path / "f.safetensors", tensors, {"x": float("nan")})
    assert (tmp_path / "f.safetensors").read_bytes() == before


def test_safetensors_that_are_missing_damaged_or_of_others_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "f.safetensors"
    with pytest.raises(CheckpointError, match="there is no file"):
        load_safetensors(path)
    save_safetensors(path, {"w": torch.ones(4)}, {"format": 1})
    whole = path.read_bytes()
    for content in (b"", whole[:20], whole[:-1], b"\xff" * 100, whole.replace(b'"1"', b'"{"')):
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match=r"is not an intact safetensors file of arcvae|its digest differs"):
            load_safetensors(path)


def test_file_that_may_not_be_read_is_a_fault_of_the_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_torch(tmp_path / "f.pth", VALUE)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("os.open", refuse)
    with pytest.raises(FileSystemError, match=r"permission denied: cannot read .*f\.pth"):
        load_torch(tmp_path / "f.pth")


def test_weights_fill_a_module_only_if_all_of_them_fit(tmp_path: Path) -> None:
    module, other = nn.Linear(3, 2), nn.Linear(3, 2)
    good = other.state_dict()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    wrong = {
        r"bias is missing": {"weight": good["weight"]},
        r"extra is unknown": {**good, "extra": torch.ones(1)},
        r"weight has shape \(3, 2\), expected \(2, 3\)": {**good, "weight": good["weight"].T},
        r"bias is missing; bias_ is unknown": {"weight": good["weight"], "bias_": good["bias"]},
        r"not finite in bias": {**good, "bias": torch.tensor([1.0, float("nan")])},
        r"holds bias, which is not a tensor": {**good, "bias": 3},
        r"e3 is unknown and 2 more": {**good, **{f"e{i}": torch.ones(1) for i in range(-1, 6)}},
    }
    for message, state in wrong.items():
        with pytest.raises(CheckpointError, match=message):
            fill(module, state, tmp_path / "f.pth")
        assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())
    fill(module, good, tmp_path / "f.pth")
    assert all(torch.equal(tensor, good[name]) for name, tensor in module.state_dict().items())


def rezipped(source: Path, target: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """A copy of a zip file with other content, every checksum right."""
    with zipfile.ZipFile(source) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    change(members)
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return target


def exchange(members: dict[str, bytes]) -> None:
    one, two = "archive/data/0", "archive/data/1"
    members[one], members[two] = members[two], members[one]


def test_exchanged_members_with_right_checksums_are_refused(tmp_path: Path) -> None:
    value = {"exp_avg": torch.arange(4.0), "exp_avg_sq": torch.arange(4.0) ** 2}
    save_torch(tmp_path / "f.ckpt", value)
    untouched = rezipped(tmp_path / "f.ckpt", tmp_path / "g.ckpt", lambda members: None)
    assert same(load_torch(untouched), value)
    with pytest.raises(CheckpointError, match=r"is damaged .its digest differs.; use an older checkpoint"):
        load_torch(rezipped(tmp_path / "f.ckpt", tmp_path / "g.ckpt", exchange))
    torch.save(value, tmp_path / "old.ckpt")  # as earlier versions did
    assert same(load_torch(tmp_path / "old.ckpt"), value)


def test_any_change_of_a_member_is_refused_whatever_the_checksums_say(tmp_path: Path) -> None:
    save_torch(tmp_path / "f.ckpt", VALUE)
    with zipfile.ZipFile(tmp_path / "f.ckpt") as archive:
        names = archive.namelist()
    assert "archive/.data/arcvae_sha256" in names
    for name in names:
        for content in (lambda old: bytes([old[0] ^ 1]) + old[1:], lambda old: old + b"0"):

            def change(members: dict[str, bytes], name: str = name, content: Any = content) -> None:
                members[name] = content(members[name])

            with pytest.raises(CheckpointError):
                load_torch(rezipped(tmp_path / "f.ckpt", tmp_path / "g.ckpt", change))
    with pytest.raises(CheckpointError):
        load_torch(rezipped(tmp_path / "f.ckpt", tmp_path / "g.ckpt", lambda members: members.update(extra=b"")))


@pytest.mark.slow
def test_same_content_gives_the_same_bytes_in_any_process(tmp_path: Path) -> None:
    code = (
        "import sys, torch; from arcvae.io.tensors import *\n"
        "t = {name: torch.ones(3) * i for i, name in enumerate('badc')}\n"
        "save_safetensors(sys.argv[1] + '.safetensors', t, {name: [name] for name in 'zyxwvu'})\n"
        "save_torch(sys.argv[1] + '.pth', t)\n"
    )
    for name in ("one", "two"):
        subprocess.run([sys.executable, "-c", code, str(tmp_path / name)], check=True)
    for suffix in (".safetensors", ".pth"):
        assert len({(tmp_path / f"{name}{suffix}").read_bytes() for name in ("one", "two")}) == 1


def test_a_flipped_bit_in_any_byte_of_a_safetensors_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "f.safetensors"
    save_safetensors(path, {"w": torch.arange(4.0), "v": torch.ones(2)}, {"format": 1, "name": "x"})
    whole = path.read_bytes()
    for place in range(len(whole)):
        mutant = bytearray(whole)
        mutant[place] ^= 1 << place % 8
        path.write_bytes(mutant)
        with pytest.raises(CheckpointError, match=r"not an intact|digest differs"):
            load_safetensors(path)


def test_safetensors_without_a_digest_and_those_of_others_are_read(tmp_path: Path) -> None:
    tensors = {"w": torch.arange(4.0)}
    (tmp_path / "f.safetensors").write_bytes(to_safetensors(tensors, {"format": "1"}))
    assert same(load_safetensors(tmp_path / "f.safetensors"), (tensors, {"format": 1}))
    save_safetensors(tmp_path / "g.safetensors", tensors, {"format": 1})
    with safe_open(tmp_path / "g.safetensors", framework="pt") as file:  # as anybody else would
        assert torch.equal(file.get_tensor("w"), tensors["w"])
        assert json.loads(file.metadata()["format"]) == 1


@pytest.mark.parametrize("length", [0, 2**24 + 1, 2**62, 2**64 - 1])
def test_header_is_no_longer_than_the_file_or_than_any_is(tmp_path: Path, length: int) -> None:
    (tmp_path / "f.safetensors").write_bytes(length.to_bytes(8, "little") + b"{}" * 8)
    with pytest.raises(CheckpointError, match="not an intact safetensors file"):
        load_safetensors(tmp_path / "f.safetensors")


def test_plain_values_only_are_written_and_told_by_where_they_stand(tmp_path: Path) -> None:
    class Odd:
        pass

    kinds = {"a": np.float64(1.5), "b": np.int64(3), "c": Loud("x"), "d": (1, 2), "e": torch.Size([2])}
    save_torch(tmp_path / "f.ckpt", kinds)
    assert load_torch(tmp_path / "f.ckpt") == {"a": 1.5, "b": 3, "c": "x", "d": (1, 2), "e": (2,)}
    before = (tmp_path / "f.ckpt").read_bytes()
    for odd in (Odd(), b"bytes", {1}, np.ones(2), print):
        with pytest.raises(
            CheckpointError,
            match=r"f\.ckpt cannot be written: content\['callbacks'\]\['mine'\] is a \w+; a file of tensors holds",
        ):
            save_torch(tmp_path / "f.ckpt", {"callbacks": {"mine": odd}})
    assert (tmp_path / "f.ckpt").read_bytes() == before


class Loud(str):
    """A string that is pickled as a class."""


def test_values_that_contain_themselves_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    value: dict[str, object] = {}
    value["a"] = value
    with pytest.raises(CheckpointError, match="cannot be written"):
        save_torch(tmp_path / "f.ckpt", value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("path", sorted(WEIGHTS.glob("*.safetensors")), ids=lambda path: path.name)
def test_files_that_come_with_arcvae_have_a_digest_inside_and_one_beside_them(path: Path, tmp_path: Path) -> None:
    content = bytearray(path.read_bytes())
    assert hashlib.sha256(content).hexdigest() in (path.parent / f"{path.name.split('.')[0]}.json").read_text()
    load_safetensors(path)
    content[-100] ^= 1
    (tmp_path / path.name).write_bytes(content)
    with pytest.raises(CheckpointError, match="its digest differs"):
        load_safetensors(tmp_path / path.name)
