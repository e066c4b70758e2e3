"""What a process knows of its run before torch is imported: whether it is the first, where it writes, what ends it."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence
from typing import Any, Final

from arcvae.errors import ConfigError

END_SIGNALS: Final = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1") if hasattr(signal, name))
"""Signals that ask a run to save its state and to end; the last is what Slurm sends before a time limit, if told so
(``sbatch --signal=SIGUSR1@90``)."""
_RANKS: Final = ("RANK", "SLURM_PROCID", "NODE_RANK", "GROUP_RANK", "LOCAL_RANK")
"""Variables by which whoever starts processes numbers them, or their machines."""


def is_first_process() -> bool:
    """Whether this process is the first one of its run, whoever started it: the one that writes into the run folder.

    torchrun and Slurm number all of them, Lightning those of a machine. Each may have started the others' processes,
    which inherit its number: the first one has no other number than 0.
    """
    return all(os.environ.get(name, "0") == "0" for name in _RANKS)


def require_one_folder(trainer: Mapping[str, Any], command: Sequence[str]) -> None:
    """Refuse a run whose processes were started by Slurm or torchrun and would each make up a folder of their own.

    Args:
        trainer: ``devices`` and ``num_nodes`` of the trainer.
        command: Words of the command line.

    Raises:
        ConfigError: There are several, and no folder is named.
    """
    started = max(int(os.environ.get(name, "1")) for name in ("WORLD_SIZE", "SLURM_STEP_NUM_TASKS"))
    alone = trainer.get("devices") in (1, "1") and trainer.get("num_nodes") in (None, 1)
    if started > 1 and not alone and not any(word.startswith("hydra.run.dir=") for word in command):
        raise ConfigError(
            f"{started} processes were started for this run; name one folder for all: hydra.run.dir=outputs/train/NAME"
        )
