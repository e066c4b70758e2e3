"""Signs of life: a line in a file, a clock on a terminal, and what is done meanwhile stays what it is."""

from __future__ import annotations

import logging
import sys
import threading
import time

import pytest

from arcvae.io.waiting import shown, waiting


@pytest.mark.parametrize("terminal", [True, False])
def test_a_wait_is_announced_and_ticks_on_a_terminal(
    terminal: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    threads = threading.active_count()
    with waiting("Fitting a mixture"):
        time.sleep(1.2)
    assert [record.message for record in caplog.records] == ["Fitting a mixture"]
    assert ("Fitting a mixture: 00:01" in capsys.readouterr().err) == terminal
    assert threading.active_count() <= threads + terminal  # tqdm keeps a monitor


def test_steps_are_gone_through_as_they_are_without_a_bar_in_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(shown(iter("abc"), "Spelling", 3, "letter")) == ["a", "b", "c"]
    assert capsys.readouterr().err == ""
