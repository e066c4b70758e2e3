"""What all commands have in common: check first, run under Hydra, end with one line and one exit code."""

from __future__ import annotations

import errno
import importlib
import os
import signal
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, Final

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from arcvae.app.checks import argument_problems
from arcvae.app.compose import CONF_DIR, plan, register_resolvers, require_harmless_hydra, resolved
from arcvae.app.hydra_internals import parse_command_line
from arcvae.app.overrides import import_named_plugins, parse_overrides, resumed_overrides
from arcvae.errors import ArcvaeError, BusyError, CheckpointError, ConfigError, DataError, FileSystemError
from arcvae.io.settings import value_at

Job = Callable[[dict[str, Any], dict[str, Any], Path, list[str]], object]
"""Takes the resolved config, the same without the values of secrets, the run folder and the command line."""

CHILD: Final = "ARCVAE_CHILD"
"""Set in the environment of the processes that Lightning starts for further devices: their config has been checked."""
REFUSED: Final = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT)
"""What the operating system may answer to an attempt to write."""


class Interrupted(BaseException):
    """SIGINT or SIGTERM. Not an ``Exception``: nothing that goes on after an error may go on after this."""

    def __init__(self, number: int) -> None:
        super().__init__(f"interrupted by {signal.Signals(number).name}")
        self.exit_code = 128 + number
        self.folder: Path | None = None
        """Run folder of the job, if one was running."""


def run_command(config_name: str, job: str | Job, check: Callable[[dict[str, Any]], None]) -> int:
    """Run a command: check the config of each job, then run the jobs under Hydra.

    Args:
        config_name: Its config file in ``conf/``, without suffix.
        job: Called for each job; or the full name of such a function (``"arcvae.app.jobs.train.train"``), which is
            imported only after the check. What it returns, if a number, or the number that what it returns has as
            ``objective``, is the value of the job for sweepers that search.
        check: Called with the resolved config of each job before anything is written or torch is imported; raises
            ArcvaeError. What the config names is imported after it, and asked whether it takes the keys it gets.

    Returns:
        The exit code: 0, or that of the fault (see :mod:`arcvae.errors`); 1 for an internal error and for a sweep
        of which a job failed; 130 and 143 after SIGINT and SIGTERM.
    """
    failures: list[ArcvaeError] = []
    handlers = {number: signal.signal(number, _interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        sweep = _prepare(config_name, check)
        _run_jobs(config_name, job, failures)
    except (Exception, Interrupted) as error:
        return _exit_code(error, config_name)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    if failures:
        return 1 if sweep else failures[0].exit_code
    return 0


def _prepare(config_name: str, check: Callable[[dict[str, Any]], None]) -> bool:
    """Import plugins and check what the command line asks for; returns whether it is a sweep.

    ``sys.argv`` is left as Hydra is to read it: for a run that continues another, with the overrides of that.
    """
    arguments = parse_command_line()
    sweep = bool(arguments.multirun) or "hydra.mode=MULTIRUN" in arguments.overrides
    if arguments.help or arguments.hydra_help or arguments.info or arguments.shell_completion or CHILD in os.environ:
        if CHILD in os.environ:
            import_named_plugins(parse_overrides(arguments.overrides))
        else:
            require_harmless_hydra(config_name, arguments.overrides, config_dir=arguments.config_dir)
        return sweep
    if arguments.config_name or arguments.config_path or arguments.experimental_rerun:
        raise ConfigError("--config-name, --config-path and --experimental-rerun are not supported; use overrides")
    overrides = _with_overrides_of_resumed(arguments.overrides) if config_name == "train" else arguments.overrides
    if not arguments.cfg:
        _check_folder(overrides)
    configs = plan(config_name, overrides, multirun=sweep, config_dir=arguments.config_dir)
    for config in configs if not arguments.cfg else ():
        if sweep and "ddp" in str(value_at(config, "trainer.strategy")):
            raise ConfigError("trainer.strategy=ddp starts processes of its own: run such jobs without -m")
        check(config)
    if not arguments.cfg:
        require_arguments(configs)
    return sweep


def require_arguments(configs: Sequence[Mapping[str, Any]]) -> None:
    """Refuse what the classes and functions that checked configs name do not take; imports all of them.

    Raises:
        ConfigError: Every key that they do not take, and every loss that is not registered.
    """
    problems = dict.fromkeys(line for config in configs for line in argument_problems(config))
    if problems:
        raise ConfigError(list(problems))


def _with_overrides_of_resumed(given: list[str]) -> list[str]:
    """The overrides of a training run: those given, and before them those of the run that it continues."""
    flags = [argument for argument in sys.argv[1:] if argument not in given]
    overrides = resumed_overrides(given)
    sys.argv = [sys.argv[0], *flags, *overrides]
    if taken_over := overrides[: len(overrides) - len(given)]:
        sys.stdout.write(f"Continuing with the overrides of that run: {' '.join(taken_over)}\n")
    return overrides


def _run_jobs(config_name: str, job: str | Job, failures: list[ArcvaeError]) -> None:
    """Let Hydra compose each job and run it; foreseen faults of jobs are reported and collected in ``failures``."""
    register_resolvers()
    command = ["python", "-m", f"arcvae.{config_name}", *sys.argv[1:]]

    def run_job(config: DictConfig) -> float | None:
        context = HydraConfig.get()
        folder = Path(context.runtime.output_dir)
        try:
            return _objective(_imported(job)(*resolved(config), folder, command))
        except Interrupted as error:
            error.folder = folder
            raise
        except ArcvaeError as error:
            # Hydra would print lines of its own, and end a sweep in its own way. Only its own launcher and sweeper go
            # on after a job without a result: others must see it fail.
            _report(error)
            basic = "basic_launcher" in context.launcher._target_ and "basic_sweeper" in context.sweeper._target_
            if context.mode == RunMode.MULTIRUN and not basic:
                raise
            failures.append(error)
            return None

    run_job.__module__ = f"arcvae.{config_name}"  # Hydra names the job after it
    os.environ["HYDRA_FULL_ERROR"] = "1"  # errors come to us, not to Hydra's printer
    hydra.main(version_base="1.3", config_path=str(CONF_DIR), config_name=config_name)(run_job)()


def _imported(job: str | Job) -> Job:
    """The function that a job is named after."""
    if not isinstance(job, str):
        return job
    module, _, name = job.rpartition(".")
    found: Job = getattr(importlib.import_module(module), name)
    return found


def _objective(result: object) -> float | None:
    """The number that a job is worth, for whoever searches over jobs; None if it has none."""
    value = getattr(result, "objective", result)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _check_folder(overrides: list[str]) -> None:
    """Refuse a run folder given by hand if a run lies there, before Hydra writes into it."""
    for override in overrides:
        name, _, value = override.partition("=")
        place = Path(value.strip("'\""))
        if name == "hydra.run.dir" and any((place / file).exists() for file in ("metrics.json", "results.json")):
            raise BusyError(f"{value} holds a finished run; choose another hydra.run.dir")


def _exit_code(error: Exception | Interrupted, config_name: str) -> int:
    """Say on stderr what ended a command, and with which code it ends."""
    if isinstance(error, Interrupted):
        last = error.folder / "checkpoints" / "last.ckpt" if error.folder else None
        nothing = "no checkpoint was written yet" if config_name == "train" else "start again; finished runs are kept"
        hint = f"continue with ckpt_path={last}" if last and last.is_file() else nothing
        sys.stderr.write(f"arcvae: {error}; {hint}\n")
        return error.exit_code
    if fault := _as_fault(error):
        return _report(fault)
    traceback.print_exception(error)
    sys.stderr.write("arcvae: error[E_INTERNAL]: this is a bug in arcvae; please report the lines above\n")
    return 1


def _as_fault(error: Exception) -> ArcvaeError | None:
    """A fault for what was foreseen, or what Hydra or the machine refused; None for anything else, which is a bug."""
    if isinstance(error, ArcvaeError):
        return error
    if isinstance(error, HydraException | OmegaConfBaseException):
        return ConfigError(" ".join(str(error).split()))
    if isinstance(error, OSError) and error.errno in REFUSED:
        place = error.filename or "a file"
        return FileSystemError(f"{error.strerror}: {place}; choose another output_dir or make room")
    words = str(error)
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError" or "can't allocate memory" in words:
        return FileSystemError("out of memory; lower data.batch_size or use a smaller model or corpus")
    return None


def check_files(config: Mapping[str, Any]) -> None:
    """Refuse a checkpoint, prior or corpus that is not there, before torch is imported or anything is written.

    Raises:
        ConfigError: A command that needs a checkpoint, without one.
        CheckpointError: No such checkpoint or prior.
        DataError: No such corpus.
    """
    path = config["ckpt_path"]
    if not path and "task" not in config:
        raise ConfigError("ckpt_path=null: name the checkpoint of a training run")
    if path and not Path(path).is_file():
        raise CheckpointError(f"ckpt_path={path}: there is no such checkpoint; train first, or give another")
    path = value_at(config, "prior.path")
    if path and not Path(path).is_file():
        raise CheckpointError(f"prior.path={path}: there is no such prior; give another, or null to train one")
    path = value_at(config, "data.path")
    if path and not Path(path).exists():
        raise DataError(f"there is no file {Path(path).absolute()}; give an existing .npz file (data.path)")


def checkpoint_of(path: str) -> Path:
    """The checkpoint that a path names: of a run folder, its best one."""
    return Path(path, "checkpoints", "best.ckpt") if Path(path).is_dir() else Path(path)


def _report(error: ArcvaeError) -> int:
    sys.stdout.flush()
    for line in error.lines():
        sys.stderr.write(" ".join(line.split()) + "\n")
    return error.exit_code


def _interrupt(number: int, _: FrameType | None) -> None:
    signal.signal(number, signal.SIG_DFL)  # a second one ends the process at once
    raise Interrupted(number)
