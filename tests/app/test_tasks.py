"""The task that a config or a file names is found without torch, and may be no other code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from arcvae.app.compose import plan
from arcvae.app.tasks import task_of_export, task_of_node
from arcvae.audio.task import AudioTask
from arcvae.errors import CheckpointError, ConfigError
from arcvae.grid.task import GridTask

PATH = Path("some.pth")


def named(target: Any) -> dict[str, Any]:
    return {"task": {"_target_": target}}


def test_task_of_a_config_is_the_one_that_it_names() -> None:
    for words, task in (([], GridTask), (["experiment=audio_cnn"], AudioTask)):
        (config,) = plan("train", words)
        assert type(task_of_node(config["task"], config["plugins"])) is task


def test_task_of_an_export_is_the_one_that_it_names() -> None:
    assert type(task_of_export(named("arcvae.audio.task.AudioTask"), PATH)) is AudioTask
    assert type(task_of_export(named("arcvae.grid.task.GridTask"), PATH)) is GridTask


def test_torch_is_not_imported() -> None:
    code = (
        "import sys; from arcvae.app.tasks import task_of_node\n"
        "task_of_node({'_target_': 'arcvae.grid.task.GridTask'}, [])\n"
        "assert not {'torch', 'lightning', 'hydra'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("os.system", "is not among what may be built from a config"),
        ("arcvae.grid.models.beta_vae.GridTask", "has no attribute 'GridTask'"),
        ("arcvae.grid.models.beta_vae.BetaVAE", "is not a task; derive it from arcvae.training.task.Task"),
    ],
)
def test_what_is_no_task_is_refused(target: str, message: str) -> None:
    with pytest.raises(ConfigError, match=rf"task._target_={target}.*{message}"):
        task_of_node({"_target_": target}, [])


@pytest.mark.parametrize("target", ["os.system", "my_birds.MyTask", None, 3, ["arcvae.grid.task.GridTask"]])
def test_export_may_not_name_code_that_is_not_of_arcvae(target: Any) -> None:
    with pytest.raises(CheckpointError, match=r"some.pth is of the task .*, which is not arcvae's; if it is yours"):
        task_of_export(named(target), PATH)
    with pytest.raises(CheckpointError, match="is of the task None"):
        task_of_export({}, PATH)


def test_export_with_a_misspelt_task_is_no_checkpoint() -> None:
    with pytest.raises(CheckpointError, match=r"some.pth: task._target_=arcvae.grid.models.task.GridTask"):
        task_of_export(named("arcvae.grid.models.task.GridTask"), PATH)
