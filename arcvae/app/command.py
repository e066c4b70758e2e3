"""What all commands have in common: check first, run under Hydra, end with one line and one exit code."""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import shutil
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import hydra
from hydra.conf import HydraConf
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from arcvae.app.checks import require_arguments
from arcvae.app.compose import CONF_DIR, plan, require_harmless_hydra, search_path, with_search
from arcvae.app.faults import as_fault
from arcvae.app.hydra_internals import going_on, parse_command_line
from arcvae.app.identity import config_hash
from arcvae.app.overrides import at_home, import_named_plugins, parse_overrides, resumed_overrides
from arcvae.app.program import FULL_ERROR, left_as_it_was
from arcvae.app.ranking import end_of_sweep
from arcvae.app.resolving import register_resolvers, resolved
from arcvae.app.signals import Interrupted, interruptible
from arcvae.app.sweep import has_run_folders, noted, settled_sweep
from arcvae.errors import ArcvaeError, BusyError, CheckpointError, ConfigError, DataError, FileSystemError
from arcvae.io.settings import value_at
from arcvae.io.streams import steady_streams
from arcvae.training.record import RunRecord
from arcvae.training.run_folder import require_free

log = logging.getLogger(__name__)

Job = Callable[[dict[str, Any], dict[str, Any], Path, list[str]], object]
"""Takes the resolved config, the same without the values of secrets, the run folder and the command line."""

Check = Callable[[dict[str, Any]], None]
"""Takes the resolved config of a job, and raises ArcvaeError for what can be known to be wrong before it runs."""

CHILD: Final = "ARCVAE_CHILD"
"""Set in the environment of the processes that Lightning starts for further devices: their config has been checked."""


def run_command(config_name: str, job: str | Job, check: Check) -> int:
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
        of which a job failed; 130 and 143 after SIGINT and SIGTERM, 138 after SIGUSR1.
    """
    with steady_streams():
        return _run(config_name, job, check)


def _run(config_name: str, job: str | Job, check: Check) -> int:
    """As :func:`run_command`, with streams that can be written to."""
    if "--version" in sys.argv[1:]:
        # An import would close a circle: for the type checker the package imports what runs commands.
        sys.stdout.write(f"arcvae {importlib.import_module('arcvae').__version__}\n")
        return 0
    failures: list[ArcvaeError] = []

    def tell(fault: ArcvaeError) -> None:
        _report(fault)
        failures.append(fault)

    try:
        with interruptible():
            _require_folder()
            sweep = _prepare(config_name, check)
            command = _command(config_name)
            with settled_sweep(config_name) if sweep else contextlib.nullcontext():
                _run_jobs(config_name, job, check, tell, command)
    except (Exception, Interrupted) as error:
        return _exit_code(error, config_name)
    if failures:
        return 1 if sweep else failures[0].exit_code
    return 0


def run_from_python(config_name: str, job: str | Job, check: Check, overrides: Sequence[str]) -> Path:
    """Run one job of a command in a program or a notebook, as its command line would: faults are raised.

    Args:
        config_name: As for :func:`run_command`, and so are ``job`` and ``check``.
        job: Called for the job.
        check: Called before it.
        overrides: As on the command line, without flags that show something and run nothing.

    Returns:
        The folder of the job.

    Raises:
        ArcvaeError: The fault that the command would end with.
        KeyboardInterrupt: A signal that ends a run, and the way to go on; the checkpoint of the command is written.
    """
    failures: list[ArcvaeError] = []
    try:
        with left_as_it_was(), interruptible():
            sys.argv = [f"arcvae.{config_name}", *overrides]
            _require_folder()
            if _prepare(config_name, check):
                raise ConfigError("-m: one run at a time from Python; call it for each")
            folders = _run_jobs(config_name, job, check, failures.append, _command(config_name))
        if failures:
            raise failures[0]
    except Interrupted as error:
        raise KeyboardInterrupt(f"{error}; {error.way_on(config_name)}") from error
    except Exception as error:
        if (fault := as_fault(error)) is None or fault is error:
            raise
        raise fault from error
    return folders[0]


def _require_folder() -> None:
    """Refuse to work in a folder that has been deleted, which Hydra and relative paths need."""
    try:
        Path.cwd()
    except FileNotFoundError:
        raise FileSystemError("the current folder has been deleted; change to one that is there") from None


def _prepare(config_name: str, check: Check) -> bool:
    """Import plugins and check what the command line asks for; returns whether it is a sweep.

    ``sys.argv`` is left as Hydra is to read it: for a run that continues another, with the overrides of that.
    """
    arguments = parse_command_line()
    sys.argv = [sys.argv[0], *(at_home(word) if word in arguments.overrides else word for word in sys.argv[1:])]
    arguments.overrides = [at_home(word) for word in arguments.overrides]
    sweep = bool(arguments.multirun) or "hydra.mode=MULTIRUN" in arguments.overrides
    if arguments.help or arguments.hydra_help or arguments.info or arguments.shell_completion or CHILD in os.environ:
        if CHILD in os.environ:
            import_named_plugins(parse_overrides(arguments.overrides))
        else:
            require_harmless_hydra(config_name, arguments.overrides, config_dir=arguments.config_dir)
        return sweep
    if arguments.config_name or arguments.config_path or arguments.experimental_rerun:
        raise ConfigError("--config-name, --config-path and --experimental-rerun are not supported; use overrides")
    if sweep and arguments.cfg:
        raise ConfigError("--cfg shows the config of one job: leave out -m, and give each key a single value")
    overrides = _with_overrides_of_resumed(arguments.overrides) if config_name == "train" else arguments.overrides
    configs = plan(config_name, overrides, multirun=sweep, config_dir=arguments.config_dir)
    for config in configs if not arguments.cfg else ():
        if sweep:
            require_one_process(config, "run such jobs without -m")
    if not arguments.cfg:
        _check_all(configs, check)
        require_arguments(configs)
    return sweep


def require_one_process(config: Mapping[str, Any], remedy: str) -> None:
    """Refuse a trainer that starts the command once more for each further device.

    Raises:
        ConfigError: It does; the message ends in ``remedy``.
    """
    if "ddp" in str(value_at(config, "trainer.strategy")):
        raise ConfigError(f"trainer.strategy=ddp starts processes of its own: {remedy}")


def _check_all(configs: Sequence[dict[str, Any]], check: Check) -> None:
    """Check the config of each job; files that some jobs of a sweep lack are left to these jobs."""
    missing: list[ArcvaeError] = []
    for config in configs:
        try:
            check(config)
        except (DataError, CheckpointError) as error:
            missing.append(error)
    if missing and len(missing) == len(configs):
        raise missing[0]


def _with_overrides_of_resumed(given: list[str]) -> list[str]:
    """The overrides of a training run: those given, and before them those of the run that it continues."""
    flags = [argument for argument in sys.argv[1:] if argument not in given]
    overrides = resumed_overrides(given)
    sys.argv = [sys.argv[0], *flags, *overrides]
    if taken_over := overrides[: len(overrides) - len(given)]:
        sys.stdout.write(f"Continuing with the overrides of that run: {' '.join(taken_over)}\n")
    return overrides


def _command(config_name: str) -> list[str]:
    """The command line, for records."""
    return ["python", "-m", f"arcvae.{config_name}", *sys.argv[1:]]


def _run_jobs(
    config_name: str, job: str | Job, check: Check, tell: Callable[[ArcvaeError], None], command: list[str]
) -> list[Path]:
    """Let Hydra compose each job and run it, and return their folders; ``tell`` gets the foreseen faults of jobs."""
    folders: list[Path] = []
    arguments = parse_command_line()
    search = search_path(parse_overrides(arguments.overrides), arguments.config_dir)
    register_resolvers()
    swept: dict[Path, Path] = {}

    def run_job(config: DictConfig) -> float | None:
        context = HydraConfig.get()
        folder = Path(context.runtime.output_dir)
        folders.append(folder)
        os.chdir(context.runtime.cwd)  # relative paths mean the same as in the check, whatever hydra.job.chdir says
        try:
            with noted(context, folder):
                plain, shown = resolved(config)
                plain = with_search(plain, search)
                if context.mode == RunMode.MULTIRUN:
                    swept[Path(context.sweep.dir).absolute()] = Path(plain["output_dir"])
                    check(plain)
                if config_name == "train" and (found := _finished(folder, shown)):
                    sys.stdout.write(f"This run is finished, and its folder stays as it is: {folder}\n")
                    return _objective(found)
                if has_run_folders(context):
                    require_free(folder, trains=config_name == "train")
                return _objective(_imported(job)(plain, shown, folder, command))
        except Interrupted as error:
            error.folder = folder
            error.sweep = Path(context.sweep.dir).absolute() if context.mode == RunMode.MULTIRUN else None
            raise
        except Exception as error:
            if (fault := as_fault(error, command)) is None:
                raise
            if not isinstance(fault, BusyError):  # then the log would go into the folder of another run
                log.debug("This ended the job", exc_info=error)
            # Hydra would print lines of its own, and end a sweep in its own way. Only its own launcher and sweeper go
            # on after a job without a result: others must see it fail.
            tell(fault)
            basic = "basic_launcher" in context.launcher._target_ and "basic_sweeper" in context.sweeper._target_
            if context.mode == RunMode.MULTIRUN and not basic:
                raise fault from error
            return None

    run_job.__module__ = f"arcvae.{config_name}"  # Hydra names the job after it
    os.environ[FULL_ERROR] = "1"  # errors come to us, not to Hydra's printer
    with going_on(lambda config, error: tell(_begin_failed(config.hydra, error))):
        hydra.main(version_base="1.3", config_path=str(CONF_DIR), config_name=config_name)(run_job)()
    for sweep, output_dir in swept.items() if config_name == "train" else ():
        if table := end_of_sweep(sweep, output_dir, shutil.get_terminal_size((100, 24)).columns):
            sys.stdout.write(f"\n{table}\n")
    return folders


def _begin_failed(context: HydraConf, error: OSError) -> ArcvaeError:
    """Note that the folder or the log of a job of a sweep could not be made, and return the fault."""
    with contextlib.suppress(OSError), noted(context, Path(context.sweep.dir, context.sweep.subdir).absolute()):
        raise error
    if (fault := as_fault(error)) is None:
        raise error
    return fault


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


def _finished(folder: Path, shown: Mapping[str, Any]) -> RunRecord | None:
    """The record of the run that a folder holds, if it is finished and the one that is asked for."""
    with contextlib.suppress(ArcvaeError):
        record = RunRecord.read(folder)
        return record if record.config_hash == config_hash(shown) else None
    return None


def _exit_code(error: Exception | Interrupted, config_name: str) -> int:
    """Say on stderr what ended a command, and with which code it ends."""
    if isinstance(error, Interrupted):
        sys.stderr.write(f"arcvae: {error}; {error.way_on(config_name)}\n")
        return error.exit_code
    # What ends a command outside of its jobs is not due to keys that were added to their configs.
    if fault := as_fault(error, [word for word in sys.argv[1:] if not word.startswith("+")]):
        return _report(fault)
    traceback.print_exception(error)
    sys.stderr.write("arcvae: error[E_INTERNAL]: this is a bug in arcvae; please report the lines above\n")
    return 1


def _report(error: ArcvaeError) -> int:
    sys.stdout.flush()
    for line in error.lines():
        sys.stderr.write(" ".join(line.split()) + "\n")
    return error.exit_code
