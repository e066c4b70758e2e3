"""Hydra builds nothing from its own node that a config may not name, whatever the command line asks for."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from arcvae.app.compose import plan
from arcvae.app.hydra_nodes import hydra_problems
from arcvae.errors import ConfigError
from tests.conftest import NamedCommand, fault

RUN, LOGS = "torch.utils.collect_env.run", "hydra.experimental.callbacks"


def nodes(canary: Path) -> dict[str, str]:
    """YAML of hydra nodes that would run code, by what would run it."""
    touch = f"touch {canary}"
    return {
        "callback": f"callbacks:\n    x: {{_target_: {RUN}, command: {touch}}}",
        "nested in a callback": f"callbacks:\n    x:\n      _target_: {LOGS}.LogJobReturnCallback\n"
        f"      y: {{_target_: {RUN}, command: {touch}}}",
        "by way of a module": f"callbacks:\n    x: {{_target_: {LOGS}.logging.os.system, command: {touch}}}",
        "launcher": f"launcher: {{_target_: {RUN}, command: {touch}}}",
        "sweeper": f"sweeper: {{_target_: {RUN}, command: {touch}}}",
        "sweeper of a list": f"sweeper: {{params: [{{_target_: {RUN}, command: {touch}}}]}}",
        "factory of a handler": f"job_logging:\n    handlers:\n      console: {{(): os.system, command: {touch}}}",
        "factory of a formatter": f"hydra_logging:\n    formatters:\n      simple: {{(): os.system, command: {touch}}}",
        "class of a handler": "job_logging:\n    handlers:\n"
        f"      x: {{class: subprocess.Popen, args: {touch}, shell: true}}",
        "class by interpolation": "job_logging:\n    handlers:\n      x: {class: '${oc.env:C}', args: touch}",
        "object": "hydra_logging:\n    handlers:\n      console: {stream: ext://antigravity.fly}",
    }  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", nodes(Path()))
def test_node_that_would_run_code_is_refused_before_hydra_sees_it(
    command: NamedCommand, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "conf" / "experiment"
    folder.mkdir(parents=True)
    (folder / "foreign.yaml").write_text(f"# @package _global_\nhydra:\n  {nodes(tmp_path / 'canary')[name]}\n")
    words = ("--config-dir", str(tmp_path / "conf"), "experiment=foreign", "data.path=none.npz")
    every = (("-m", "seed=1,2"), ("--cfg", "job"), ("--help",), ("--info", "config"))
    for flags in ((), *(every if name in ("callback", "factory of a formatter") else ())):
        assert command("train", *flags, *words) == 2, flags
        assert not (tmp_path / "canary").exists()
        line = fault(capsys)  # what Hydra itself finds wrong with its launcher and sweeper is told in its own words
        assert "error[E_CONFIG]: hydra." in line or name.startswith(("launcher", "sweeper"))
    assert not (tmp_path / "outputs").exists()


@pytest.mark.slow
def test_what_hydra_needs_is_let_through() -> None:
    plan("train", [])
    plan("train", ["+hydra.callbacks.log._target_=hydra.experimental.callbacks.LogJobReturnCallback"])
    plan("train", ["hydra.job_logging.root.level=DEBUG", "hydra.job_logging.handlers.console.stream=ext://sys.stderr"])
    plan("train", ["hydra/job_logging=none", "hydra/hydra_logging=none", "hydra.output_subdir=null"])
    for value in ("${hydra:job.num}", "${hydra.job.override_dirname}", "a/b"):
        plan("train", [f"hydra.sweep.subdir='{value}'"])


@pytest.mark.slow
def test_callback_of_a_plugin_is_let_through_but_not_what_it_imports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "hooks.py").write_text(
        "from os import system\nfrom hydra.experimental.callback import Callback\n\nclass Mine(Callback):\n    pass\n"
    )
    plan("train", ["plugins=[hooks]", "+hydra.callbacks.mine._target_=hooks.Mine"])
    for target in ("hooks.system", "hooks.none", "hooks"):
        with pytest.raises(ConfigError, match="is not among what Hydra may build; name a module of yours in plugins"):
            plan("train", ["plugins=[hooks]", f"+hydra.callbacks.mine._target_={target}"])
    with pytest.raises(ConfigError, match=r"hydra\.callbacks\.mine\._target_=hooks\.Mine is not among"):
        plan("train", ["+hydra.callbacks.mine._target_=hooks.Mine"])


def test_sampler_of_a_sweeper_that_searches_is_let_through_but_not_what_it_imports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As Hydra's sweeper of Optuna names it, which is not among what arcvae installs.
    (tmp_path / "optuna" / "samplers").mkdir(parents=True)
    (tmp_path / "optuna" / "samplers" / "__init__.py").write_text("from os import system\nclass TPESampler: ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert hydra_problems({"sweeper": {"sampler": {"_target_": "optuna.samplers.TPESampler"}}}, []) == []
    assert hydra_problems({"sweeper": {"sampler": {"_target_": "optuna.samplers.system"}}}, []) != []


@pytest.mark.parametrize("target", [7, True, "", ".", "os", [], {}, "hydra_plugins.none.None", "${oc.env:X}"])
def test_odd_targets_are_refused(target: Any) -> None:
    assert hydra_problems({"callbacks": {"x": {"_target_": target}}}, []) != []
    assert hydra_problems({"callbacks": {"x": {"_target_": None}}}, ["os"]) == []


@pytest.mark.slow
@pytest.mark.parametrize("value", ["../..", "/absolute", "a/../../b", "~/x", "x" * 300, "..", "c:/x", "a\\..\\..\\b"])
@pytest.mark.parametrize(
    "key",
    ["hydra.job.name", "hydra.sweep.subdir", "hydra.output_subdir", "logger.name", "logger.version",
     "callbacks.checkpoint.filename"],
)  # fmt: skip
def test_names_cannot_lead_out_of_the_output_folder(key: str, value: str) -> None:
    with pytest.raises(ConfigError, match=rf"{key}=.* must (be a name without '\.\.'|have at most 200 characters)"):
        plan("train", [f"{key}='{value}'"])


def test_folder_that_a_logger_adds_cannot_lead_out_either() -> None:
    with pytest.raises(ConfigError, match=r"logger\.sub_dir=\.\./x must be a name without '\.\.'"):
        plan("train", ["logger=tensorboard", "+logger.sub_dir=../x"])


def test_picture_of_a_study_cannot_lead_out_of_its_folder(
    command: NamedCommand, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "mine.yaml").write_text("defaults: [options]\nplanes: {../../x: [kl, loss]}\n")
    assert command("compare", "--config-dir", str(tmp_path), "study=mine") == 2
    assert "study.planes.../../x: the name must be a name without '..'" in fault(capsys)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["LD_PRELOAD", "PYTHONPATH", "WANDB_BASE_URL", "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"])
def test_environment_of_a_job_is_not_set_by_a_config(
    command: NamedCommand,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
) -> None:
    # The processes of W&B, of workers and of a comparison would all begin with it.
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "foreign.yaml").write_text(
        f"# @package _global_\nhydra:\n  job:\n    env_set: {{{name}: x}}\n"
    )
    words = ("--config-dir", str(tmp_path), "experiment=foreign", "data.path=none.npz")
    monkeypatch.delenv(name, raising=False)
    for flags in ((), ("-m", "seed=1,2"), ("--help",)):
        assert command("train", *flags, *words) == 2
        said = f"hydra.job.env_set.{name} is not among the variables that a config may set; set it for the command"
        assert said in fault(capsys)
    assert name not in os.environ
    plan("train", ["+hydra.job.env_set.OMP_NUM_THREADS=2", "+hydra.job.env_set.CUDA_VISIBLE_DEVICES=0"])


@pytest.mark.parametrize(
    "name",
    [
        "~/.bashrc", "/home/me/.bashrc", "../x.log", "train.log", "${hydra:runtime.output_dir}/../../x",
        "${hydra:runtime.output_dir}", "${hydra:runtime.output_dir}/${oc.env:HOME}", "${output_dir}/x.log",
        "${hydra:runtime.output_dir}x/y", "${hydra:runtime.cwd}/x", 7, None,
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["job_logging", "hydra_logging"])
def test_log_lies_in_the_run_folder(kind: str, name: Any) -> None:
    # A log is appended to what is there, in a format that the same file gives: a line for a shell, for example.
    handlers = {"file": {"class": "logging.FileHandler", "filename": name}}
    (line,) = hydra_problems({kind: {"handlers": handlers}}, [])
    assert line.startswith(f"hydra.{kind}.handlers.file.filename={name} is not in the run folder; begin it with ")
    remedy = line.rpartition(" ")[2]
    for rest in ("x.log", "logs/${hydra:job.name}.log", "${hydra.job.num}"):
        handlers["file"]["filename"] = f"{remedy}{rest}"
        assert hydra_problems({kind: {"handlers": handlers}}, []) == []
