"""The folder that a run writes into: held by one run at a time, and never written over once it is finished."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path

from arcvae.errors import BusyError
from arcvae.io.locks import lock_folder

log = logging.getLogger(__name__)


@contextlib.contextmanager
def held_run_folder(folder: Path) -> Iterator[None]:
    """Hold a run folder against other runs.

    Further processes of the same run, which Lightning starts with ``LOCAL_RANK`` set, leave that to the first one.

    Raises:
        BusyError: Another process is running in it, or a finished run lies there.
        FileSystemError: It cannot be written to.
    """
    if os.environ.get("LOCAL_RANK", "0") != "0":
        yield
        return
    with lock_folder(folder):
        if (folder / "metrics.json").exists():
            raise BusyError(f"{folder} holds a finished run; choose another hydra.run.dir")
        yield


def link_latest(folder: Path, output_dir: Path) -> None:
    """Point ``OUTPUT_DIR/latest`` to a run folder; a system without links costs a warning."""
    link = output_dir / "latest"
    part = output_dir / f".latest.{os.getpid()}.part"
    try:
        part.unlink(missing_ok=True)
        part.symlink_to(os.path.relpath(folder, output_dir), target_is_directory=True)
        os.replace(part, link)
    except OSError as error:
        log.warning("%s does not point to this run: %s", link, error.strerror or error)
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
