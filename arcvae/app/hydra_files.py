"""What Hydra writes into the folder of a job, written by the job itself: once it holds the folder, and not before."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf

from arcvae.io.files import write_atomic
from arcvae.training.processes import is_first_process

FOLDER: Final = ".hydra"
"""Folder within a run folder, as Hydra names it."""


def write_hydra_files(folder: Path, shown: Mapping[str, Any]) -> None:
    """Write ``config.yaml``, ``hydra.yaml`` and ``overrides.yaml``; nothing outside a job of Hydra.

    Hydra itself would write them before the job begins (``hydra.output_subdir``), and so a job that is refused would
    have replaced those of the run that the folder belongs to.

    Args:
        folder: Run folder, which this process holds.
        shown: Config of the job, without the values of secrets.

    Raises:
        FileSystemError: They cannot be written.
    """
    hydra: Any = HydraConfig.instance().cfg
    if hydra is None or not is_first_process():
        return
    if OmegaConf.select(hydra, "hydra.runtime.output_dir") != str(folder):  # left by a sweep that is over
        return
    files = {"config": dict(shown), "hydra": hydra, "overrides": OmegaConf.select(hydra, "hydra.overrides.task")}
    for name, content in files.items():
        write_atomic(folder / FOLDER / f"{name}.yaml", OmegaConf.to_yaml(content).encode())
