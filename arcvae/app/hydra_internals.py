"""What arcvae needs of Hydra beyond its public interface, and which may change with any release of it.

``hydra.main`` parses the command line itself and offers no way to look at it before. But a command has to know
beforehand which words are overrides and which are flags (``-m`` may stand anywhere, ``--config-dir`` takes a value), to
check every job before anything is written. A parser of our own would be wrong about the next flag of Hydra.

Which files a config is made of is known to Hydra alone, which loads each with ``OmegaConf.load`` as it comes to it.

Hydra makes the folder of each job of a sweep before it calls the job, and ends the sweep where it cannot.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from hydra._internal.core_plugins import basic_launcher
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, JobStatus
from omegaconf import DictConfig, OmegaConf
from yaml import YAMLError

from arcvae.errors import ConfigError
from arcvae.io.door import MAX_YAML, require_bounded_yaml


def parse_command_line() -> argparse.Namespace:
    """``sys.argv`` as Hydra understands it, with flags and overrides in any order.

    Returns:
        Hydra's flags by name (``multirun``, ``config_dir``, ``cfg``, ``help``, ...) and ``overrides``, a list.

    Raises:
        ConfigError: A flag that Hydra does not have, or one without its value.
    """

    def refuse(message: str) -> NoReturn:
        raise ConfigError(f"{message}; --help lists what there is")

    parser = get_args_parser()
    parser.error = refuse  # type: ignore[method-assign]
    parsed: argparse.Namespace = parser.parse_intermixed_args()
    return parsed


@contextlib.contextmanager
def bounded_yaml() -> Iterator[None]:
    """Refuse, within, config files that stand for more than they hold, before they are built.

    A file is parsed once however many jobs it is part of, which takes a quarter of the time of composing one.

    Raises:
        ConfigError: See :func:`arcvae.io.door.require_bounded_yaml`; a file of anything but keys with values.
    """
    load = OmegaConf.load
    known: dict[str | bytes, DictConfig] = {}

    def bounded(file: Any) -> Any:
        text = file.read(MAX_YAML + 1)
        if text in known:
            return copy.deepcopy(known[text])
        file.seek(0)
        try:
            with contextlib.suppress(YAMLError):  # which OmegaConf tells with the name of the file
                require_bounded_yaml(text if isinstance(text, bytes) else text.encode())
            found = load(file)
        except (ValueError, OSError, RecursionError) as error:
            raise ConfigError(f"{file.name} is not a config ({' '.join(str(error).split())[:120]})") from None
        if not isinstance(found, DictConfig):
            raise ConfigError(f"{file.name} is not a config; write keys with values")
        known[text] = copy.deepcopy(found)
        return found

    OmegaConf.load = bounded  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        OmegaConf.load = staticmethod(load)  # type: ignore[method-assign]


@contextlib.contextmanager
def going_on(failed: Callable[[DictConfig, OSError], None]) -> Iterator[None]:
    """Let a sweep of Hydra's own launcher go on, within, after a job whose folder or log cannot be made.

    Args:
        failed: Called with the config of the job, its ``hydra`` node included, and the error, in place of the job.
    """
    launcher: Any = basic_launcher
    run_job = launcher.run_job

    def guarded(**job: Any) -> JobReturn:
        try:
            done: JobReturn = run_job(**job)
            return done
        except OSError as error:  # what the job itself raises is in what is returned
            HydraConfig.instance().set_config(job["config"])  # from which the name of the folder is made
            failed(job["config"], error)
            return JobReturn(status=JobStatus.COMPLETED)

    launcher.run_job = guarded
    try:
        yield
    finally:
        launcher.run_job = run_job
