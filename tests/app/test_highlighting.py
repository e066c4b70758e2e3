"""Colour on a terminal, plain text elsewhere."""

from __future__ import annotations

import io
import logging
import re
import sys

import pytest

from arcvae.app.highlighting import HighlightingFormatter, highlighted
from arcvae.training.record import RunRecord

COLLAPSED, HEALTHY = (
    RunRecord("run", "h", 1, {}, {"posterior_collapse": value, "omission": value}, {}) for value in (True, False)
)
TEXT = f"""
                  test   trivial
f1_macro        0.1000    0.0020
Verdict: {COLLAPSED.collapses} (active 0)
OMISSION: half of [bold]it[/bold] is missing
  cause   few steps
Run folder /home/someone/outputs/train/a
Page        outputs/train/a/report.html  (5.2 MB)"""


class Terminal(io.StringIO):
    """A stream that says that it is one."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def test_a_terminal_gets_colours_and_the_same_words() -> None:
    shown = highlighted(TEXT, Terminal())
    assert plain(shown) == TEXT
    for part in ("POSTERIOR COLLAPSE, OMISSION", "OMISSION", "cause", "/home/someone/outputs/train/a"):
        assert re.search(rf"\x1b\[[0-9;]+m{part}\x1b\[0m", shown), part
    assert "\x1b[36moutputs/train/a/report.html\x1b[0m  (5.2 MB)" in shown
    good = highlighted(f"Verdict: {HEALTHY.collapses} (active 8)", Terminal())
    assert good == "Verdict: \x1b[1;32mno collapse\x1b[0m (active 8)"


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_no_colours_where_they_are_not_wanted(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    assert highlighted(TEXT, Terminal()) == TEXT


def test_a_file_gets_the_plain_text(monkeypatch: pytest.MonkeyPatch) -> None:
    assert highlighted(TEXT, io.StringIO()) == TEXT
    record = logging.LogRecord("arcvae", logging.WARNING, "", 0, "a long %s", ("word " * 60,), None)
    for stream, expected in ((io.StringIO(), "a long"), (Terminal(), "\x1b[33ma long")):
        monkeypatch.setattr(sys, "stdout", stream)
        line = HighlightingFormatter("%(message)s").format(record)
        assert line.startswith(expected)
        assert plain(line) == record.getMessage()
