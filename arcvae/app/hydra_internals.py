"""The one thing that arcvae takes from Hydra's internals, which may change with any release of it.

``hydra.main`` parses the command line itself and offers no way to look at it before. But a command has to know
beforehand which words are overrides and which are flags (``-m`` may stand anywhere, ``--config-dir`` takes a value), to
check every job before anything is written. A parser of our own would be wrong about the next flag of Hydra.
"""

from __future__ import annotations

import argparse
from typing import NoReturn

from hydra._internal.utils import get_args_parser

from arcvae.errors import ConfigError


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
