"""Standard streams that a command can rely on: its output may be closed, cut off, or not able to show a character.

None of that is a reason for a run to fail: its log is kept in its folder.
"""

from __future__ import annotations

import codecs
import contextlib
import io
import os
import sys
from collections.abc import Iterator
from typing import Any, Final, TextIO

SIMPLER: Final = {"—": "-", "–": "-", "…": "...", "×": "x", "²": "2"}
"""What stands for characters of the tables and messages of arcvae on a stream that lacks them."""
STAND_IN: Final = "arcvae.stand_in"
"""Name of the error handler that :func:`steady_streams` gives to the standard streams."""


def stand_in(error: UnicodeError) -> tuple[str, int]:
    r"""Error handler of codecs: a simpler character if there is one, else an escape sequence such as ``\xe9``.

    Example:
        >>> codecs.register_error(STAND_IN, stand_in)
        >>> "né — 3".encode("ascii", STAND_IN)
        b'n\\xe9 - 3'
    """
    if isinstance(error, UnicodeEncodeError) and (simpler := SIMPLER.get(error.object[error.start])):
        return simpler, error.start + 1
    shown, end = codecs.backslashreplace_errors(error)
    return str(shown), end


class SteadyStream:
    """A text stream that goes on without a reader: what is written after it was cut off is dropped.

    Args:
        stream: To write to, as long as that is possible.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write, or drop ``text`` if there is nobody to read it."""
        try:
            return self._stream.write(text)
        except OSError:  # a closed pipe, a terminal that is gone, a full disk
            self._cut_off()
            return len(text)

    def flush(self) -> None:
        """Flush, if there is somebody to read it."""
        try:
            self._stream.flush()
        except OSError:
            self._cut_off()

    def _cut_off(self) -> None:
        """Lead the descriptor elsewhere: at exit Python flushes what is left, and would fail with code 120."""
        with contextlib.suppress(OSError, ValueError):
            sink = os.open(os.devnull, os.O_WRONLY)
            os.dup2(sink, self._stream.fileno())
            os.close(sink)


@contextlib.contextmanager
def steady_streams() -> Iterator[None]:
    """Let the standard streams take whatever is written to them, meanwhile.

    A stream that was closed from the beginning (``>&-``) stays closed for this process, but its number is taken: a file
    that is opened later would get it, and with it what libraries and child processes write to their output.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    codecs.register_error(STAND_IN, stand_in)
    before = sys.stdout, sys.stderr
    with contextlib.ExitStack() as opened:
        for name in ("stdout", "stderr"):
            stream = getattr(sys, name) or opened.enter_context(open(os.devnull, "w", encoding="utf-8"))
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors=STAND_IN)
            setattr(sys, name, SteadyStream(stream))
        try:
            yield
        finally:
            for name, stream in zip(("stdout", "stderr"), before, strict=True):
                getattr(sys, name).flush()
                setattr(sys, name, stream)
