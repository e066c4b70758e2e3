"""Which checkpoint a run goes on from: the newest of its folder that can be read; it never starts over on one."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any, Final

from arcvae.errors import CheckpointError
from arcvae.io.exports import read_checkpoint
from arcvae.training.run_folder import AUTO, checkpoint_files

log = logging.getLogger("arcvae")

LAST: Final = "last.ckpt"


def valid_checkpoints(folder: Path) -> tuple[list[Path], list[Path]]:
    """The checkpoints of a run folder that can be read, those with most steps first, and the others.

    Their own count of steps decides, not the times of the files, which copying changes. Of two at the same step the
    last one counts, which was written after the best one.
    """
    steps: dict[Path, int] = {}
    damaged = []
    for path in checkpoint_files(folder):
        try:
            steps[path] = int(read_checkpoint(path)["global_step"])
        except (CheckpointError, KeyError, TypeError, ValueError):
            damaged.append(path)
    return sorted(steps, key=lambda path: (steps[path], path.name == LAST, path.name), reverse=True), damaged


def newest_checkpoint(folder: Path) -> Path | None:
    """The newest valid checkpoint of a run folder, or None if there are no checkpoints at all.

    If newer ones may be damaged, a warning names both.

    Raises:
        CheckpointError: All of them are damaged.
    """
    valid, damaged = valid_checkpoints(folder)
    names = ", ".join(map(str, damaged))
    if damaged and not valid:
        raise CheckpointError(f"{names}: damaged, and there is no other checkpoint; choose another run folder")
    if damaged:
        log.warning("%s cannot be read: using %s instead", names, valid[0])
    return valid[0] if valid else None


def read_or_name_another(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a checkpoint of ``arcvae.train``; if it is damaged, the error names the valid ones beside it.

    Raises:
        CheckpointError: As :func:`~arcvae.io.exports.read_checkpoint`.
    """
    path = Path(path)
    try:
        return read_checkpoint(path)
    except CheckpointError as error:
        if path.parent.name != "checkpoints" or not path.is_file():
            raise
        others, _ = valid_checkpoints(path.parent.parent)
        if not others:
            raise
        raise CheckpointError(f"{error}; intact beside it: {', '.join(map(str, others))}") from None


def starting_point(folder: Path, ckpt_path: str | None) -> Path | None:
    """The checkpoint that a run in ``folder`` goes on from; None to begin.

    A folder that holds checkpoints is of a run that was interrupted: it goes on, whatever it began with.

    Args:
        folder: Run folder, held by this process.
        ckpt_path: As in the config: None, "auto", a checkpoint, or a run folder, which stands for its newest one.

    Raises:
        CheckpointError: What is asked for is not there or damaged, or older than what the folder holds.
    """
    own = newest_checkpoint(folder)
    if ckpt_path in (None, AUTO):
        if own is not None:
            log.info("%s holds an interrupted run: continuing from %s", folder, own.name)
        elif ckpt_path == AUTO:
            log.info("ckpt_path=auto: %s holds no checkpoint, so that this run begins", folder)
        return own
    given = Path(os.path.realpath(ckpt_path))
    if given.is_dir():
        if (found := newest_checkpoint(given)) is None:
            raise CheckpointError(f"ckpt_path={given}: this folder holds no checkpoint; give that of a training run")
        given = found
    if own is None or own.resolve() == given:
        return given
    if given.parent == own.resolve().parent:
        raise CheckpointError(
            f"{given} would be continued over {own}, which is newer; leave out ckpt_path to go on from that, or choose "
            "another hydra.run.dir"
        )
    log.info("%s holds an interrupted run: continuing from %s, not from %s", folder, own.name, given)
    return own
