"""What a job changes for its whole process, and a program that has called it gets back."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Iterator
from typing import Final

FULL_ERROR: Final = "HYDRA_FULL_ERROR"
"""Variable that makes Hydra pass errors on instead of printing them."""


@contextlib.contextmanager
def left_as_it_was() -> Iterator[None]:
    """Give back, at the end, the command line, the handlers and the level of the root logger, and Hydra's variable.

    Hydra sets up the logging of a job with ``logging.config.dictConfig``, which takes every handler off the root logger
    and closes all that there are: a file that was opened for writing would get no line any more.
    """
    root, arguments, full_error = logging.getLogger(), sys.argv, os.environ.get(FULL_ERROR)
    handlers, level, open_ones = list(root.handlers), root.level, list(logging._handlerList)  # type: ignore[attr-defined]
    logging._handlerList.clear()  # type: ignore[attr-defined]
    try:
        yield
    finally:
        sys.argv = arguments
        for handler in root.handlers:
            if handler not in handlers:
                handler.close()
        root.handlers[:] = handlers
        root.setLevel(level)
        logging._handlerList[:0] = open_ones  # type: ignore[attr-defined]
        os.environ.pop(FULL_ERROR, None)
        if full_error is not None:
            os.environ[FULL_ERROR] = full_error
