"""The folder of a sweep: held by one sweep at a time, and in it ``sweep.json``, the state of each job on disk."""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from hydra import compose
from hydra.conf import HydraConf
from hydra.types import RunMode

from arcvae.app.compose import composing, search_path
from arcvae.app.faults import as_fault
from arcvae.app.hydra_internals import parse_command_line
from arcvae.app.overrides import parse_overrides, quoted
from arcvae.app.resolving import REFUSALS
from arcvae.errors import DataError, FileSystemError
from arcvae.io.door import read_json
from arcvae.io.files import write_json
from arcvae.io.locks import lock_folder, lock_or_warn

FILE: Final = "sweep.json"
"""By number of the job: its ``state`` ("running", "finished", "failed" or "interrupted"), ``folder``, ``overrides``,
and ``error``, a line or null. A job that is not in it was not begun."""
BARE: Final = "bare"
"""Option of the group ``hydra`` for commands that leave what they make, and nothing else."""
LOCK: Final = "sweep.lock"
"""The file in the folder of a sweep by which it is locked."""
DIED: Final = "the process ended without a word"
"""What is said of a job that is still "running" when another sweep holds the folder: killed, or the power was cut."""


def has_run_folders(context: HydraConf) -> bool:
    """Whether the jobs of a command have folders of their own; else theirs is the current one, whatever lies there.

    Args:
        context: Hydra's part of a config.
    """
    return context.runtime.choices.get("hydra") != BARE


@contextlib.contextmanager
def settled_sweep(config_name: str) -> Iterator[None]:
    """Hold the folder that a checked command line gives a sweep; from then on ``sys.argv`` names it, for Hydra to take.

    A name made of time and chance would be another one each time that a config is composed. Where jobs have no folders
    nothing is held, and Hydra, which writes into the folder of every sweep, gets one that is gone afterwards.

    Args:
        config_name: Of the command.

    Raises:
        BusyError: Another sweep is going on in it.
        FileSystemError: It cannot be made or written to.
    """
    arguments = parse_command_line()
    with contextlib.ExitStack() as held:
        if found := _named_folder(config_name, arguments):
            folder, is_of_jobs = found
            if is_of_jobs:
                held.enter_context(held_sweep(folder))
            elif folder == Path.cwd():
                folder = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="arcvae-")))
            flags = [word for word in sys.argv[1:] if word not in arguments.overrides]
            sys.argv = [sys.argv[0], *flags, *arguments.overrides, f"hydra.sweep.dir={quoted(str(folder))}"]
        yield


def _named_folder(config_name: str, arguments: argparse.Namespace) -> tuple[Path, bool] | None:
    """The folder that a command line gives a sweep, and whether its jobs have folders of their own.

    Returns:
        None if nothing is to run, or if the name is made of what only a running job has.
    """
    if arguments.cfg or arguments.help or arguments.hydra_help or arguments.info or arguments.shell_completion:
        return None
    with composing():
        parsed = parse_overrides(arguments.overrides)
        common = [str(override.input_line) for override in parsed if not override.is_sweep_override()]
        search = search_path(parsed, arguments.config_dir)
        try:
            context = compose(config_name, [*search, *common], return_hydra_config=True).hydra
            return Path(context.sweep.dir).absolute(), has_run_folders(context)
        except REFUSALS:
            return None


@contextlib.contextmanager
def held_sweep(folder: Path) -> Iterator[None]:
    """Hold the folder of a sweep against other sweeps; jobs that died in it with their process are interrupted ones.

    Args:
        folder: Made when missing.

    Raises:
        BusyError: Another sweep is going on in it.
        FileSystemError: It cannot be made or written to.
    """
    with lock_folder(folder, LOCK, "hydra.sweep.dir"):
        for number, job in jobs_of_sweep(folder).items():
            if job["state"] == "running":
                _write(folder, number, {**job, "state": "interrupted", "error": DIED})
        yield


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
        fault = (as_fault(error) if isinstance(error, Exception) else None) or error
        said = None if fault is None else " ".join(str(fault).split())
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
        jobs = jobs_of_sweep(sweep) | {number: entry}
        write_json(path, dict(sorted(jobs.items(), key=lambda item: int(item[0]))))


def jobs_of_sweep(sweep: Path) -> dict[str, dict[str, Any]]:
    """What ``sweep.json`` says of each job by its number, each with all of its keys; nothing if it cannot be read.

    Args:
        sweep: Folder of the sweep.
    """
    try:
        known = read_json(sweep / FILE, DataError, "none")
    except (DataError, FileSystemError):
        return {}
    entries = known.items() if isinstance(known, dict) else ()
    return {number: _complete(entry) for number, entry in entries if number.isdecimal() and isinstance(entry, dict)}


def _complete(entry: dict[str, Any]) -> dict[str, Any]:
    state, folder, error = (None if entry.get(key) is None else str(entry[key]) for key in ("state", "folder", "error"))
    words = entry.get("overrides")
    overrides = [str(word) for word in words] if isinstance(words, list) else []
    return {"state": state, "folder": folder, "overrides": overrides, "error": error}
