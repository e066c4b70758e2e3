"""Signals end a block by an exception, and are handled as before after it."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

import pytest

from arcvae.app.signals import Interrupted, interruptible
from arcvae.training.processes import END_SIGNALS


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (END_SIGNALS[-1], 128 + END_SIGNALS[-1])]
)
def test_signal_is_an_exception_that_no_handler_of_errors_catches(number: signal.Signals, code: int) -> None:
    before = signal.getsignal(number)
    with pytest.raises(Interrupted, match=f"interrupted by {number.name}") as caught, interruptible():
        os.kill(os.getpid(), number)
    assert caught.value.exit_code == code
    assert not isinstance(caught.value, Exception)
    assert signal.getsignal(number) == before


def test_the_way_on_is_a_checkpoint_a_sweep_or_the_beginning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["arcvae.train", "seed=1"])
    error, last = Interrupted(signal.SIGINT), tmp_path / "checkpoints" / "last.ckpt"
    assert error.way_on("compare") == "finished runs are kept; start again"
    assert error.way_on("corpus") == "no result was written; start again"
    error.folder = tmp_path
    assert error.way_on("train") == "no checkpoint was written yet; start again"
    last.parent.mkdir()
    last.touch()
    assert error.way_on("train") == f"continue with ckpt_path={last}"
    assert error.way_on("report") == "no result was written; start again"  # in the folder of a run
    monkeypatch.setattr(sys, "argv", ["arcvae.train", "--config-dir", "my conf", "plugins=[mine]", "seed=1"])
    assert error.way_on("train") == f"continue with ckpt_path={last} --config-dir 'my conf' 'plugins=[mine]'"
    error.sweep = Path("my sweep")
    assert error.way_on("train") == (
        """the same command with "hydra.sweep.dir='my sweep'" goes on with what is not finished"""
    )
    assert error.way_on("evaluate") == "finished runs are kept; start again"


def test_threads_do_without() -> None:
    found: list[object] = []

    def work() -> None:
        with interruptible():
            found.append(signal.getsignal(signal.SIGTERM))

    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [before]
