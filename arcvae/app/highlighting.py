"""Colour on a terminal for what matters in the output of a command; a file or a pipe gets the plain text.

Rich decides what a terminal can show, and listens to ``NO_COLOR``, ``FORCE_COLOR`` and ``TERM``.
"""

from __future__ import annotations

import logging
import sys
from typing import Final, TextIO

from rich.console import Console
from rich.highlighter import RegexHighlighter
from rich.style import StyleType
from rich.text import Text
from rich.theme import Theme

from arcvae.training.record import NO_COLLAPSE

_STYLES: Final[dict[str, StyleType]] = {
    "good": "bold green",
    "bad": "bold red",
    "warning": "yellow",
    "heading": "bold",
    "label": "dim",
    "place": "cyan",
}
_LEVELS: Final = ((logging.ERROR, "bad"), (logging.WARNING, "warning"))


class _Highlighter(RegexHighlighter):
    """Which parts of the output of a command have which style."""

    highlights = [
        rf"(?m)^Verdict: (?P<good>{NO_COLLAPSE})\b",
        rf"(?m)^Verdict: (?P<bad>(?!{NO_COLLAPSE}\b)[^(]+[^( ])",
        r"(?m)^(?P<bad>[A-Z][A-Z ]+):(?= )",  # a finding of the diagnosis
        r"(?m)^  (?P<label>cause|remedy)  ",
        r"(?m)^(?P<heading> {12,}\S.*)$",  # of a table, whose first column has none
        r"(?m)^(?P<label>[A-Z][a-z]+(?: folder)?) +(?P<place>\S*/\S*)(?=  \(|$)",
    ]


def highlighted(text: str, stream: TextIO, level: int = logging.INFO) -> str:
    """A text as a stream can show it.

    Args:
        text: Without escape sequences.
        stream: Where it is to be written.
        level: From :data:`logging.WARNING` on, all of it has one colour.

    Returns:
        With escape sequences on a terminal that knows colours, else as it is.
    """
    # In a notebook rich would show what is captured as well, in a block of its own.
    console = Console(file=stream, theme=Theme(_STYLES), force_jupyter=False)
    if console.color_system is None or console.no_color:
        return text
    shown = Text(text, style=next((style for least, style in _LEVELS if level >= least), ""))
    _Highlighter().highlight(shown)
    with console.capture() as capture:
        console.print(shown, soft_wrap=True, end="")
    return capture.get()


class HighlightingFormatter(logging.Formatter):
    """Formats records for standard output."""

    def format(self, record: logging.LogRecord) -> str:
        """The message, coloured where that can be seen."""
        return highlighted(super().format(record), sys.stdout, record.levelno)
