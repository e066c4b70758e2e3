"""A trained classifier: classes, probabilities and names, by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from arcvae.errors import CheckpointError, DataError
from arcvae.training.predictor import BATCH, Predictor

COUNTS, TAU = [70, 20, 10], -0.5
ADJUSTMENT = {"class_counts": COUNTS, "tau": TAU}


def predictor(**options: Any) -> Predictor:
    torch.manual_seed(5)
    return Predictor(nn.Linear(4, 3), ["robin", "wren", "owl"], path="here.pth", **options)


def by_hand(found: Predictor, samples: np.ndarray, tau: float) -> np.ndarray:
    weight, bias = (parameter.detach().numpy() for parameter in found.model.parameters())
    logits = [
        [
            sum(w * x for w, x in zip(weight[c], row, strict=True)) + bias[c] + tau * math.log(COUNTS[c] / 100)
            for c in range(3)
        ]
        for row in samples
    ]
    return np.array(logits)


SAMPLES = np.random.default_rng(3).normal(size=(2 * BATCH + 3, 4)).astype(np.float32)


@pytest.mark.parametrize(("decision", "tau"), [("argmax", 0.0), ("adjusted", TAU)])
def test_classes_probabilities_and_names_equal_a_computation_by_hand(decision: Any, tau: float) -> None:
    found = predictor(logit_adjustment=ADJUSTMENT)
    logits = by_hand(found, SAMPLES, tau)
    classes = found.predict(SAMPLES, decision=decision)
    assert classes.tolist() == logits.argmax(1).tolist()
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(found.probabilities(SAMPLES, decision=decision), shares, rtol=1e-4)
    assert found.names(SAMPLES[:9], decision=decision) == [("robin", "wren", "owl")[c] for c in classes[:9]]


def test_adjustment_changes_the_decision() -> None:
    found = predictor(logit_adjustment=ADJUSTMENT)
    plain, adjusted = found.predict(SAMPLES), found.predict(SAMPLES, decision="adjusted")
    assert (adjusted != plain).any()
    assert (adjusted == 2).sum() > (plain == 2).sum()  # tau below 0 favours the rare


def test_arrays_come_back_as_the_kind_that_was_given() -> None:
    found = predictor()
    for method in (found.predict, found.probabilities):
        array, tensor = method(SAMPLES), method(torch.from_numpy(SAMPLES))
        assert isinstance(array, np.ndarray)
        assert isinstance(tensor, torch.Tensor)
        assert np.array_equal(array, tensor.numpy())
        assert not tensor.requires_grad
    assert found.predict(SAMPLES).dtype == np.int64
    assert found.probabilities(SAMPLES.astype(np.float64)).dtype == np.float32
    assert np.array_equal(found.predict(np.asfortranarray(SAMPLES)[::-1]), found.predict(SAMPLES)[::-1])


def test_elements_of_a_sample_have_a_class_each() -> None:
    found = Predictor(nn.Conv1d(3, 5, 1))
    assert found.predict(np.zeros((2, 3, 7), np.float32)).shape == (2, 7)
    assert found.probabilities(np.zeros((2, 3, 7), np.float32)).shape == (2, 5, 7)


def test_classes_without_names_are_numbered_and_dropout_is_off() -> None:
    found = Predictor(nn.Sequential(nn.Dropout(0.9), nn.Linear(4, 3)).train())
    assert found.names(SAMPLES) == [str(index) for index in found.predict(SAMPLES)]


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros((2, 4), np.int64), r"dtype torch\.int64, expected floating point"),
        (np.zeros((0, 4), np.float32), "there are no samples"),
        (np.full((2, 4), np.nan, np.float32), "must be finite"),
        (np.zeros((2, 5), np.float32), r"shape \(2, 5\), expected \(N, 4\) or \(N, 1, 4\)"),
    ],
)
def test_samples_that_cannot_be_are_refused(samples: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=message):
        predictor(sample_shapes=[(4,), (1, 4)]).predict(samples)


def test_length_that_is_free_may_be_any() -> None:
    found = Predictor(nn.Conv1d(3, 5, 1), sample_shapes=[(3, "T")])
    for length in (1, 8):
        assert found.predict(np.zeros((2, 3, length), np.float32)).shape == (2, length)
    with pytest.raises(DataError, match=r"shape \(2, 4, 8\), expected \(N, 3, T\)"):
        found.predict(np.zeros((2, 4, 8), np.float32))


def test_decisions_that_cannot_be_made_are_refused() -> None:
    with pytest.raises(CheckpointError, match=r"here\.pth has no tuned logit adjustment; use decision='argmax'"):
        predictor().predict(SAMPLES, decision="adjusted")
    assert predictor().predict(SAMPLES, decision="argmax").shape == (len(SAMPLES),)
    with pytest.raises(ValueError, match="decision must be 'argmax' or 'adjusted', got 'corrected'"):
        predictor(logit_adjustment=ADJUSTMENT).predict(SAMPLES, decision="corrected")  # type: ignore[arg-type]


def test_predictor_says_what_it_is() -> None:
    assert repr(Predictor(nn.Linear(4, 2), ["a", "b"], path="x.pth")) == "<Predictor x.pth: Linear, 2 classes>"
