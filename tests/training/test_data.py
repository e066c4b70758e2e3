"""What shared code asks of data: defaults, and which parts a data module has to define."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from arcvae.training.data import ImbalanceDataModule, count_repeated, report_repeated
from tests.training.tiny import SIZES, TinyData


def test_defaults_number_the_classes_and_count_the_targets() -> None:
    data = TinyData()
    assert data.class_names == ("0", "1", "2")
    assert data.model_settings == {}
    assert {split: data.size(split) for split in SIZES} == SIZES


@pytest.mark.parametrize("name", ["num_classes", "class_counts", "content_hash", "sample_shape", "class_names"])
def test_what_only_the_task_can_know_must_be_defined(name: str) -> None:
    with pytest.raises(NotImplementedError):
        getattr(ImbalanceDataModule(), name)
    for method, arguments in (("targets", ("val",)), ("evaluation_loader", ("val",)), ("describe", ())):
        with pytest.raises(NotImplementedError):
            getattr(ImbalanceDataModule(), method)(*arguments)


def test_repeated_samples_are_counted_like_in_a_double_loop() -> None:
    random = np.random.default_rng(0)
    train, val, test = (random.integers(0, 3, (count, 2, 2)).astype(np.uint8) for count in (40, 30, 20))
    expected = sum(any((sample == seen).all() for seen in train) for sample in (*val, *test))
    assert 0 < expected < 50
    assert count_repeated(train, val, test) == expected
    assert count_repeated(train, val[:0], test[:0]) == count_repeated(train[:0], val) == 0


def test_leak_is_a_warning_and_a_chance_repetition_is_not(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    train = np.arange(100)[:, None]
    for others, level in ((train[:6], "WARNING"), (train[:5], "INFO"), (train[:0], None)):
        caplog.clear()
        report_repeated(Path("c.npz"), "grids", train, others, np.arange(1000, 1100 - len(others))[:, None])
        assert [record.levelname for record in caplog.records] == ([level] if level else [])
        assert f"c.npz: {len(others)} of the 100 grids of val and test are also in train" in caplog.text or not level
