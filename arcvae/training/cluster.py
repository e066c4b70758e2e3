"""Runs of one process within the jobs of a cluster."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import Any

from lightning.fabric.plugins.environments.lightning import LightningEnvironment

log = logging.getLogger(__name__)


def environment(trainer: Mapping[str, Any]) -> list[LightningEnvironment]:
    """The plugin that a run of one process needs within a job of several tasks (``sbatch --ntasks=4``), if it is one.

    Lightning takes the tasks of a Slurm job for the processes of the run and refuses any other number.

    Args:
        trainer: ``devices`` and ``num_nodes`` of the trainer.
    """
    tasks = os.environ.get("SLURM_NTASKS", "1")
    if tasks == "1" or trainer.get("devices") not in (1, "1") or trainer.get("num_nodes") not in (None, 1):
        return []
    log.warning("SLURM_NTASKS=%s, but this run is one process: if several are started, each trains alone", tasks)
    return [LightningEnvironment()]
