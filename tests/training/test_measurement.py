"""What a measurement owes: everything."""

from __future__ import annotations

from pathlib import Path

import pytest

from arcvae.training.measurement import Measurement, Report


def test_measurement_has_to_define_all_of_its_parts() -> None:
    measurement = Measurement()
    for call in (
        lambda: measurement.corpus(None, "outputs"),
        lambda: measurement.measure(None, Path("c.npz"), {}),
        lambda: measurement.report({}),
    ):
        with pytest.raises(NotImplementedError):
            call()


def test_reports_do_not_share_their_pictures() -> None:
    assert Report("a", "b").pictures == {}
    assert Report("a", "b").pictures is not Report("a", "b").pictures
