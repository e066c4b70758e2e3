"""A program has its logging, its command line and its environment again, however a job ends."""

from __future__ import annotations

import logging
import logging.config
import os
import sys
from pathlib import Path

import pytest

from arcvae.app.program import FULL_ERROR, left_as_it_was


@pytest.mark.parametrize("before", [None, "0"])
def test_everything_is_given_back_and_what_was_opened_meanwhile_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str | None
) -> None:
    monkeypatch.delenv(FULL_ERROR, raising=False)
    if before is not None:
        monkeypatch.setenv(FULL_ERROR, before)
    mine, root = logging.FileHandler(tmp_path / "mine.log", mode="w"), logging.getLogger()
    monkeypatch.setattr(root, "handlers", [mine])
    root.setLevel(logging.ERROR)
    arguments = sys.argv
    theirs = {"class": "logging.FileHandler", "filename": str(tmp_path / "theirs.log")}
    config = {
        "version": 1, "disable_existing_loggers": False, "handlers": {"file": theirs},
        "root": {"level": "DEBUG", "handlers": ["file"]},
    }  # fmt: skip
    others: list[logging.Handler] = []

    def job() -> None:
        logging.config.dictConfig(config)
        others.extend(root.handlers)
        sys.argv, os.environ[FULL_ERROR] = ["other"], "1"
        root.debug("to theirs")
        raise KeyError

    with pytest.raises(KeyError), left_as_it_was():
        job()
    (other,) = others
    assert isinstance(other, logging.FileHandler)
    assert other.stream is None  # closed
    assert (root.handlers, root.level, sys.argv) == ([mine], logging.ERROR, arguments)
    assert os.environ.get(FULL_ERROR) == before
    root.error("to mine")  # dictConfig closes all handlers that it knows, and this one would not open again
    mine.close()
    assert (tmp_path / "mine.log").read_text() == "to mine\n"
    assert (tmp_path / "theirs.log").read_text() == "to theirs\n"
