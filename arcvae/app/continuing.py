"""Going on with a training run from a checkpoint: what must be the same, what is taken over, and what may go wrong."""

from __future__ import annotations

import contextlib
import logging
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Any, Final

from arcvae.app.assembly import Run
from arcvae.app.identity import differences, kept_versions
from arcvae.errors import ArcvaeError, CheckpointError
from arcvae.io.exports import read_checkpoint
from arcvae.io.files import write_atomic
from arcvae.io.settings import with_value
from arcvae.io.stamp import require_resumable
from arcvae.training.resuming import LAST, read_or_name_another
from arcvae.training.run_folder import link_latest

log = logging.getLogger("arcvae")

_RESTORING: Final = "connectors.checkpoint_connector"
"""Module of Lightning that restores a run."""


@contextlib.contextmanager
def told_of(ckpt_path: Path | None) -> Iterator[None]:
    """Tell an error in restoring a checkpoint, whose entries Lightning and callbacks take for granted, as one of it."""
    try:
        yield
    except ArcvaeError:
        raise
    except Exception as error:  # what somebody else wrote into a file may lead to any
        frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
        if ckpt_path is not None and any(_uses_what_was_restored(frame) for frame in frames):
            said = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            raise CheckpointError(f"{ckpt_path} cannot be continued ({said}); use another checkpoint") from error
        raise


def _uses_what_was_restored(frame: FrameType) -> bool:
    """Whether a function restores a run, or is of an optimizer, which takes its settings and its state from there."""
    module, name = str(frame.f_globals.get("__name__")), frame.f_code.co_name.lstrip("_")
    return module.startswith("torch.optim.") or (module.endswith(_RESTORING) and name.startswith(("resume", "restore")))


def take_over(start: Path, folder: Path, output_dir: Path) -> None:
    """Begin the folder of a continued run with the checkpoint that it continues from: it is never without one."""
    last = folder / "checkpoints" / LAST
    if start.parent.resolve() != last.parent.resolve():
        write_atomic(last, start.read_bytes())
        link_latest(folder, output_dir)


def keep_versions(start: Path, config: dict[str, Any], shown: dict[str, Any]) -> None:
    """Give a run that is continued the versions that it began with, in place."""
    before = read_or_name_another(start)["arcvae"]["config"]
    for key, version in kept_versions(before, config).items():
        log.info("Continuing with %s=%d, as the run began", key, version)
        for node in (config, shown):
            node.update(with_value(node, key.split("."), version))


def require_same_run(path: Path, config: Mapping[str, Any], run: Run) -> None:
    """A checkpoint is continued by the run that wrote it, not by another one.

    Raises:
        CheckpointError: Not a checkpoint of arcvae, or made with other settings or another corpus.
    """
    checkpoint = read_checkpoint(path)
    require_resumable(checkpoint, Path(path))
    stamp = checkpoint["arcvae"]
    other = differences(stamp["config"], config)
    if stamp["corpus_sha256"] != run.data.content_hash:
        other.append("the corpus")
    if other:
        raise CheckpointError(f"{path} cannot be continued with other settings: {'; '.join(other)}")
    done = checkpoint["epoch"] + 1
    if done > config["trainer"]["max_epochs"]:
        raise CheckpointError(f"{path} has {done} epochs behind it; set trainer.max_epochs to more than that")
