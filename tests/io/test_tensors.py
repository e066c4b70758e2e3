"""Files of tensors: what was saved is loaded, or nothing is, and never as code."""

from __future__ import annotations

import os
import random
import tracemalloc
import zipfile
from pathlib import Path

import pytest
import torch
from torch import nn

from arcvae.errors import ArcvaeError, CheckpointError, FileSystemError
from arcvae.io.tensors import fill, load_safetensors, load_torch, save_safetensors, save_torch

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
        with pytest.raises(CheckpointError, match="is not an intact safetensors file of arcvae"):
            load_safetensors(path)


def test_file_that_may_not_be_read_is_a_fault_of_the_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_torch(tmp_path / "f.pth", VALUE)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
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
