"""Which lines of Lightning reach the console."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator

import pytest

from arcvae.app.console import quiet

NAMES = ("lightning", "lightning.pytorch", "lightning.pytorch.utilities.rank_zero")


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in NAMES]
    state = [(list(one.handlers), list(one.filters), one.propagate, one.level) for one in loggers]
    with warnings.catch_warnings():
        yield
    for one, (handlers, filters, propagate, level) in zip(loggers, state, strict=True):
        one.handlers[:], one.filters[:], one.propagate, one.level = handlers, filters, propagate, level


def test_news_come_once_and_what_is_said_elsewhere_does_not(caplog: pytest.LogCaptureFixture) -> None:
    quiet()
    log = logging.getLogger("lightning.pytorch.utilities.rank_zero")
    log.setLevel(logging.INFO)
    with caplog.at_level(logging.INFO):
        for line in ("GPU available: False", "TPU available: False", "💡 Tip: buy", "Restoring states from x"):
            log.info(line)
    assert [record.getMessage() for record in caplog.records] == ["GPU available: False"]
    assert not any(logging.getLogger(name).handlers for name in ("lightning", "lightning.pytorch"))


def test_warnings_about_choices_made_on_purpose_are_silent_and_others_are_not() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        quiet()
        warnings.warn("The 'val_dataloader' does not have many workers which may be a bottleneck", stacklevel=1)
        warnings.warn("your loss is odd", stacklevel=1)
    assert [str(warning.message) for warning in caught] == ["your loss is odd"]
