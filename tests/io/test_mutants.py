"""Files with flipped, cut, spliced and exchanged bytes are read as what they were, or refused by our own error.

A sample of each kind runs with all tests; ``-m slow`` runs them all. Whatever is read is compared bit by bit.
"""

from __future__ import annotations

import io
import random
import time
import tracemalloc
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from arcvae.app.compose import plan
from arcvae.errors import ArcvaeError, ConfigError, DataError
from arcvae.imbalance.counts import cached_counts
from arcvae.io.door import read_yaml_list
from arcvae.io.exports import check_digest, read_export, write_exports
from arcvae.io.npz import read_npz, write_npz
from arcvae.io.tensors import load_safetensors, load_torch, save_safetensors, save_torch
from arcvae.training.record import RECORD, RunRecord
from tests.conftest import same

TENSORS = {"a.weight": torch.arange(12.0).view(3, 4), "a.bias": torch.arange(12.0).view(3, 4) / 7, "n": torch.tensor(3)}
FACTS = {"format": 2, "part": "vae_best", "model": {"_target_": "x.Y", "widths": [1, 2]}, "class_names": None}
CONTENT = {"epoch": 3, "state_dict": TENSORS, "loops": {"fit": {"ready": 7, "done": True}}, "lr": [0.1, None, "x"]}
ARRAYS = {name: np.arange(48, dtype=np.uint8).reshape(3, 4, 4) + i for i, name in enumerate(("train", "val", "test"))}
LABELS = np.repeat(np.arange(10), np.arange(20, 30)).astype(np.uint8)
PRIOR = {"format": 1, "part": "prior", "prior": {"width": 8, "layers": 1}, "decoder_sha256": "0" * 64}
OVERRIDES = ["loss=option_b", "data.path='a b.npz'", "tags=[one,two]", "seed=3", "model.widths=[8,8,8]"]
SECONDS, BYTES = 1.0, 20e6
"""What reading any mutant may take; the files themselves have a few thousand bytes."""


def flipped(content: bytes, draw: random.Random) -> bytes:
    """One to four flipped bits, or bytes cut off, left out, repeated, overwritten with others or with zeros."""
    mutant, place = bytearray(content), draw.randrange(len(content))
    length = draw.randrange(1, max(2, len(content) // 4))
    match draw.randrange(8):
        case 0:
            del mutant[place:]
        case 1:
            del mutant[place : place + length]
        case 2:
            mutant[place:place] = mutant[place : place + length]
        case 3:
            source = draw.randrange(len(content))
            mutant[place : place + length] = content[source : source + length]
        case 4:
            mutant[place : place + length] = bytes(length)
        case _:
            for _ in range(draw.randint(1, 4)):
                mutant[draw.randrange(len(mutant))] ^= 1 << draw.randrange(8)
    return bytes(mutant)


def repaired(content: bytes, draw: random.Random) -> bytes:
    """A zip file with one member changed, exchanged, renamed, doubled or left out, and every checksum right."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    one, two = draw.sample(range(len(members)), 2)
    (name, data), (other, other_data) = members[one], members[two]
    match draw.randrange(8):
        case 0:
            members[one], members[two] = (name, other_data), (other, data)
        case 1:
            members[one] = (name[:-1] + chr(ord(name[-1]) ^ 1), data)
        case 2:
            members.append((name, other_data))
        case 3:
            del members[one]
        case _:
            members[one] = (name, flipped(data, draw)) if data else (name, b"x")
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w") as archive:
        warnings.simplefilter("ignore")  # of the name that is there twice
        for name, data in members:
            archive.writestr(zipfile.ZipInfo(name), data)
    return buffer.getvalue()


def read_counts(path: Path) -> list[int]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what is counted again
        return cached_counts(LABELS, 10, path.parent).tolist()


def write_counts(path: Path) -> None:
    read_counts(path)
    (made,) = path.parent.glob("class-counts-*.json")
    path.symlink_to(made)


def write_exported(path: Path) -> None:
    write_exports(path.parent, {"part": TENSORS}, {"task": {}, "model": {}, "class_names": None})


def read_exported(path: Path) -> Any:
    check_digest(path.parent / "part.pth")
    return load_torch(path.parent / "part.pth")["state_dict"]


@dataclass(frozen=True)
class Kind:
    """A kind of file, and how many mutants of it are tried."""

    file: str
    write: Callable[[Path], object]
    read: Callable[[Path], Any]
    mutants: int
    mutate: Callable[[bytes, random.Random], bytes] = flipped


def npz(compressed: bool) -> tuple[Callable[[Path], object], Callable[[Path], Any]]:
    return (
        lambda path: write_npz(path, ARRAYS, compressed=compressed),
        lambda path: {name: array.tolist() for name, array in read_npz(path, list(ARRAYS)).items()},
    )


CHECKPOINT = (lambda path: save_torch(path, CONTENT), load_torch)
KINDS = {
    "npz, deflated": Kind("f.npz", *npz(True), 2000),
    "npz, stored": Kind("f.npz", *npz(False), 2000),
    "checkpoints": Kind("f.ckpt", *CHECKPOINT, 1000),
    "exports": Kind("part.pth", write_exported, read_export, 500),
    "safetensors": Kind("f.safetensors", lambda path: save_safetensors(path, TENSORS, FACTS), load_safetensors, 500),
    "priors": Kind("f.safetensors", lambda path: save_safetensors(path, TENSORS, PRIOR), load_safetensors, 500),
    "caches": Kind("cache", write_counts, read_counts, 500),
    "manifests": Kind("exports.json", write_exported, read_exported, 500),
    "npz, checksums repaired": Kind("f.npz", *npz(False), 1000, repaired),
    "checkpoints, checksums repaired": Kind("f.ckpt", *CHECKPOINT, 500, repaired),
    "exports, checksums repaired": Kind("part.pth", write_exported, read_export, 500, repaired),
}


def tried(kind: Kind, folder: Path, count: int, seed: int, accept: Callable[[Any], bool]) -> int:
    """Read mutants of a file; how many were refused. Any other error than one of arcvae's is raised."""
    path, draw, refused = folder / kind.file, random.Random(seed), 0
    kind.write(path)
    whole = path.read_bytes()
    kind.read(path)
    tracemalloc.start()
    for _ in range(count):
        path.write_bytes(kind.mutate(whole, draw))
        tracemalloc.reset_peak()
        before, started = tracemalloc.get_traced_memory()[0], time.process_time()
        try:
            found = kind.read(path)
        except ArcvaeError as error:
            refused += 1
            assert "\n" not in str(error)  # noqa: PT017
        else:
            assert accept(found)
        assert time.process_time() - started < SECONDS
        assert tracemalloc.get_traced_memory()[1] - before < BYTES
    tracemalloc.stop()
    return refused


SHARES = pytest.mark.parametrize("share", [0.03, pytest.param(1.0, marks=pytest.mark.slow)])


@SHARES
@pytest.mark.parametrize("name", KINDS)
def test_mutants_are_read_as_the_original_or_refused(tmp_path: Path, name: str, share: float) -> None:
    kind = KINDS[name]
    kind.write(tmp_path / kind.file)
    original = kind.read(tmp_path / kind.file)
    for left in tmp_path.iterdir():
        left.unlink()
    count = int(share * kind.mutants)
    refused = tried(kind, tmp_path, count, len(name), lambda found: same(found, original))
    print(f"{name}: {count} mutants, {refused} refused, {count - refused} read as the original")
    # A damaged cache is counted again, a damaged manifest is none: neither is refused.
    assert name in ("caches", "manifests") or refused > 0.5 * count


def write_record(path: Path) -> None:
    record = RunRecord("one", "hash", 3, {"f1": 0.5}, {"collapse": False}, {"f1": 0.1}, history=[{"epoch": 1.0}])
    record.write(path.parent)


WITHOUT_DIGEST = {
    "records": Kind(RECORD, write_record, lambda path: RunRecord.read(path.parent), 500),
    "overrides": Kind(
        "overrides.yaml",
        lambda path: path.write_text(yaml.safe_dump(OVERRIDES)),
        lambda path: read_yaml_list(path, DataError, "another"),
        500,
    ),
}


@SHARES
@pytest.mark.parametrize("name", WITHOUT_DIGEST)
def test_mutants_of_what_people_edit_are_of_the_right_types_or_refused(tmp_path: Path, name: str, share: float) -> None:
    # These have no digest: a digit that has changed is a digit that somebody may have changed.
    def accept(found: Any) -> bool:
        if isinstance(found, RunRecord):
            return isinstance(found.val, dict) and isinstance(found.seed, int) and isinstance(found.history, list)
        return isinstance(found, list) and all(isinstance(line, str) for line in found)

    kind = WITHOUT_DIGEST[name]
    refused = tried(kind, tmp_path, int(share * kind.mutants), 1, accept)
    print(f"{name}: {int(share * kind.mutants)} mutants, {refused} refused")
    assert refused > 0


MINE = """# A prior of my own.
defaults:
  - autoregressive

# Spread of the draws.
temperature: 0.75
width: &w 64
path: "${output_dir}/mine.safetensors"
"""


@pytest.mark.parametrize("count", [10, pytest.param(200, marks=pytest.mark.slow)])
def test_mutants_of_a_config_compose_or_are_refused(tmp_path: Path, count: int) -> None:
    draw, refused = random.Random(3), 0
    (tmp_path / "prior").mkdir()
    (tmp_path / "prior" / "mine.yaml").write_text(MINE)
    plan("sample", ["prior=mine"], config_dir=str(tmp_path))
    for _ in range(count):
        (tmp_path / "prior" / "mine.yaml").write_bytes(flipped(MINE.encode(), draw))
        started = time.process_time()
        try:
            plan("sample", ["prior=mine"], config_dir=str(tmp_path))
        except ConfigError as error:
            refused += 1
            assert not [line for line in error.problems if "\n" in line or line.endswith("Exception")]  # noqa: PT017
        assert time.process_time() - started < 5
    print(f"configs: {count} mutants, {refused} refused")
    assert refused > count / 2
