"""What all commands have in common: check first, run under Hydra, end with one line and one exit code."""

from __future__ import annotations

import errno
import functools
import logging
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import hydra
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from arcvae.app.compose import CONF_DIR, plan, register_resolvers, resumed_overrides
from arcvae.errors import ArcvaeError, BusyError, CheckpointError, ConfigError, DataError, FileSystemError

log = logging.getLogger(__name__)

CHILD = "ARCVAE_CHILD"
"""Set in the environment of the processes that Lightning starts for further devices: their config has been checked."""


class Interrupted(BaseException):
    """SIGINT or SIGTERM. Not an ``Exception``: nothing that goes on after an error may go on after this."""

    def __init__(self, number: int) -> None:
        super().__init__(f"interrupted by {signal.Signals(number).name}")
        self.exit_code = 128 + number
        self.folder: Path | None = None
        """Run folder of the job, if one was running."""


def open_door(
    config_name: str,
    job: Callable[[DictConfig, Path], object],
    check: Callable[[dict[str, Any]], None],
) -> int:
    """Run a command.

    Args:
        config_name: Its config file in ``conf/``, without suffix.
        job: Called with the composed config and the run folder; under ``-m`` once for each job.
        check: Called with the resolved config of each job before anything is written; raises ArcvaeError.

    Returns:
        The exit code: 0, or that of the fault (see :mod:`arcvae.errors`); 1 for an internal error and for a sweep
        of which a job failed; 130 and 143 after SIGINT and SIGTERM.
    """
    failures: list[ArcvaeError] = []
    sweep = False
    handlers = {number: signal.signal(number, _interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        arguments = get_args_parser().parse_intermixed_args()  # flags may stand anywhere
        sweep = bool(arguments.multirun) or "hydra.mode=MULTIRUN" in arguments.overrides
        asks = (arguments.help, arguments.hydra_help, arguments.info, arguments.shell_completion)
        if not any(asks) and CHILD not in os.environ:
            if arguments.config_name or arguments.config_path or arguments.experimental_rerun:
                raise ConfigError(
                    "--config-name, --config-path and --experimental-rerun are not supported; use overrides"
                )
            given = arguments.overrides
            flags = [argument for argument in sys.argv[1:] if argument not in given]
            arguments.overrides = resumed_overrides(given) if config_name == "train" else given
            sys.argv = [sys.argv[0], *flags, *arguments.overrides]
            if taken_over := arguments.overrides[: len(arguments.overrides) - len(given)]:
                sys.stdout.write(f"Continuing with the overrides of that run: {' '.join(taken_over)}\n")
            if not arguments.cfg:
                _check_folder(arguments.overrides)
            configs = plan(config_name, arguments.overrides, multirun=sweep, config_dir=arguments.config_dir)
            for config in configs if not arguments.cfg else ():
                if sweep and "ddp" in str(config.get("trainer", {}).get("strategy")):
                    raise ConfigError("trainer.strategy=ddp starts processes of its own: run such jobs without -m")
                check(config)
        _run_hydra(config_name, job, failures)
    except ArcvaeError as error:
        return _fail(error)
    except Interrupted as error:
        last = error.folder / "checkpoints" / "last.ckpt" if error.folder else None
        nothing = "no checkpoint was written yet" if config_name == "train" else "start again; finished runs are kept"
        hint = f"continue with ckpt_path={last}" if last and last.is_file() else nothing
        sys.stderr.write(f"arcvae: {error}; {hint}\n")
        return error.exit_code
    except (HydraException, OmegaConfBaseException) as error:
        return _fail(ConfigError(" ".join(str(error).split())))
    except Exception as error:
        if foreseen := _from_outside(error):
            return _fail(foreseen)
        traceback.print_exc()
        sys.stderr.write("arcvae: error[E_INTERNAL]: this is a bug in arcvae; please report the lines above\n")
        return 1
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    if failures:
        return 1 if sweep else failures[0].exit_code
    return 0


def _run_hydra(config_name: str, job: Callable[[DictConfig, Path], object], failures: list[ArcvaeError]) -> None:
    register_resolvers()

    @functools.wraps(job)
    def run_job(config: DictConfig) -> None:
        context = HydraConfig.get()
        try:
            job(config, Path(context.runtime.output_dir))
        except Interrupted as error:
            error.folder = Path(context.runtime.output_dir)
            raise
        except ArcvaeError as error:
            # Hydra would print lines of its own, and end a sweep in its own way. Jobs of a sweep that run in
            # processes of their own can only raise.
            _fail(error)
            if context.mode == RunMode.MULTIRUN and "basic_launcher" not in context.launcher._target_:
                raise
            failures.append(error)

    os.environ["HYDRA_FULL_ERROR"] = "1"  # errors come to us, not to Hydra's printer
    hydra.main(version_base="1.3", config_path=str(CONF_DIR), config_name=config_name)(run_job)()


def _check_folder(overrides: list[str]) -> None:
    """Refuse a run folder given by hand if a run lies there, before Hydra writes into it."""
    for override in overrides:
        name, _, value = override.partition("=")
        place = Path(value.strip("'\""))
        if name == "hydra.run.dir" and any((place / file).exists() for file in ("metrics.json", "results.json")):
            raise BusyError(f"{value} holds a finished run; choose another hydra.run.dir")


def _from_outside(error: Exception) -> ArcvaeError | None:
    """What the machine refused, as a fault; None for anything else, which is a bug."""
    if isinstance(error, OSError) and error.errno in (
        errno.EACCES,
        errno.EPERM,
        errno.EROFS,
        errno.ENOSPC,
        errno.EDQUOT,
    ):
        return FileSystemError(
            f"{error.strerror}: {error.filename or 'a file'}; choose another output_dir or make room"
        )
    words = str(error)
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError" or "can't allocate memory" in words:
        return FileSystemError("out of memory; lower data.batch_size or use a smaller model or corpus")
    return None


def check_files(config: dict[str, Any]) -> None:
    """Refuse a checkpoint or a corpus that is not there, before torch is imported or anything is written."""
    path = config["ckpt_path"]
    if not path and "task" not in config:
        raise ConfigError("ckpt_path=null: name the checkpoint of a training run")
    if path and not Path(path).is_file():
        raise CheckpointError(f"ckpt_path={path}: there is no such checkpoint; train first, or give another")
    path = config.get("prior", {}).get("path")
    if path and not Path(path).is_file():
        raise CheckpointError(f"prior.path={path}: there is no such prior; give another, or null to train one")
    path = config["data"].get("path")
    if path and not Path(path).exists():
        raise DataError(f"there is no file {Path(path).absolute()}; give an existing .npz file (data.path)")


def quiet() -> None:
    """Silence what Lightning says twice, or about choices that are made on purpose here."""
    import lightning.pytorch  # noqa: F401  (its import adds the handlers)

    for name in ("lightning", "lightning.pytorch"):  # Hydra's handlers print and keep its lines
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    logging.getLogger("lightning.pytorch.utilities.rank_zero").addFilter(_is_news)
    for pattern in (
        ".*does not have many workers.*",
        ".*Checkpoint directory .* exists and is not empty.*",
        ".*The number of training batches .* is smaller than the logging interval.*",
        ".*is not supported by the model summary.*",
        ".*sync_dist=True.*",  # the metrics have been added up over all processes before they are logged
        ".*`isinstance\\(treespec, LeafSpec\\)` is deprecated.*",
    ):
        warnings.filterwarnings("ignore", pattern)


def _is_news(record: logging.LogRecord) -> bool:
    """Whether a line of Lightning says something that this run does not say itself."""
    old = ("💡 Tip", "Trainer already configured", "TPU available", "Loading `train_dataloader`", "Restoring states")
    return not record.getMessage().startswith(old)


def _fail(error: ArcvaeError) -> int:
    sys.stdout.flush()
    for line in error.lines():
        sys.stderr.write(" ".join(line.split()) + "\n")
    return error.exit_code


def _interrupt(number: int, _: FrameType | None) -> None:
    signal.signal(number, signal.SIG_DFL)  # a second one ends the process at once
    raise Interrupted(number)
