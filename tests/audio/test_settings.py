"""The settings of the audio task, and what does not go together."""

from __future__ import annotations

from typing import Any

import pytest

from arcvae.audio.corpus.synthesis import species_counts
from arcvae.audio.settings import SETTINGS, clips_problem


@pytest.mark.parametrize(("clips", "species"), [(20, 2), (19, 2), (890, 89), (889, 89), (100, 1), (30, 3)])
def test_synthesis_refuses_too_few_clips_as_the_check_does(clips: int, species: int) -> None:
    problem = clips_problem(clips, species)
    assert (problem is None) == (species >= 2 and clips >= 10 * species)
    if problem is None:
        assert species_counts(species, clips).sum() == clips
    else:
        with pytest.raises(ValueError, match="must be at least") as caught:
            species_counts(species, clips)
        assert str(caught.value) == problem


@pytest.mark.parametrize("prefix", ["", "data."])
def test_too_few_clips_are_found_in_a_run_and_in_a_corpus(prefix: str) -> None:
    values = {"num_clips": 100, "num_species": 89}
    assert SETTINGS.problems({"data": values} if prefix else values) == [
        f"{prefix}num_clips=100 must be at least 10 for each of {prefix}num_species=89"
    ]


@pytest.mark.parametrize(("classes", "found"), [(89, 1), (2, 0), (None, 0)])
def test_alpha_is_counted_as_soon_as_the_number_of_species_is_known(classes: int | None, found: int) -> None:
    config: dict[str, Any] = {"model": {"num_classes": classes}, "loss": {"alpha": [1.0, 2.0]}}
    assert len(SETTINGS.problems(config)) == found


def test_one_wrong_value_is_reported_once() -> None:
    assert SETTINGS.problems({"num_clips": 100, "num_species": 1}) == [
        "num_species=1 must be a whole number at least 2 and at most 10,000"
    ]


@pytest.mark.parametrize("key", ["data.channels", "model.channels"])
def test_channels_are_those_that_the_data_can_have(key: str) -> None:
    room, name = key.split(".")
    assert [n for n in range(5) if not SETTINGS.problems({room: {name: n}})] == [1, 3]
    assert SETTINGS.problems({room: {name: 2}}) == [
        f"{key}=2 must be 1: the MFCCs alone or must be 3: the MFCCs with both deltas"
    ]
    assert (SETTINGS.problems({room: {name: None}}) == []) is (room == "model")  # the corpus knows
