"""Opening a classifier of clips from what an export says of itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from arcvae.audio.classifier import MODELS, load_classifier
from arcvae.audio.model import AudioCNN, AudioCNNv2, MfccNet
from arcvae.audio.task import AudioTask
from arcvae.errors import CheckpointError, DataError

PATH = Path("classifier.pth")
SPECIES = ["owl", "robin", "wren"]


def export(model: MfccNet, **settings: Any) -> dict[str, Any]:
    target = f"{type(model).__module__}.{type(model).__qualname__}"
    return {
        "model": {"_target_": target, **settings}, "state_dict": model.state_dict(), "class_names": SPECIES,
        "logit_adjustment": {"tau": 0.5, "class_counts": [5, 3, 1]},
    }  # fmt: skip


SMALL: dict[str, Any] = {"num_classes": 3, "channels": 1, "widths": [4, 4]}


@pytest.mark.parametrize(
    "model",
    [AudioCNN(**SMALL), AudioCNNv2(**SMALL | {"channels": 3, "hidden": 8})],
    ids=lambda model: type(model).__name__,
)
def test_classifier_computes_what_the_exported_one_does(model: MfccNet) -> None:
    model.normalise_by(torch.randn(model.channels, 20, 1), torch.rand(model.channels, 20, 1) + 0.5)
    settings = SMALL | {"channels": model.channels} | ({"hidden": 8} if isinstance(model, AudioCNNv2) else {})
    found = AudioTask().load(export(model, **settings), PATH)
    clips = torch.randn(2, 20, 500) if model.channels == 1 else torch.randn(2, 3, 20, 500)
    logits = model.eval()(clips)
    assert torch.allclose(found.probabilities(clips), logits.softmax(1), atol=1e-6)
    assert found.names(clips) == [SPECIES[index] for index in logits.argmax(1)]
    assert found.tau == 0.5


def test_models_that_a_file_may_name_are_those_of_the_package() -> None:
    assert sorted(MODELS) == ["arcvae.audio.model.AudioCNN", "arcvae.audio.model.AudioCNNv2"]


def test_class_of_the_user_is_built_only_if_it_is_given() -> None:
    class Mine(AudioCNN):
        pass

    found = export(Mine(**SMALL), **SMALL)
    with pytest.raises(CheckpointError, match=r"classifier\.pth holds a model of class .*Mine, which is not arcvae's"):
        load_classifier(found, PATH)
    loaded = load_classifier(found, PATH, model=Mine)
    assert isinstance(loaded.model, Mine)
    assert loaded.sample_shapes is None  # what it takes is its own business


def test_weights_that_do_not_fit_and_values_out_of_range_are_refused() -> None:
    with pytest.raises(CheckpointError, match=r"classifier\.pth"):
        load_classifier(export(AudioCNN(**SMALL), **SMALL | {"widths": [4, 5]}), PATH)
    with pytest.raises(CheckpointError, match=r"model\.widths.* 65,536"):
        load_classifier(export(AudioCNN(**SMALL), **SMALL | {"widths": [10**9]}), PATH)
    damaged = export(AudioCNN(**SMALL), **SMALL)
    damaged["state_dict"] = {name: tensor * float("nan") for name, tensor in damaged["state_dict"].items()}
    with pytest.raises(CheckpointError, match=r"classifier\.pth"):
        load_classifier(damaged, PATH)


def test_features_of_another_shape_are_refused() -> None:
    found = load_classifier(export(AudioCNN(**SMALL), **SMALL), PATH)
    assert found.predict(torch.zeros(1, 20, 321)).shape == (1,)  # any number of frames
    for shape in ((1, 13, 500), (1, 3, 20, 500), (20, 500)):
        with pytest.raises(DataError, match=r"samples have shape .*, expected \(N, 20, T\) or \(N, 1, 20, T\)"):
            found.predict(torch.zeros(shape))
