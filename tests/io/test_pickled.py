"""Files of torch.save are read as what they hold, whoever wrote them, and cost no more than they are long."""

from __future__ import annotations

import collections
import io
import pickle
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from arcvae.errors import CheckpointError
from arcvae.io import pickled
from arcvae.io.pickled import MAX_DEPTH, read_values
from arcvae.io.tensors import load_torch, save_torch
from tests.conftest import same


def packed(path: Path, content: bytes, **members: bytes) -> Path:
    """A file as torch.save lays it out, with this pickle."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in {"data.pkl": content, "version": b"3\n", **members}.items():
            archive.writestr(zipfile.ZipInfo(f"archive/{name}"), data)
    return path


def nothing(_: object) -> torch.Tensor:
    raise KeyError


def values(content: bytes) -> Any:
    return read_values(content, nothing)


KINDS = (
    torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8,
    torch.uint8, torch.bool,
)  # fmt: skip


def test_what_torch_saves_is_read_as_torch_reads_it(tmp_path: Path) -> None:
    base = torch.arange(24.0)
    module = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    optimizer = torch.optim.AdamW(module.parameters())
    module(torch.randn(4, 3)).sum().backward()
    optimizer.step()
    value = {
        "kinds": {str(kind): torch.ones(3).to(kind) for kind in KINDS},
        "views": [base, base[3:7], base.view(4, 6).T, base[::5], base[:0], torch.zeros(0, 3)],
        "scalar": torch.tensor(7),
        "state": module.state_dict(),
        "optimizer": optimizer.state_dict(),
        "parameter": torch.nn.Parameter(torch.ones(2)),
        "plain": [None, True, -1, 2**40, -(2**70), 1.5, float("inf"), "ä\n", (), (1,), (1, 2, 3, 4), [], {}],
        3: {1.5: "float key", None: "none key"},
        "ordered": collections.OrderedDict(a=1),
    }
    torch.save(value, tmp_path / "f.pth")
    assert same(load_torch(tmp_path / "f.pth"), torch.load(tmp_path / "f.pth", weights_only=True))
    save_torch(tmp_path / "g.pth", value)  # and with the digest it is still a file for torch
    assert same(torch.load(tmp_path / "g.pth", weights_only=True), load_torch(tmp_path / "g.pth"))


def test_tensors_that_share_memory_still_do(tmp_path: Path) -> None:
    base = torch.arange(6.0)
    save_torch(tmp_path / "f.pth", {"all": base, "part": base[2:4]})
    found = load_torch(tmp_path / "f.pth")
    found["all"][2] = 99
    assert found["part"].tolist() == [99, 3]


def test_protocol_2_of_pickle_is_enough_for_plain_values() -> None:
    value = {"a": [1, -1, 300, 70_000, 2**80, 1.5, None, True, False, "x"], "b": ((), (1, 2), [[]])}
    assert values(pickle.dumps(value, protocol=2)) == value


def test_as_many_values_are_read_as_a_file_writes_out(monkeypatch: pytest.MonkeyPatch) -> None:
    # The figures of some thousand epochs are in every checkpoint.
    monkeypatch.setattr(pickled, "MAX_VALUES", 1000)
    rows = [[float(epoch)] * 10 for epoch in range(200)]
    assert values(pickle.dumps(rows, protocol=2)) == rows
    with pytest.raises(ValueError, match="too many values"):
        values(pickle.dumps([rows[0]] * 200, protocol=2))


class Calls:
    """Pickled as a call of any function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return self.call


@pytest.mark.parametrize(
    "call",
    [
        Calls(bytearray, 2_400_000_000),
        Calls(bytes, 10**10),
        Calls(list, range(10)),
        Calls(torch.zeros, 10**10),
        Calls(torch.device, "cpu"),
        Calls(getattr, "", "join"),
        Calls(print, "ran"),
        Calls(collections.OrderedDict, [("a", 1)]),
    ],
    ids=lambda call: call.call[0].__name__,
)
def test_a_pickle_that_calls_anything_is_refused_before_it_costs_anything(
    tmp_path: Path, call: Calls, capsys: pytest.CaptureFixture[str]
) -> None:
    path = packed(tmp_path / "f.ckpt", pickle.dumps({"a": call}, protocol=2))
    assert path.stat().st_size < 600
    tracemalloc.start()
    with pytest.raises(CheckpointError, match="is not an intact checkpoint of plain tensors"):
        load_torch(path)
    assert tracemalloc.get_traced_memory()[1] < 2e6
    tracemalloc.stop()
    assert capsys.readouterr().out == ""


def tensor(numel: int, offset: object, size: object, stride: object, kind: str = "FloatStorage") -> bytes:
    """The pickle of a dictionary with one tensor, described by whoever likes to."""

    class Pickler(pickle.Pickler):
        def persistent_id(self, value: object) -> object:
            return ("storage", getattr(torch, kind), "0", "cpu", numel) if value is Pickler else None

    buffer = io.BytesIO()
    described = Calls(torch._utils._rebuild_tensor_v2, Pickler, offset, size, stride, False, collections.OrderedDict())
    Pickler(buffer, protocol=2).dump({"t": described})
    return buffer.getvalue()


def test_tensor_is_what_it_is_described_as(tmp_path: Path) -> None:
    data = torch.arange(6.0).numpy().tobytes()
    path = packed(tmp_path / "f.ckpt", tensor(6, 1, (2, 2), (1, 2)), **{"data/0": data})
    assert load_torch(path)["t"].tolist() == [[1, 3], [2, 4]]


@pytest.mark.parametrize(
    "description",
    [
        tensor(7, 0, (6,), (1,)),  # a storage larger than what is in the file: what lies behind would be read
        tensor(2**40, 0, (6,), (1,)),
        tensor(5, 0, (5,), (1,)),
        tensor(-1, 0, (6,), (1,)),
        tensor(6, 1, (6,), (1,)),
        tensor(6, 0, (2, 3), (3, 2)),
        tensor(6, 0, (10**9,), (0,)),  # one number that stands for a billion
        tensor(6, 0, (2**62, 4), (0, 0)),
        tensor(6, 0, (6,), (-1,)),
        tensor(6, -1, (6,), (1,)),
        tensor(6, 7, (0,), (1,)),
        tensor(6, 0, (6,), (1, 1)),
        tensor(6, 0, (6.0,), (1,)),
        tensor(6, 0, [6], [1]),
        tensor(6, 0, (True,), (1,)),
        tensor(6, 0, (1,) * 65, (1,) * 65),
        tensor(3, 0, (3,), (1,), "ComplexFloatStorage"),
        tensor(6, 0, (6,), (1,), "Tensor"),
    ],
)
def test_tensor_that_is_not_in_the_file_is_refused(tmp_path: Path, description: bytes) -> None:
    data = torch.arange(6.0).numpy().tobytes()
    with pytest.raises(CheckpointError, match="not an intact checkpoint"):
        load_torch(packed(tmp_path / "f.ckpt", description, **{"data/0": data}))


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def shared(levels: int, width: int) -> Any:
    value: Any = "x"
    for _ in range(levels):
        value = [value] * width
    return value


def endless(kind: type) -> Any:
    value: Any = kind()
    (value.append(value) if kind is list else value.update(a=value))
    return value


@pytest.mark.parametrize(
    "value",
    [nested(MAX_DEPTH + 2), nested(200), shared(9, 10), shared(200, 2), endless(list), endless(dict)],
    ids=["deep", "deeper", "wide", "widest", "list in itself", "dictionary in itself"],
)
def test_values_without_end_are_refused_at_once(value: Any) -> None:
    with pytest.raises(ValueError, match="too many values"):
        values(pickle.dumps(value, protocol=2))


def test_key_that_takes_for_ever_to_hash_is_refused() -> None:
    key: Any = ("x",)
    for _ in range(60):
        key = (key, key)
    stream = pickle.dumps(key, protocol=2)[:-1]
    assert stream.startswith(b"\x80\x02")
    with pytest.raises(ValueError, match="other keys than strings and numbers"):
        values(b"\x80\x02}" + stream[2:] + b"K\x01s.")


@pytest.mark.parametrize(
    "stream",
    [b"", b".", b"N", b"NN.", b"0.", b"(.", b"t.", b"(u.", b"]K\x01u.", b"h\x01.", b"Q.", b"]R.", b"NR.", b"}N\x85R.",
     b"]]b.",
     b"r\xff\xff\xff\x7f.", b"\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.", b"X\xff\xff\xff\x7fx.", b"cos\nsystem\n."],
)  # fmt: skip
def test_instructions_that_make_no_sense_are_refused(tmp_path: Path, stream: bytes) -> None:
    tracemalloc.start()
    with pytest.raises(CheckpointError, match=r"not an intact checkpoint|not a checkpoint"):
        load_torch(packed(tmp_path / "f.ckpt", stream))
    assert tracemalloc.get_traced_memory()[1] < 2e6
    tracemalloc.stop()
