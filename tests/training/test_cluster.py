"""A run of one process within a Slurm job."""

from __future__ import annotations

from typing import Any

import pytest
from lightning.pytorch import Trainer

from arcvae.training.cluster import environment


@pytest.mark.parametrize(
    ("tasks", "trainer", "count"),
    [
        (None, {"devices": 1}, 0), ("1", {"devices": 1}, 0), ("4", {"devices": 1}, 1), ("4", {"devices": "1"}, 1),
        ("4", {"devices": 1, "num_nodes": 1}, 1), ("4", {"devices": 4}, 0), ("4", {"devices": 1, "num_nodes": 4}, 0),
        ("4", {}, 0),
    ],
)  # fmt: skip
def test_only_a_run_of_one_process_goes_by_itself(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tasks: str | None, trainer: Any, count: int
) -> None:
    monkeypatch.delenv("SLURM_NTASKS", raising=False)
    if tasks is not None:
        monkeypatch.setenv("SLURM_NTASKS", tasks)
    assert len(environment(trainer)) == count
    assert ("SLURM_NTASKS=4, but this run is one process" in caplog.text) == bool(count)


def test_trainer_of_one_process_is_made_in_a_job_of_four_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    # sbatch --ntasks=4: Lightning 20391, 19762.
    for name, value in {"NTASKS": "4", "JOB_ID": "7", "PROCID": "0", "LOCALID": "0", "NODEID": "0"}.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    settings: dict[str, Any] = {"accelerator": "cpu", "devices": 1, "logger": False}
    with pytest.raises(RuntimeError, match="ntasks"):
        Trainer(**settings)
    assert Trainer(**settings, plugins=environment(settings)).world_size == 1
