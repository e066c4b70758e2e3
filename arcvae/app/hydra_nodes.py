"""What Hydra would build from its own node of a config, looked at before it does.

Under ``hydra`` a config names the launcher, the sweeper, callbacks and the classes of log handlers, and Hydra builds
all of them, some before the job is called. The node comes from the same files as the rest of the config, those of a
``--config-dir`` among them, so that the same rule holds: data names code only from a list.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from arcvae.app.arguments import found_at
from arcvae.io.settings import Inside, paths, problem_line, value_at

_OWN: Final = (
    "hydra._internal.core_plugins.basic_launcher.BasicLauncher",
    "hydra._internal.core_plugins.basic_sweeper.BasicSweeper",
    "hydra.experimental.callbacks.LogJobReturnCallback",
    "hydra.experimental.callbacks.PickleJobInfoCallback",
)
"""What comes with Hydra and may be named."""
_INSTALLED: Final = ("hydra_plugins.", "optuna.samplers.")
"""Where launchers and sweepers lie that were installed for Hydra, and what its sweeper of Optuna draws values with."""
_LOGGING: Final = ("job_logging", "hydra_logging")
"""Nodes that Hydra passes to :func:`logging.config.dictConfig`, which calls what stands under ``()`` and ``class``."""
_LOG_CLASSES: Final = (
    "logging.StreamHandler", "logging.FileHandler", "logging.NullHandler", "logging.Formatter",
    "logging.handlers.RotatingFileHandler", "logging.handlers.TimedRotatingFileHandler", "colorlog.ColoredFormatter",
    "arcvae.app.highlighting.HighlightingFormatter",
)  # fmt: skip
_STREAMS: Final = ("ext://sys.stdout", "ext://sys.stderr")
_VARIABLES: Final = re.compile(r"(OMP|MKL|OPENBLAS|NUMEXPR)_NUM_THREADS|CUDA_VISIBLE_DEVICES|CUBLAS_WORKSPACE_CONFIG")
"""What a config may put into the environment of a job. Others lead to code: those of the loader, for example."""
_RUN_FOLDER: Final = re.compile(r"\$\{hydra[:.]runtime\.output_dir\}/")
_OF_HYDRA: Final = re.compile(r"\$\{hydra[:.]job\.(name|num|id)\}")
"""Values that are names themselves."""
_NAMES: Final = ("job.name", "sweep.subdir", "output_subdir")
"""Keys that name a file or folder within the one that a run or sweep goes into."""


def hydra_problems(node: Mapping[str, Any], plugins: Sequence[str]) -> list[str]:
    """What is wrong with the ``hydra`` node of a config, a line each.

    Args:
        node: Plain types, interpolations as they were written: one cannot stand for the name of a class.
        plugins: Modules of the user; what lies inside them may be named.
    """
    found = [
        f"hydra.{'.'.join(path)}={target} is not among what Hydra may build; name a module of yours in plugins"
        for path, target in paths(node)
        if path[-1] == "_target_" and target is not None and not _may_be_built(target, plugins)
    ]
    for name in _LOGGING:
        found += [f"hydra.{name}.{line}" for line in _logging_problems(node.get(name))]
    for key in _NAMES:
        value = value_at(node, key)
        if value is not None and (line := problem_line(("hydra", *key.split(".")), value, Inside())):
            found.append(line)
    return found + [
        f"hydra.job.env_set.{name} is not among the variables that a config may set; set it for the command: {name}=..."
        for name in value_at(node, "job.env_set") or ()
        if not _VARIABLES.fullmatch(str(name))
    ]


def _may_be_built(target: Any, plugins: Sequence[str]) -> bool:
    """Whether Hydra may build a target: by its name, and by where that leads."""
    if target in _OWN:
        return True
    places = (*_INSTALLED, *(f"{plugin}." for plugin in plugins))
    if not isinstance(target, str) or not target.startswith(places):
        return False
    try:
        found = found_at(target)
    except (ImportError, AttributeError, ValueError):
        return False
    return f"{getattr(found, '__module__', '')}.".startswith(places)


def _logging_problems(node: Any) -> Iterator[str]:
    """What a config of logging may not say, a line each."""
    for path, value in paths(node):
        key = ".".join(path)
        if path[-1] in ("()", "class") and value not in _LOG_CLASSES:
            yield f"{key}={value} is not among the classes of logging that may be named: {', '.join(_LOG_CLASSES)}"
        elif isinstance(value, str) and "://" in value and value not in _STREAMS:
            yield f"{key}={value} leads to an object; write {' or '.join(_STREAMS)}"
        elif path[-1] == "filename" and not _is_in_run_folder(value):
            yield f"{key}={value} is not in the run folder; begin it with ${{hydra:runtime.output_dir}}/"


def _is_in_run_folder(name: Any) -> bool:
    """Whether a file of a log lies in the folder of its run: anywhere else it would be appended to what is there."""
    if not isinstance(name, str) or not (folder := _RUN_FOLDER.match(name)):
        return False
    rest = _OF_HYDRA.sub("x", name[folder.end() :])
    return "$" not in rest and problem_line(("filename",), rest, Inside()) is None
