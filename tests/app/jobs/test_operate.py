"""The job of ``arcvae.operate``: operators lie beside the weights afterwards, and a loaded model has them."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import arcvae
from arcvae import operations as ops
from arcvae.errors import CheckpointError
from arcvae.grid.corpus.files import read_corpus
from arcvae.grid.operations.operator_figures import CASES
from arcvae.io.tensors import load_torch, save_torch
from tests.conftest import Job, metrics, run_command, runs, shared
from tests.grid.test_objects_runs import OBJECTS

QUICK = (
    "operators.steps=8", "operators.batch_size=16", "operators.examples=40", "operators.width=8", "operators.blocks=1",
    "limit=8", "accelerator=cpu",
)  # fmt: skip


@pytest.fixture
def run(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, tiny_corpus: Path) -> Path:
    """A copy of a finished run with codes of objects."""

    def make(folder: Path) -> None:
        assert run_command("train", f"data.path={tiny_corpus}", *OBJECTS, folder=folder) == 0

    (found,) = runs(shared(tmp_path_factory, "objects_run", make))
    return Path(shutil.copytree(found, tmp_path / "run"))


@pytest.mark.slow
def test_operators_lie_beside_the_weights_and_are_loaded_with_them(run: Path, job: Job, tiny_corpus: Path) -> None:
    grids = np.asarray(read_corpus(tiny_corpus).test)
    with pytest.raises(ValueError, match=rf"ckpt_path={run}/checkpoints/best\.ckpt makes them"):
        ops.scale(arcvae.load(run).codes(grids), 2, via="codes")
    record = job("operate", f"ckpt_path={run}", *QUICK)
    beside = [run / "checkpoints" / "best.operators.safetensors", run / "vae_best.operators.safetensors"]
    assert record["operators"] == [str(path) for path in beside]
    for path in (run, run / "vae_best.safetensors", run / "checkpoints" / "best.ckpt"):
        codec = arcvae.load(path)
        changed = ops.Program.parse("scale(2, via='codes') | union(via='codes')")(codec.codes(grids))
        assert codec.decode(changed).shape == grids.shape
    folder = run.parent / "operate"
    saved = metrics(folder)
    assert tuple(saved["operations"]["test"]) == tuple(saved["operations"]["val"]) == CASES
    assert set(saved["operations"]["test"]["union()"]) == {
        "grids", "codes", "pixels", "nothing", "codes_seconds", "pixels_seconds",
    }  # fmt: skip
    given = arcvae.load(run / "decoder.pth", operators=folder / "operators.safetensors")
    assert given.operators is not None


@pytest.mark.slow
def test_only_files_with_the_same_weights_get_operators(run: Path, job: Job) -> None:
    export = load_torch(run / "vae_best.pth")
    name = next(iter(export["state_dict"]))
    save_torch(run / "vae_best.pth", export | {"state_dict": export["state_dict"] | {name: torch.zeros(3)}})
    record = job("operate", f"ckpt_path={run}/checkpoints/best.ckpt", *QUICK)
    assert record["operators"] == [str(run / "checkpoints" / "best.operators.safetensors")]


@pytest.mark.slow
def test_operators_of_other_weights_are_refused(run: Path, job: Job) -> None:
    job("operate", f"ckpt_path={run}", *QUICK)
    beside = run / "vae_best.operators.safetensors"
    shutil.copy(arcvae.app.loading.SHIPPED / "atomic-objects.safetensors", run / "vae_best.safetensors")
    (run / "exports.json").unlink()
    with pytest.raises(CheckpointError, match=rf"{beside} holds the operators of another model"):
        arcvae.load(run / "vae_best.safetensors")


def test_other_models_have_no_operators(run_folder: Path, clips_run: Path, job: Job) -> None:
    with pytest.raises(CheckpointError, match="operators are for models whose codes are objects"):
        job("operate", f"ckpt_path={run_folder}", *QUICK, folder="grids")
    with pytest.raises(CheckpointError, match="is a model for clips; there are no operations on its codes"):
        job("operate", f"ckpt_path={clips_run}", *QUICK, folder="clips")


def test_command_needs_a_checkpoint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command("operate", folder=tmp_path) == 4
    assert "ckpt_path=outputs/latest: there is no such checkpoint; train first" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert run_command("operate", "ckpt_path=empty", folder=tmp_path) == 4
    expected = f"ckpt_path=empty: there is no {tmp_path / 'empty' / 'checkpoints' / 'best.ckpt'}; train first, or give"
    assert expected in capsys.readouterr().err
    assert run_command("operate", "ckpt_path=null", folder=tmp_path) == 2
    assert list(tmp_path.iterdir()) == [tmp_path / "empty"]
