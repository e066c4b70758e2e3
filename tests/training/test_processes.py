"""What a process knows of the run that it is a part of."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from arcvae.errors import ConfigError
from arcvae.training.processes import END_SIGNALS, is_first_process, require_one_folder

RANKS = ("RANK", "SLURM_PROCID", "NODE_RANK", "GROUP_RANK", "LOCAL_RANK")


@pytest.mark.parametrize(
    ("variables", "first"),
    [
        ({}, True),
        ({"LOCAL_RANK": "0"}, True), ({"LOCAL_RANK": "1"}, False),  # by Lightning itself
        ({"NODE_RANK": "1"}, False), ({"NODE_RANK": "1", "LOCAL_RANK": "0"}, False),  # ... on the second machine
        ({"RANK": "0", "LOCAL_RANK": "0", "GROUP_RANK": "0"}, True),  # by torchrun
        ({"RANK": "4", "LOCAL_RANK": "0", "GROUP_RANK": "1"}, False),
        ({"SLURM_PROCID": "0", "SLURM_LOCALID": "0"}, True), ({"SLURM_PROCID": "2", "SLURM_LOCALID": "0"}, False),
        ({"SLURM_PROCID": "0", "LOCAL_RANK": "1"}, False),  # by Lightning, within a job of one task
    ],
)  # fmt: skip
def test_first_process_is_known_whoever_started_it(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], first: bool
) -> None:
    for name in RANKS:
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert is_first_process() == first


@pytest.mark.parametrize("name", ["WORLD_SIZE", "SLURM_STEP_NUM_TASKS"])
def test_processes_that_others_started_need_one_folder(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    trainer: dict[str, Any] = {"devices": 2}
    require_one_folder(trainer, [])
    monkeypatch.setenv(name, "2")
    with pytest.raises(ConfigError, match="2 processes were started for this run; name one folder for all") as told:
        require_one_folder(trainer, ["seed=1"])
    require_one_folder(trainer, ["seed=1", str(told.value).split()[-1]])
    require_one_folder({"devices": 1, "num_nodes": 1}, [])  # each trains alone


def test_signals_that_end_a_run_are_those_of_shells_and_clusters() -> None:
    assert {signal.SIGINT, signal.SIGTERM} <= set(END_SIGNALS)
    assert not hasattr(signal, "SIGUSR1") or signal.SIGUSR1 in END_SIGNALS
