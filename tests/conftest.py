"""Small corpora and a way to run the commands inside the test process."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from arcvae.audio.corpus.files import write_synthetic_corpus
from arcvae.grid.corpus.files import write_corpus

Command = Callable[..., int]

# Small models are fastest on one thread, and two test runs side by side do not wait for each other's threads.
torch.set_num_threads(1)
os.environ["OMP_NUM_THREADS"] = "1"


@pytest.fixture(autouse=True)
def _same_start() -> Iterator[None]:
    """Seed every test, and give the handlers of the root logger back."""
    torch.manual_seed(0)
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:], root.level = handlers, level


@pytest.fixture(scope="session")
def tiny_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """240 atomic grids: 192 train, 24 val, 24 test."""
    path = tmp_path_factory.mktemp("corpus") / "tiny.npz"
    write_corpus(path, "atomic", 240, seed=1)
    return path


@pytest.fixture(scope="session")
def tiny_clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """80 clips of 4 species."""
    path = tmp_path_factory.mktemp("clips") / "tiny.npz"
    write_synthetic_corpus(path, 4, 80, seed=1)
    return path


@pytest.fixture
def train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_corpus: Path) -> Command:
    """Run ``python -m arcvae.train ARGUMENTS`` in ``tmp_path`` on the tiny corpus; returns the exit code."""
    from arcvae.train import main

    def run(*arguments: str, corpus: Path | None = tiny_corpus) -> int:
        given = [f"data.path={corpus}"] if corpus else []
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["arcvae.train", *given, *arguments])
        return main()

    return run


FAST = (
    "trainer=quick_test", "trainer.max_epochs=2", "trainer.accelerator=cpu", "data.batch_size=64",
    "callbacks.progress_bar.refresh_rate=0", "model.widths=[8,8,8]", "model.hidden=16",
)  # fmt: skip
"""Overrides that make a run last a second."""


def save_arrays(path: Path, **changes: np.ndarray | None) -> Path:
    """Write a valid corpus of 8 + 2 + 2 grids with some arrays replaced, or left out if None."""
    grids = np.random.default_rng(0).integers(0, 10, (12, 16, 16)).astype(np.uint8)
    arrays: dict[str, np.ndarray | None] = {"train": grids[:8], "val": grids[8:10], "test": grids[10:]}
    arrays |= changes
    np.savez_compressed(path, **{name: array for name, array in arrays.items() if array is not None})  # type: ignore[arg-type]
    return path


def runs(folder: Path) -> list[Path]:
    return sorted(path.parent for path in folder.glob("outputs/**/metrics.json"))


def metrics(folder: Path) -> dict[str, Any]:
    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not strict JSON")

    return json.loads((folder / "metrics.json").read_text(), parse_constant=refuse)


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory, tiny_corpus: Path) -> Path:
    """A finished run of two epochs."""
    from arcvae.train import main

    folder = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr("sys.argv", ["arcvae.train", f"data.path={tiny_corpus}", "loss=option_b", *FAST])
        assert main() == 0
    (found,) = runs(folder)
    return found
