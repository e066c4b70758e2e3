"""Signs of life while something takes long."""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

log = logging.getLogger("arcvae")

T = TypeVar("T")


@contextlib.contextmanager
def waiting(what: str) -> Iterator[None]:
    """Say what is being done: a line in the log, and on a terminal the time that it has taken so far.

    Args:
        what: In a few words, such as ``"Fitting a mixture"``.
    """
    log.info("%s", what)
    if not sys.stderr.isatty():
        yield
        return
    done = threading.Event()
    with tqdm(desc=what, bar_format="{desc}: {elapsed}", leave=False) as bar:

        def tick() -> None:
            while not done.wait(1.0):
                bar.refresh()

        thread = threading.Thread(target=tick, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()


def shown(steps: Iterable[T], what: str, total: int, unit: str) -> Iterable[T]:
    """The same steps, with a bar on a terminal that says when the last will be done; nothing in a file.

    Args:
        steps: What is gone through.
        what: What is being done, in a few words.
        total: How many there are.
        unit: What one is called.
    """
    bar: Iterable[T] = tqdm(steps, what, total, unit=unit, leave=False, disable=None)
    return bar
