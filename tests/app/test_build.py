"""A config may build what arcvae and plugins say may be built, and nothing else; refusals name the key."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from arcvae.app.build import Builder
from arcvae.errors import ArcvaeError, ConfigError, DataError
from arcvae.grid.elbo import Constant, LinearWarmup

BUILD = Builder(plugins=())
WARMUP = {"_target_": "arcvae.grid.elbo.LinearWarmup", "hold": 1, "ramp": 2, "maximum": 0.5}


def test_object_is_what_its_constructor_makes_of_the_values() -> None:
    found = BUILD("beta", WARMUP)
    assert isinstance(found, LinearWarmup)
    assert [found(epoch) for epoch in (0, 1, 2, 3, 9)] == [LinearWarmup(1, 2, 0.5)(epoch) for epoch in (0, 1, 2, 3, 9)]
    assert isinstance(BUILD("a.b", {"_target_": "arcvae.grid.elbo.Constant", "maximum": 1.0}), Constant)


def test_objects_are_passed_on_and_not_copied() -> None:
    weights = torch.rand(10)
    node = {"_target_": "arcvae.imbalance.losses.make_loss", "name": "cross_entropy"}
    assert BUILD("loss", node, class_weights=weights).class_weights.tolist() == weights.tolist()
    logger = object()
    made = BUILD("trainer", {**WARMUP, "_partial_": True}, logger=logger, plugins=[logger], key="k", node="n")
    assert isinstance(made, partial)
    assert made.keywords["logger"] is made.keywords["plugins"][0] is logger
    assert (made.keywords["key"], made.keywords["node"]) == ("k", "n")  # no name is taken


def test_partial_node_waits_for_its_arguments() -> None:
    make = BUILD("optimizer", {"_target_": "torch.optim.SGD", "lr": 0.5, "_partial_": True})
    parameter = torch.nn.Parameter(torch.ones(1))
    assert make([parameter]).param_groups[0]["lr"] == 0.5


@pytest.mark.parametrize(
    ("node", "message"),
    [
        ({"_target_": "os.system", "command": "true"}, "model._target_=os.system is not among what may be built"),
        ({"_target_": "subprocess.Popen"}, "is not among what may be built"),
        ({"_target_": "arcvae.app.build.Builder"}, "is not among what may be built"),
        # Trusted modules hold others under names of their own.
        (
            {"_target_": "arcvae.grid.callbacks.write_atomic", "path": "canary"},
            "leads to something that may not be built",
        ),
        ({"_target_": "torch.optim.optimizer.torch.hub.load"}, "may not be built"),
        (WARMUP | {"hold": {"_target_": "os.system", "command": "true"}}, "_target_=os.system leads to something"),
        (WARMUP | {"hold": [{"x": {"_target_": "arcvae.grid.callbacks.write_atomic"}}]}, "leads to something"),
        (WARMUP | {"hold": None, "holt": 1}, "model: .*unexpected keyword argument 'holt'"),
        (WARMUP | {"_target_": "arcvae.grid.elbo.Warmup"}, "model: cannot build arcvae.grid.elbo.Warmup"),
        (WARMUP | {"_target_": "arcvae.grid.models.none.Model"}, "model: cannot build arcvae.grid.models.none.Model"),
    ],
)
def test_what_cannot_or_may_not_be_built_is_refused_under_its_key(node: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        BUILD("model", node)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("model")


def test_constructor_is_not_called_before_everything_inside_has_been_looked_at(tmp_path: Path) -> None:
    inner = {"_target_": "os.mkdir", "path": str(tmp_path / "canary")}
    with pytest.raises(ConfigError, match="may not be built"):
        BUILD("beta", WARMUP | {"hold": inner})
    assert list(tmp_path.iterdir()) == []


def test_refusals_of_constructors_and_of_lightning_are_about_the_config(monkeypatch: pytest.MonkeyPatch) -> None:
    deep = {"_target_": "arcvae.grid.models.beta_vae.BetaVAE", "widths": [4] * 6}
    with pytest.raises(ConfigError, match=r"^model: a grid of size 16 cannot be halved 5 times"):
        BUILD("model", deep)
    node = {"_target_": "lightning.pytorch.Trainer", "logger": False}
    with pytest.raises(ConfigError, match=r"^trainer: "):  # a MisconfigurationException
        BUILD("trainer", node | {"gradient_clip_algorithm": "no such", "accelerator": "cpu"})
    # What Slurm says of a job of four tasks is a RuntimeError.
    for name, value in {"NTASKS": "4", "JOB_ID": "7", "PROCID": "0", "LOCALID": "0", "NODEID": "0"}.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    with pytest.raises(ConfigError, match=r"^trainer: RuntimeError: .*--ntasks=4.*Use `--ntasks-per-node=4` instead"):
        BUILD("trainer", node | {"accelerator": "cpu", "devices": 4, "strategy": "ddp"})


def test_faults_of_arcvae_and_true_bugs_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = "from arcvae.errors import DataError\ndef data(): raise DataError('no birds')\ndef bug(): return 1 / 0\n"
    (tmp_path / "my_builder.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match="is not among what may be built"):
        BUILD("data", {"_target_": "my_builder.data"})
    build = Builder(["my_builder"])
    with pytest.raises(DataError, match="no birds"):
        build("data", {"_target_": "my_builder.data"})
    with pytest.raises(ZeroDivisionError):
        build("bug", {"_target_": "my_builder.bug"})
    assert issubclass(DataError, ArcvaeError)
    del sys.modules["my_builder"]


def test_making_a_corpus_imports_neither_torch_nor_lightning() -> None:
    # Five seconds of waiting otherwise, for a command that takes a tenth of one.
    code = (
        "import sys, arcvae.app.jobs.corpus, arcvae.grid.corpus.files, arcvae.audio.corpus.make\n"
        "assert not {'torch', 'lightning', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
