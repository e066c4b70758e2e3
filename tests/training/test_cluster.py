"""A run of one process within a Slurm job."""

from __future__ import annotations

from typing import Any

import pytest
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.pytorch import Trainer

from arcvae.training.cluster import environment


@pytest.mark.parametrize(
    ("tasks", "trainer", "kind"),
    [
        (None, {"devices": 1}, None), (None, {"devices": 4}, None), ("1", {"devices": 1}, LightningEnvironment),
        ("4", {"devices": 1}, LightningEnvironment), ("4", {"devices": "1"}, LightningEnvironment),
        ("4", {"devices": 1, "num_nodes": 1}, LightningEnvironment), ("4", {"devices": 4}, SLURMEnvironment),
        ("4", {"devices": 1, "num_nodes": 4}, SLURMEnvironment), ("4", {}, SLURMEnvironment),
    ],
)  # fmt: skip
def test_run_of_one_process_goes_by_itself_and_slurm_requeues_none(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tasks: str | None, trainer: Any, kind: Any
) -> None:
    monkeypatch.delenv("SLURM_NTASKS", raising=False)
    if tasks is not None:
        monkeypatch.setenv("SLURM_NTASKS", tasks)
    monkeypatch.delenv("SLURM_JOB_NAME", raising=False)
    for name, value in {"PROCID": "0", "NTASKS_PER_NODE": "4"}.items():  # which Lightning wants for several processes
        monkeypatch.setenv(f"SLURM_{name}", value)
    found = environment(trainer)
    assert [type(one) for one in found] == ([] if kind is None else [kind])
    # Lightning's own checkpoint for a requeued job would lie where only arcvae's may.
    assert all(not one.auto_requeue for one in found if isinstance(one, SLURMEnvironment))
    alone = kind is LightningEnvironment and tasks == "4"
    assert ("SLURM_NTASKS=4, but this run is one process" in caplog.text) == alone


def test_trainer_of_one_process_is_made_in_a_job_of_four_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    # sbatch --ntasks=4: Lightning 20391, 19762.
    for name, value in {"NTASKS": "4", "JOB_ID": "7", "PROCID": "0", "LOCALID": "0", "NODEID": "0"}.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    settings: dict[str, Any] = {"accelerator": "cpu", "devices": 1, "logger": False}
    with pytest.raises(RuntimeError, match="ntasks"):
        Trainer(**settings)
    assert Trainer(**settings, plugins=environment(settings)).world_size == 1
