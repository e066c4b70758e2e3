"""Every way to write a file, killed or out of space at each of its operations: the old content is read, or the new."""

from __future__ import annotations

import ast
import errno
import json
import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

import arcvae
from arcvae.app.sweep import FILE, _write
from arcvae.errors import CheckpointError
from arcvae.grid.codes.object_prior import ObjectPrior
from arcvae.grid.codes.operator_files import load_operators, save_operators
from arcvae.grid.codes.operators import ShapeOperators
from arcvae.grid.codes.prior_files import load_prior, save_prior
from arcvae.grid.models.objects import ObjectsVAE
from arcvae.imbalance.counts import cached_counts
from arcvae.io.exports import check_digest, main_export, read_export, write_exports
from arcvae.io.npz import read_npz, write_npz
from arcvae.training.callbacks import EpochRecord
from arcvae.training.checkpoint import AtomicCheckpointIO
from arcvae.training.record import RunRecord
from arcvae.training.run_folder import link_latest
from tests.conftest import FAST, Command, fault, outcome, same
from tests.io.crashes import MODES, WENT_ON, at_every_operation

Write = Callable[[Path, int], object]
Read = Callable[[Path], Any]


def checkpoint(path: Path, version: int) -> None:
    AtomicCheckpointIO().save_checkpoint({"epoch": version, "weights": torch.full((50,), float(version))}, path)


def corpus(path: Path, version: int) -> None:
    write_npz(path, {"train": np.full((9, 4, 4), version, np.uint8)})


def record(path: Path, version: int) -> None:
    RunRecord("one", "", version, {"loss": 1.0}, {}, {}).write(path.parent)


def table(path: Path, version: int) -> None:
    callback = EpochRecord()
    callback.load_state_dict({"rows": [{"epoch": 1.0}], "seconds": 0.0, "samples": 0})
    moment: Any = SimpleNamespace(
        callback_metrics={"val/loss": float(version)}, current_epoch=1, global_step=2, is_global_zero=True,
        default_root_dir=path.parent,
    )  # fmt: skip
    callback.on_train_epoch_end(moment, None)  # type: ignore[arg-type]


MODEL = ObjectsVAE(width=8)
PRIORS = [ObjectPrior(MODEL.slots, MODEL.num_colors, MODEL.shape_numbers, components=n) for n in (2, 3)]
OPERATORS = [ShapeOperators(MODEL, width=width, blocks=1) for width in (8, 16)]

PATHS: dict[str, tuple[Write, Read]] = {
    "last.ckpt": (checkpoint, lambda path: AtomicCheckpointIO().load_checkpoint(path)),
    "corpus.npz": (corpus, lambda path: read_npz(path, ["train"], max_bytes=1e6, advice="")["train"].tolist()),
    "metrics.json": (record, lambda path: RunRecord.read(path.parent)),
    "metrics.csv": (table, lambda path: [line.split(",")[::3] for line in path.read_text().splitlines()]),
    "prior.safetensors": (
        lambda path, version: save_prior(path, PRIORS[version], MODEL),
        lambda path: dict(load_prior(path, MODEL).state_dict()),
    ),
    "operators.safetensors": (
        lambda path, version: save_operators(path, OPERATORS[version], MODEL),
        lambda path: load_operators(path, MODEL).sizes,
    ),
    FILE: (
        lambda path, version: _write(path.parent, "1", {"state": str(version)}),
        lambda path: json.loads(path.read_text()),
    ),
    "latest": (lambda path, version: link_latest(path.parent / str(version), path.parent), os.readlink),
}
OPTIONAL = (FILE, "latest")
"""What costs no run if it cannot be written."""


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", PATHS)
def test_old_or_new_content_is_read_after_an_interruption_at_every_operation(
    tmp_path: Path, name: str, mode: str
) -> None:
    write, read = PATHS[name]
    path, codes = tmp_path / name, []
    write(path, 1)
    new = read(path)
    write(path, 0)
    old, kept = read(path), {file.name for file in tmp_path.iterdir()}
    assert not same(old, new)
    for at, code in at_every_operation(partial(write, path, 0), partial(write, path, 1), mode):
        codes.append(code)
        found = read(path)
        assert same(found, old) or same(found, new), at
        if mode == "full disk":
            assert {file.name for file in tmp_path.iterdir()} == kept, at
    assert same(read(path), new)
    assert set(codes) == ({0, -9} if mode == "kill" else {0, WENT_ON} if name in OPTIONAL else {0, WENT_ON, 5})
    assert len(codes) > (2 if name == "latest" else 8)


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_exports_of_which_some_are_new_are_refused_until_they_are_written_again(tmp_path: Path, mode: str) -> None:
    def write(version: int) -> None:
        states = {part: {"w": torch.full((9,), float(version))} for part in ("encoder", "whole")}
        write_exports(tmp_path, states, {"task": {}, "model": {"_target_": "a.b"}}, "whole")

    def clear() -> None:
        for path in tmp_path.iterdir():
            path.unlink()

    def versions() -> set[float]:
        """Of every file that its manifest vouches for."""
        found = set()
        for file in (main_export(tmp_path), *(tmp_path / f"encoder.{kind}" for kind in ("pth", "safetensors"))):
            check_digest(file)
            found.add(float(read_export(file)["state_dict"]["w"][0]))
        return found

    seen = set()
    for before in (clear, partial(write, 1)):
        for at, code in at_every_operation(before, partial(write, 2), mode):
            try:
                found = versions()
                assert len(found) == 1, at
                seen.add((before is clear, *found))
            except CheckpointError:
                assert code != 0, at
            if mode == "full disk":
                assert list(tmp_path.glob(".*")) == []
        assert versions() == {2.0}
    assert seen == {(True, 2.0), (False, 1.0), (False, 2.0)}


@pytest.mark.parametrize("mode", MODES)
def test_counts_are_right_whatever_became_of_their_cache(tmp_path: Path, mode: str) -> None:
    labels = np.array([0, 1, 1, 2], np.uint8)

    def clear() -> None:
        for path in tmp_path.iterdir():
            path.unlink()

    def count() -> None:
        assert cached_counts(labels, 3, tmp_path).tolist() == [1, 2, 1]

    codes = [code for _, code in at_every_operation(clear, count, mode) if not count()]
    assert set(codes) == ({0, -9} if mode == "kill" else {0, WENT_ON})


WRITTEN = (
    "config.yaml", "class_weights.pth", "best.ckpt", "last.ckpt", "metrics.csv", "decoder.safetensors", "exports.json",
    "metrics.json",
)  # fmt: skip
"""Files of a run, from the first to the last."""


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_disk_that_is_full_at_any_file_ends_a_run_in_one_line_and_the_same_command_goes_on(
    train: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = (*FAST, "logger=none")
    assert train(*words, "hydra.run.dir=whole") == 0
    whole, opened = outcome(tmp_path / "whole"), os.open
    for name in WRITTEN:
        folder, tries = tmp_path / f"full at {name}", []

        def full(path: Any, *more: Any, name: str = name, tries: list[str] = tries, **options: Any) -> int:
            if Path(os.fspath(path)).name.startswith(f".{name}."):
                tries.append(name)
                if len(tries) == 2 or name not in ("best.ckpt", "last.ckpt", "metrics.csv"):  # in the second epoch
                    raise OSError(errno.ENOSPC, "No space left on device", path)
            return opened(path, *more, **options)

        capsys.readouterr()
        with monkeypatch.context() as patch:
            patch.setattr(os, "open", full)
            assert train(*words, f"hydra.run.dir='{folder}'") == 5, name
        assert f"{name}: No space left on device" in fault(capsys)
        assert list(folder.rglob("*.part")) == []
        assert not (folder / "metrics.json").exists()
        assert train(*words, f"hydra.run.dir='{folder}'") == 0, name
        found = outcome(folder)
        assert all(same(value, found[part]) for part, value in whole.items()), name


ALLOWED = {
    "io/files.py": "the writer that all others use",
    "io/streams.py": "the null device",
    "benchmark.py": "the time of a file of its own, for it to be read again",
    "grid/tasks/folder.py": "files of a folder that takes its name when it is whole",
    "training/run_folder.py": "a link that takes its name when it is made",
}
"""Files that may write by themselves, and why."""


def written_in(tree: ast.AST) -> set[str]:
    """What a file calls that writes a file of this name."""
    found = set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        owner = ast.unparse(node.func.value) if isinstance(node.func, ast.Attribute) else ""
        given = [a.value for a in (*node.args[:2], *(k.value for k in node.keywords)) if isinstance(a, ast.Constant)]
        modes = [value for value in given if isinstance(value, str) and 0 < len(value) < 4]
        if name == "open" and any(mode[0] in "wax" for mode in modes):
            found.add(name)
        if name in {"write_bytes", "write_text", "symlink_to", "touch"} or (owner == "os" and name == "replace"):
            found.add(name)
    return found


def test_every_file_is_written_by_the_one_writer() -> None:
    root = Path(arcvae.__file__).parent
    found: Mapping[str, set[str]] = {
        str(path.relative_to(root)): written_in(ast.parse(path.read_text())) for path in root.rglob("*.py")
    }
    assert {name for name, calls in found.items() if calls} == set(ALLOWED)
