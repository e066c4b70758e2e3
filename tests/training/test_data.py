"""What shared code asks of data: defaults, and which parts a data module has to define."""

from __future__ import annotations

import pytest

from arcvae.training.data import ImbalanceDataModule
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
