"""Opening a classifier of clips from what an export says of itself."""

from __future__ import annotations

import math
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from arcvae.audio.classifier import MODELS, ClipClassifier, load_classifier
from arcvae.audio.features.mfcc import RECORDED
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


SONG = np.random.default_rng(0).normal(0, 0.1, 16_000)
PARTS: dict[str, np.ndarray] = {
    "silent": np.zeros(2), "faint": np.array([0, 1.9e-4]), "offset": np.full(2, 0.5),
    "heard": np.array([0, 2.1e-4]), "song": SONG,
}  # fmt: skip


@pytest.mark.parametrize("make", [np.asarray, torch.as_tensor])
def test_nothing_is_said_of_silent_windows(make: Any) -> None:
    """The rules of ``arcvae.predict``, but that windows keep their places."""
    settings = replace(RECORDED, frames=32)
    found = ClipClassifier(AudioCNN(**SMALL), SPECIES, settings=settings, channels=1)
    span, rate = settings.samples, settings.sample_rate
    wave = make(np.concatenate([np.resize(part, span) for part in PARTS.values()]))
    with pytest.warns(UserWarning, match=r"^3 of 5 windows are silent: nothing is said of them$") as caught:
        names = found.names(wave, rate)
    assert caught[0].filename == __file__
    assert [name is None for name in names] == [True, True, True, False, False]
    with pytest.warns(UserWarning, match="3 of 5 windows"):
        classes = found.predict(wave, rate)
    with pytest.warns(UserWarning, match="3 of 5 windows"):
        shares = found.probabilities(wave, rate)
    assert type(classes) is type(shares) is type(wave)
    assert classes[:3].tolist() == [-1] * 3
    assert np.isnan(np.asarray(shares[:3])).all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        heard = wave[3 * span :]
        assert classes[3:].tolist() == found.predict(heard, rate).tolist()
        assert names[3:] == found.names(heard, rate)
        np.testing.assert_allclose(shares[3:], found.probabilities(heard, rate), atol=1e-6)
    with pytest.warns(UserWarning, match="3 of 3 windows"):
        assert found.names(wave[: 3 * span], rate) == [None] * 3


def test_waveforms_that_no_recording_can_be_are_refused() -> None:
    found = ClipClassifier(AudioCNN(**SMALL), SPECIES, settings=RECORDED, channels=1)
    shortest = math.ceil(0.05 * RECORDED.sample_rate)
    assert len(found.names(SONG[:shortest], RECORDED.sample_rate)) == 1
    for length in (1, shortest - 1):
        with pytest.raises(DataError, match=r"^the waveform is 0\.0\d\d s long, needs 0\.05 s$"):
            found.predict(SONG[:length], RECORDED.sample_rate)
