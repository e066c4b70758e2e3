"""The state of each job of a sweep, on disk: ``sweep.json`` in the folder of the sweep."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from hydra.conf import HydraConf
from hydra.types import RunMode

from arcvae.errors import FileSystemError
from arcvae.io.files import write_json
from arcvae.io.locks import lock_or_warn

FILE: Final = "sweep.json"
"""By number of the job: its ``state`` ("running", "finished", "failed" or "interrupted"), ``folder``, ``overrides``,
and ``error``, a line or null. A job that is not in it was not begun."""


@contextlib.contextmanager
def noted(context: HydraConf, folder: Path) -> Iterator[None]:
    """Note how a job fares, if it is one of a sweep that has a folder for each job.

    Args:
        context: Hydra's part of the config of the job.
        folder: Folder of the job.
    """
    sweep = Path(context.sweep.dir).absolute() if context.mode == RunMode.MULTIRUN else folder
    if sweep == folder:
        yield
        return
    facts = {"folder": folder.name, "overrides": [str(override) for override in context.overrides.task]}

    def note(state: str, error: BaseException | None = None) -> None:
        said = None if error is None else " ".join(str(error).split())
        _write(sweep, str(context.job.num), {"state": state, **facts, "error": said})

    note("running")
    try:
        yield
    except Exception as error:
        note("failed", error)
        raise
    except BaseException as error:
        note("interrupted", error)
        raise
    note("finished")


def _write(sweep: Path, number: str, entry: dict[str, Any]) -> None:
    """Replace the entry of one job; jobs may run at the same time. A note that cannot be written costs no job."""
    path = sweep / FILE
    with contextlib.suppress(FileSystemError), lock_or_warn(sweep / ".sweep.lock", 5.0):
        try:
            known = json.loads(path.read_bytes())
        except (OSError, ValueError):
            known = {}
        jobs = {key: value for key, value in known.items() if key.isdecimal()} if isinstance(known, dict) else {}
        write_json(path, dict(sorted((jobs | {number: entry}).items(), key=lambda item: int(item[0]))))
