"""Signals that end a run (:data:`END_SIGNALS`) end a job by an exception of their own."""

from __future__ import annotations

import contextlib
import shlex
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from arcvae.app.overrides import needed_again, typed
from arcvae.training.processes import END_SIGNALS


class Interrupted(BaseException):
    """A signal that ends a run. Not an ``Exception``: nothing that goes on after an error may go on after this."""

    def __init__(self, number: int) -> None:
        super().__init__(f"interrupted by {signal.Signals(number).name}")
        self.exit_code = 128 + number
        self.folder: Path | None = None
        """Run folder of the job, if one was running."""
        self.sweep: Path | None = None
        """Folder of the sweep that the job is one of."""

    def way_on(self, config_name: str) -> str:
        """How to continue what it ended.

        Args:
            config_name: Of the command.
        """
        if config_name != "train":
            kept = self.sweep or config_name == "compare"
            return f"{'finished runs are kept' if kept else 'no result was written'}; start again"
        if self.sweep:
            return (
                f"the same command with {typed('hydra.sweep.dir', str(self.sweep))} goes on with what is not finished"
            )
        last = self.folder / "checkpoints" / "last.ckpt" if self.folder else None
        if last and last.is_file():
            return " ".join(["continue with", typed("ckpt_path", str(last)), *map(shlex.quote, needed_again(sys.argv))])
        return "no checkpoint was written yet; start again"


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Signals that end a run as :class:`Interrupted`, where they can be handled: in the main thread."""
    numbers = END_SIGNALS if threading.current_thread() is threading.main_thread() else ()
    handlers = {number: signal.signal(number, _interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _interrupt(number: int, _: FrameType | None) -> None:
    signal.signal(number, signal.SIG_DFL)  # a second one ends the process at once
    raise Interrupted(number)
