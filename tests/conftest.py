"""Small corpora and runs that are made once and shared, and ways to run commands and jobs inside the test process."""

from __future__ import annotations

import copy
import importlib
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from filelock import FileLock
from hydra.core.config_store import ConfigNode, ConfigStore

import arcvae.imbalance.losses  # noqa: F401  (registers those of arcvae, before any test forgets what it has registered)
from arcvae.app.compose import plan
from arcvae.audio.corpus.files import write_synthetic_corpus
from arcvae.grid.corpus.files import write_corpus
from arcvae.imbalance.registry import registered_losses, temporary_losses
from arcvae.io.tensors import load_torch

Command = Callable[..., int]
NamedCommand = Callable[..., int]
Job = Callable[..., Any]

# Small models are fastest on one thread, and two test runs side by side do not wait for each other's threads.
torch.set_num_threads(1)
os.environ["OMP_NUM_THREADS"] = "1"

PICTURED = (
    "trainer=quick_test", "trainer.max_epochs=2", "trainer.accelerator=cpu", "data.batch_size=64",
    "callbacks.progress_bar.refresh_rate=0", "model.widths=[8,8,8]", "model.hidden=16",
)  # fmt: skip
"""Overrides for a short run on grids that leaves all that a run leaves."""
FAST = (*PICTURED, "callbacks.snapshots=null", "callbacks.code_pictures=null", "report=false")
"""The same without pictures and page, which take longer than the training."""
FAST_CLIPS = (
    "trainer=quick_test", "trainer.max_epochs=2", "trainer.accelerator=cpu", "data.batch_size=16",
    "callbacks.progress_bar.refresh_rate=0", "experiment=audio_cnn", "model.widths=[4,8]", "report=false",
)  # fmt: skip
"""Overrides for a short run on clips, without a page."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--kills 50``: how often the run of ``test_killed.py`` is killed."""
    parser.addoption("--kills", type=int, default=3, help="kills of one run in tests/test_killed.py")


@pytest.fixture(autouse=True)
def _same_start() -> Iterator[None]:
    """Seed every test, and undo what a job changes for its whole process: handlers of the root logger, arithmetic."""
    torch.default_generator.manual_seed(0)  # torch.manual_seed is slow: it prepares devices that are absent
    with _as_before_a_job():
        yield


@contextmanager
def _as_before_a_job() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:], root.level = handlers, level
    torch.set_flush_denormal(False)


@pytest.fixture(autouse=True)
def _without_plugins() -> Iterator[None]:
    """Forget what the plugins of a test have registered."""
    with _plugins_forgotten():
        yield


@pytest.fixture(autouse=True, scope="module")
def _without_plugins_of_other_modules() -> Iterator[None]:
    """Forget what the plugins of fixtures have registered that the tests of a module share."""
    with _plugins_forgotten():
        yield


def pytest_collection_finish() -> None:
    """Forget the plugins that were imported because they were looked through for tests."""
    _forget_plugins(_options_of_plugins())


@contextmanager
def _plugins_forgotten() -> Iterator[None]:
    options, losses = _options_of_plugins(), set(registered_losses())
    with temporary_losses():
        yield
        for module in {loss.function.__module__ for name, loss in registered_losses().items() if name not in losses}:
            if module.partition(".")[0] not in ("arcvae", "tests"):
                sys.modules.pop(module, None)  # or it would not register them again
    _forget_plugins(_options_of_plugins() - options)


def _forget_plugins(options: set[tuple[str, str]]) -> None:
    for group, name in options:
        del ConfigStore.instance().repo[group][name]
        sys.modules.pop(name.removesuffix(".yaml"), None)


def _options_of_plugins() -> set[tuple[str, str]]:
    """Groups and names of the options in Hydra's store, but for those of Hydra itself."""
    groups = {group: node for group, node in ConfigStore.instance().repo.items() if isinstance(node, dict)}
    return {
        (group, name)
        for group, node in groups.items()
        for name, option in node.items()
        if isinstance(option, ConfigNode) and option.provider != "hydra"
    }


def shared(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A folder that ``make`` fills once for all processes of a test run; the others wait for it.

    Processes of pytest-xdist have temporary folders of their own, in one that they share.
    """
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    with FileLock(f"{folder}.lock"):
        if not folder.with_suffix(".made").exists():
            folder.mkdir()
            make(folder)
            folder.with_suffix(".made").touch()
    return folder


def run_command(name: str, *arguments: str, folder: Path) -> int:
    """``python -m arcvae.NAME ARGUMENTS`` in a folder, in this process; returns the exit code."""
    with pytest.MonkeyPatch.context() as patch, _as_before_a_job():
        patch.chdir(folder)
        patch.setattr(sys, "argv", [f"arcvae.{name}", *arguments])
        code: int = importlib.import_module(f"arcvae.{name}").main()
    return code


def run_job(name: str, *overrides: str, folder: Path) -> Any:
    """What the job NAME returns for a config with these overrides; it writes into ``folder``.

    Everything else goes into ``outputs`` beside ``folder``.
    """
    (config,) = plan(name, [f"output_dir='{folder.parent}/outputs'", *overrides])
    job = getattr(importlib.import_module(f"arcvae.app.jobs.{name}"), name)
    (folder.parent / "outputs").mkdir(exist_ok=True)
    with _as_before_a_job():
        return job(config, copy.deepcopy(config), folder, ["python", "-m", f"arcvae.{name}", *overrides])


@pytest.fixture(scope="session")
def tiny_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """240 atomic grids: 192 train, 24 val, 24 test."""
    make = lambda folder: write_corpus(folder / "tiny.npz", "atomic", 240, seed=1)  # noqa: E731
    return shared(tmp_path_factory, "corpus", make) / "tiny.npz"


@pytest.fixture(scope="session")
def tiny_clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """80 clips of 4 species."""
    make = lambda folder: write_synthetic_corpus(folder / "tiny.npz", 4, 80, seed=1)  # noqa: E731
    return shared(tmp_path_factory, "clips", make) / "tiny.npz"


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory, tiny_corpus: Path) -> Path:
    """A finished run of two epochs on grids; not to be written into."""

    def make(folder: Path) -> None:
        assert run_command("train", f"data.path={tiny_corpus}", "loss=option_b", *PICTURED, folder=folder) == 0

    (found,) = runs(shared(tmp_path_factory, "run", make))
    return found


@pytest.fixture(scope="session")
def clips_run(tmp_path_factory: pytest.TempPathFactory, tiny_clips: Path) -> Path:
    """A finished run of two epochs on clips; not to be written into."""

    def make(folder: Path) -> None:
        assert run_command("train", f"data.path={tiny_clips}", *FAST_CLIPS, "report=true", folder=folder) == 0

    (found,) = runs(shared(tmp_path_factory, "clips_run", make))
    return found


@pytest.fixture(scope="session")
def evaluated(tmp_path_factory: pytest.TempPathFactory, run_folder: Path) -> Path:
    """What an evaluation of the run on grids leaves, with refined codes."""

    def make(folder: Path) -> None:
        words = (f"ckpt_path={run_folder}/checkpoints/best.ckpt", "importance_samples=4", "refine=3", "accelerator=cpu")
        assert run_command("evaluate", *words, folder=folder) == 0

    (found,) = shared(tmp_path_factory, "evaluated", make).glob("outputs/evaluate/*")
    return found


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> NamedCommand:
    """Run ``python -m arcvae.NAME ARGUMENTS`` in ``tmp_path``; returns the exit code."""
    monkeypatch.chdir(tmp_path)
    return lambda name, *arguments: run_command(name, *arguments, folder=tmp_path)


@pytest.fixture
def train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_corpus: Path) -> Command:
    """Run ``python -m arcvae.train ARGUMENTS`` in ``tmp_path`` on the tiny corpus; returns the exit code."""

    def run(*arguments: str, corpus: Path | None = tiny_corpus) -> int:
        monkeypatch.chdir(tmp_path)
        return run_command("train", *([f"data.path={corpus}"] if corpus else []), *arguments, folder=tmp_path)

    return run


@pytest.fixture
def job(tmp_path: Path, tiny_corpus: Path) -> Job:
    """Run the job of a command with overrides in ``tmp_path``; training is on the tiny corpus unless told otherwise.

    Returns what the job returns; it writes into ``tmp_path / NAME`` or ``tmp_path / folder``.
    """

    def run(name: str, *overrides: str, folder: str | None = None, corpus: Path | None = tiny_corpus) -> Any:
        given = [f"data.path='{corpus}'"] if corpus and name == "train" else []
        return run_job(name, *given, *overrides, folder=tmp_path / (folder or name))

    return run


def save_arrays(path: Path, **changes: np.ndarray | None) -> Path:
    """Write a valid corpus of 8 + 2 + 2 grids with some arrays replaced, or left out if None."""
    grids = np.random.default_rng(0).integers(0, 10, (12, 16, 16)).astype(np.uint8)
    arrays: dict[str, np.ndarray | None] = {"train": grids[:8], "val": grids[8:10], "test": grids[10:]}
    arrays |= changes
    np.savez_compressed(path, **{name: array for name, array in arrays.items() if array is not None})  # type: ignore[arg-type]
    return path


def runs(folder: Path) -> list[Path]:
    """Finished runs below a folder that commands were run in."""
    return sorted(path.parent for path in folder.glob("outputs/**/metrics.json"))


def metrics(folder: Path) -> dict[str, Any]:
    """The record in a folder; it has to be strict JSON."""

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not strict JSON")

    return json.loads((folder / "metrics.json").read_text(), parse_constant=refuse)


def outcome(folder: Path) -> dict[str, Any]:
    """All of a finished run that must not depend on how often it was interrupted; of its exports, every byte."""
    record, last = metrics(folder), load_torch(folder / "checkpoints" / "last.ckpt")
    timeless = [{key: value for key, value in row.items() if key != "seconds"} for row in record["history"]]
    exports = [*folder.glob("*.pth"), *folder.glob("*.safetensors"), folder / "exports.json"]
    return {
        "exports": {path.name: path.read_bytes() for path in exports}, "history": timeless,
        **{part: record[part] for part in ("val", "test", "adjusted", "best", "epochs", "steps")},
        **{part: last[part] for part in ("state_dict", "optimizer_states", "lr_schedulers", "global_step", "epoch")},
    }  # fmt: skip


def same(a: Any, b: Any) -> bool:
    """Equality of nested states, tensors bit for bit."""
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and torch.equal(a, b)
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return bool(a == b)


def fault(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that a refused command has printed."""
    (line,) = (line for line in capsys.readouterr().err.splitlines() if line.startswith("arcvae:"))
    return line
