"""The commands as processes of their own: exit codes, signals, and the installed package."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from arcvae.grid.models.beta_vae import BetaVAE
from arcvae.io.tensors import load_torch
from tests.conftest import FAST, save_arrays
from tests.processes import Process, run

ROOT = Path(__file__).parent.parent


def python(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A new interpreter; :func:`tests.processes.run` is faster where none is needed."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


@pytest.mark.slow
def test_corpus_is_written_and_not_written_over(tmp_path: Path) -> None:
    command = ["arcvae.corpus", "kind=simplified", "num_grids=50", "seed=0", "out=c.npz"]
    done = run(*command, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Wrote c.npz: 50 simplified grids of 16x16 (seed 0)" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["c.npz"]
    before = (tmp_path / "c.npz").read_bytes()
    done = run(*command, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == "arcvae: error[E_CONFIG]: out=c.npz exists; choose another name or set overwrite=true\n"
    assert (tmp_path / "c.npz").read_bytes() == before


@pytest.mark.slow
def test_python_of_another_environment_says_what_to_type(tmp_path: Path) -> None:
    done = python("-S", "-m", "arcvae.train", cwd=tmp_path, PYTHONPATH=str(ROOT))  # without site-packages
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.endswith("lacks the packages of arcvae; type `make setup`, then `source .venv/bin/activate`")


@pytest.mark.slow
def test_config_is_shown_without_running(tmp_path: Path) -> None:
    done = run("arcvae.train", "loss=option_c", "--cfg", "job", cwd=tmp_path)
    assert done.returncode == 0
    assert "class_weights: inverse" in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_bad_input_is_refused_with_optimised_python_and_an_ascii_terminal(tmp_path: Path) -> None:
    bad = save_arrays(tmp_path / "bäd.npz", val=np.full((2, 16, 16), 77, np.uint8))
    environment = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}
    done = python("-O", "-m", "arcvae.train", f"data.path='{bad}'", cwd=tmp_path, **environment)
    assert done.returncode == 3
    assert "val[0, 0, 0] is 77" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code"), [pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow), (signal.SIGINT, 130)]
)
def test_signal_ends_a_run_with_its_code_and_a_checkpoint_that_loads(
    tmp_path: Path, tiny_corpus: Path, number: signal.Signals, code: int
) -> None:
    process = Process("arcvae.train", f"data.path={tiny_corpus}", *FAST, "trainer.max_epochs=10000", cwd=tmp_path)
    deadline = time.monotonic() + 120
    while not list(tmp_path.rglob("last.ckpt")):
        assert time.monotonic() < deadline
        assert process.returncode is None
        time.sleep(0.1)
    process.send_signal(number)
    errors = process.wait(timeout=60).stderr
    assert process.returncode == code
    assert "Traceback" not in errors
    assert f"arcvae: interrupted by {number.name}" in errors
    (checkpoint,) = tmp_path.rglob("last.ckpt")
    assert list(tmp_path.rglob("*.part")) == []
    epochs = len((checkpoint.parent.parent / "metrics.csv").read_text().splitlines()) - 1
    done = run("arcvae.train", f"ckpt_path={checkpoint}", f"trainer.max_epochs={epochs + 1}", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (record,) = tmp_path.rglob("metrics.json")
    assert json.loads(record.read_text())["epochs"] >= epochs


@pytest.mark.slow
def test_two_processes_see_each_test_grid_once(tmp_path: Path) -> None:
    # 7 test grids for two processes: Lightning's own sampler would show one of them twice.
    grids = np.random.default_rng(0).integers(0, 10, (40, 16, 16)).astype(np.uint8)
    corpus = save_arrays(tmp_path / "c.npz", train=grids[:24], val=grids[24:33], test=grids[33:])
    command = ["-m", "arcvae.train", f"data.path={corpus}", *FAST, "data.eval_batch_size=2", "data.sampler=progressive"]
    done = python(*command, "+trainer.strategy=ddp", "trainer.devices=2", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (record,) = tmp_path.glob("outputs/train/*/metrics.json")
    found = json.loads(record.read_text())["test"]
    state = load_torch(record.parent / "vae_best.pth")
    model = BetaVAE(**{name: value for name, value in state["model"].items() if name != "_target_"})
    model.load_state_dict(state["state_dict"])
    decoded = model.eval()(torch.from_numpy(grids[33:])).argmax(1).numpy()
    assert found["pixel_accuracy"] == pytest.approx((decoded == grids[33:]).mean(), abs=1e-9)


@pytest.mark.slow
def test_run_needs_no_network_and_no_wandb(tmp_path: Path, tiny_corpus: Path) -> None:
    # The hook of the interpreter sees every connection and every import, whoever makes it.
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "class NoWandb:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] == 'wandb':\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, NoWandb())\n"
        "def hook(event, args):\n"
        "    if event == 'socket.connect' and not isinstance(args[1], (str, bytes)):\n"
        "        open('connected', 'w').close()\n"
        "sys.addaudithook(hook)\n"
    )
    command = ["-m", "arcvae.train", f"data.path={tiny_corpus}", *FAST, "trainer.max_epochs=1"]
    done = python(*command, cwd=tmp_path, PYTHONPATH=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "connected").exists()


@pytest.mark.slow
def test_installed_package_brings_its_config_and_works_anywhere(tmp_path: Path) -> None:
    built = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "dist")],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    site, here = tmp_path / "site", tmp_path / "here"
    here.mkdir()
    with zipfile.ZipFile(wheel) as archive:
        assert {"arcvae/grid/page/explorer.js", "arcvae/training/page/page.html"} <= set(archive.namelist())
        archive.extractall(site)
    code = "import arcvae.app.compose, sys; assert 'site' in arcvae.app.compose.CONF_DIR.parts; sys.argv[0] = 'arcvae-train'; from arcvae.train import main; sys.exit(main())"
    done = python("-c", code, "loss=option_b", "--cfg", "job", cwd=here, PYTHONPATH=str(site))
    assert done.returncode == 0, done.stderr
    assert "class_weights: sqrt_inverse" in done.stdout
