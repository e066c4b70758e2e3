"""Class weights against the known answers and scikit-learn."""

from __future__ import annotations

import inspect
import re
import warnings

import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight

from arcvae.imbalance.counts import count_classes
from arcvae.imbalance.settings import METHODS
from arcvae.imbalance.weights import ClassWeighting, analyse_weights, class_weights

COUNTS = [19081814, 154289, 154457, 153994, 155609, 155472, 155012, 155371, 157799, 156183]
KNOWN = {
    "inverse": ".00904 1.11772 1.11650 1.11986 1.10823 1.10921 1.11250 1.10993 1.09285 1.10416",
    "sqrt_inverse": ".09926 1.10385 1.10325 1.10491 1.09916 1.09964 1.10128 1.10000 1.09151 1.09714",
    "balanced": ".1073 13.2738 13.2594 13.2992 13.1612 13.1728 13.2119 13.1814 12.9785 13.1128",
    "effective_number": ".15735 1.10056 1.09945 1.10251 1.09192 1.09281 1.09581 1.09347 1.07792 1.08821",
}
RATIOS = {"inverse": 123.912, "sqrt_inverse": 11.1316, "effective_number": 7.0066}


@pytest.mark.parametrize("method", KNOWN)
def test_weights_equal_the_known_answers_to_every_digit_given(method: str) -> None:
    weights = class_weights(COUNTS, method)
    assert weights is not None
    digits = len(KNOWN[method].split()[0].split(".")[1])
    expected = [float(number) for number in KNOWN[method].split()]
    assert weights.round(digits).tolist() == expected


@pytest.mark.parametrize("method", RATIOS)
def test_weight_ratio_equals_the_known_answer(method: str) -> None:
    weights = class_weights(COUNTS, method)
    assert weights is not None
    assert weights.max() / weights.min() == pytest.approx(RATIOS[method], abs=5e-4)
    assert weights.sum() == pytest.approx(10)


@pytest.mark.parametrize("method", KNOWN)
def test_printed_analysis_shows_the_known_answers(method: str) -> None:
    text = analyse_weights(COUNTS, class_weights(COUNTS, method), method=method, source="whole train split")
    decimals = len(KNOWN[method].split()[0].split(".")[1])
    last_column = [line.split()[-1] for line in text.splitlines()[-10:]]
    assert [round(float(word), decimals) for word in last_column] == [float(w) for w in KNOWN[method].split()]
    assert "19,081,814" in text
    assert "20,480,000" in text
    if method in RATIOS:
        (ratio,) = re.findall(r"max/min ([\d.]+)", text)
        assert float(ratio) == pytest.approx(RATIOS[method], rel=5e-6)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("dtype", "ignore_index"), [(np.uint8, 255), (np.int64, -100)])
def test_padding_enters_neither_weights_nor_analysis(method: str, dtype: type, ignore_index: int) -> None:
    labels = np.random.default_rng(0).choice(4, (20, 5, 5), p=[0.9, 0.06, 0.03, 0.01]).astype(dtype)
    padded = np.pad(labels, ((0, 3), (1, 2), (0, 4)), constant_values=ignore_index)

    def analysis(counts: np.ndarray) -> str:
        return analyse_weights(counts, class_weights(counts, method), method=method, source="whole train split")

    text = analysis(count_classes(padded, 4, ignore_index))
    assert text == analysis(count_classes(labels, 4))
    assert "whole train split: 500 elements" in text


def test_balanced_equals_scikit_learn() -> None:
    labels = np.random.default_rng(0).choice(7, 5000, p=[0.6, 0.2, 0.1, 0.05, 0.03, 0.015, 0.005])
    expected = compute_class_weight("balanced", classes=np.arange(7), y=labels)
    weights = class_weights(np.bincount(labels), "balanced")
    np.testing.assert_allclose(weights, expected, rtol=1e-12)


def test_mean_weight_over_elements_is_one_for_balanced() -> None:
    weights = class_weights(COUNTS, "balanced")
    assert np.average(weights, weights=COUNTS) == pytest.approx(1.0)


@pytest.mark.parametrize("method", KNOWN)
def test_absent_class_leaves_the_others_as_if_it_were_not_there(method: str) -> None:
    # Scaled over all classes, the absent one would take 98 % of the sum, and the others would shrink 51-fold.
    with pytest.warns(UserWarning, match="class 1, 3 never occurs"):
        weights = class_weights([1000, 0, 10, 0], method)
    alone = class_weights([1000, 10], method)
    assert weights is not None
    assert alone is not None
    assert weights[[0, 2]].tolist() == alone.tolist()
    assert weights[1] == weights[3] == weights.max()


def test_none_gives_no_weights() -> None:
    assert class_weights(COUNTS, "none") is None


@pytest.mark.parametrize("method", [method for method in METHODS if method != "none"])
def test_rarer_classes_never_weigh_less(method: str) -> None:
    counts = np.array([1, 5, 50, 5_000, 10_000_000])
    weights = class_weights(counts, method)
    assert weights is not None
    assert (np.diff(weights) <= 0).all()
    assert (weights > 0).all()


@pytest.mark.parametrize("counts", [[1], [3, 1], [10_000_000, 5, 1], [4, 0, 2]])
@pytest.mark.parametrize("effective_beta", [0, 0.0, 1e-300, 1e-17])
def test_effective_number_without_beta_says_that_it_means_no_weights(counts: list[int], effective_beta: float) -> None:
    # (1 - 0) / (1 - 0 ** n) = 1 for every class. NumPy's warning about log 0 would be an error here.
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        weights = class_weights(counts, "effective_number", effective_beta=effective_beta)
    assert weights is not None
    assert weights.tolist() == [1.0] * len(counts)
    assert "means no class weights" in str(caught[0].message)
    assert {warning.category for warning in caught} == {UserWarning}


def test_effective_number_approaches_inverse_weights_as_beta_approaches_one() -> None:
    ours = class_weights(COUNTS, "effective_number", effective_beta=1 - 1e-13)
    np.testing.assert_allclose(ours, class_weights(COUNTS, "inverse", smoothing=1e-9), rtol=1e-5)


def test_loss_config_that_leaves_keys_out_gives_the_weights_of_the_constructor() -> None:
    # A second set of defaults once gave effective_beta = 0 here: a loss that was weighted in name alone.
    weighting, rest = ClassWeighting.of({"_target_": "x.y", "class_weights": "effective_number", "gamma": 2.0})
    weights = weighting.weights(COUNTS)
    assert weights is not None
    assert weights.round(5).tolist() == [float(number) for number in KNOWN["effective_number"].split()]
    assert rest == {"_target_": "x.y", "gamma": 2.0}


def test_values_of_a_loss_config_reach_the_weights() -> None:
    node = {"smoothing": 1000.0, "name": "focal", "class_weights": "inverse", "effective_beta": 0.5}
    weighting, rest = ClassWeighting.of(node)
    assert rest == {"name": "focal"}
    assert list(node) == ["smoothing", "name", "class_weights", "effective_beta"]  # left as it was
    expected = class_weights(COUNTS, "inverse", smoothing=1000.0)
    assert expected is not None
    assert np.array_equal(weighting.weights(COUNTS), expected)
    effective, _ = ClassWeighting.of(node | {"class_weights": "effective_number"})
    assert np.array_equal(effective.weights(COUNTS), class_weights(COUNTS, "effective_number", effective_beta=0.5))
    assert ClassWeighting.of({})[0].weights(COUNTS) is None


def test_class_weighting_and_class_weights_have_the_same_defaults() -> None:
    parameters = inspect.signature(class_weights).parameters
    weighting = ClassWeighting()
    assert weighting.smoothing == parameters["smoothing"].default
    assert weighting.effective_beta == parameters["effective_beta"].default


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1, 2], "square"), "unknown class-weight method 'square'"),
        (([0, 0], "inverse"), "not all zero"),
        (([1, -1], "inverse"), "finite number >= 0"),
        (([[1, 2]], "inverse"), "one finite number"),
        (([1, float("nan")], "inverse"), "finite"),
    ],
)
def test_bad_counts_and_methods_are_refused(arguments: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        class_weights(*arguments)


@pytest.mark.parametrize("parameter", [{"smoothing": 0.0}, {"smoothing": 2e6}, {"effective_beta": 1.0}])
def test_parameters_out_of_range_are_refused(parameter: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must lie in"):
        class_weights([1, 2], "inverse", **parameter)
