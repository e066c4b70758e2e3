"""Runs within the jobs of a cluster: who tells a run about its processes."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import Any

from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment

log = logging.getLogger(__name__)


def environment(trainer: Mapping[str, Any]) -> list[ClusterEnvironment]:
    """The plugin that a run needs within a job of Slurm; none elsewhere.

    Lightning takes the tasks of a job for the processes of the run, and refuses any other number: a run of one process
    in a job of several tasks (``sbatch --ntasks=4``) goes by itself. And it would answer SIGUSR1 by a checkpoint that
    only a requeued job loads, from a folder in which nothing else may lie: here the signal ends a run as SIGTERM does,
    with a checkpoint that ``ckpt_path=auto`` goes on from.

    Args:
        trainer: ``devices`` and ``num_nodes`` of the trainer.
    """
    tasks = os.environ.get("SLURM_NTASKS")
    if tasks is None:
        return []
    if trainer.get("devices") not in (1, "1") or trainer.get("num_nodes") not in (None, 1):
        return [SLURMEnvironment(auto_requeue=False)] if SLURMEnvironment.detect() else []
    if tasks != "1":
        log.warning("SLURM_NTASKS=%s, but this run is one process: if several are started, each trains alone", tasks)
    return [LightningEnvironment()]
