"""The settings of a loss: the same words and ranges as in the functions that they reach."""

from __future__ import annotations

from typing import Any

import pytest

from arcvae.imbalance.losses import make_loss, registered_losses
from arcvae.imbalance.settings import COSINES, DENSE, METHODS, REDUCTIONS, SETTINGS, alpha_problem
from arcvae.imbalance.weights import class_weights


@pytest.mark.parametrize("word", [*REDUCTIONS, *METHODS, "median"])
def test_functions_take_the_words_that_a_config_may_say(word: str) -> None:
    for key, use in (
        ("reduction", lambda: make_loss("focal", reduction=word)),  # type: ignore[arg-type]
        ("class_weights", lambda: class_weights([9, 1], word)),  # type: ignore[arg-type]
    ):
        if SETTINGS.problems({"loss": {key: word}}):
            with pytest.raises(ValueError, match=word):
                use()
        else:
            use()


@pytest.mark.parametrize("key", ["class_counts", "ignore_index"])
def test_what_the_corpus_supplies_is_not_set(key: str) -> None:
    assert SETTINGS.problems({"loss": {key: None}}) == [f"loss.{key} comes from the task and its corpus; leave it out"]


@pytest.mark.parametrize(
    ("key", "inside", "outside"),
    [
        ("loss.gamma", [0, 10], [-1, 10.1]),
        ("loss.fade", [0, 1], [-0.1, 1.1]),
        ("loss.smoothing", [1e-9, 1e6], [0, -1, 1.1e6]),
        ("loss.effective_beta", [0, 0.999999999], [-0.1, 1]),
        ("loss.alpha", [None, 0, 0.5, [1.0, 2.0]], [-1, [], [-1.0], "x"]),
    ],
)
def test_promised_ranges(key: str, inside: list[Any], outside: list[Any]) -> None:
    node = key.removeprefix("loss.")
    assert [value for value in inside if SETTINGS.problems({"loss": {node: value}})] == []
    assert [value for value in outside if not SETTINGS.problems({"loss": {node: value}})] == []


@pytest.mark.parametrize("method", METHODS)
def test_what_the_settings_allow_gives_weights(method: Any) -> None:
    for smoothing in (1e-9, 1e6):
        weights = class_weights([90, 9, 1], method, smoothing=smoothing, effective_beta=0.999999999)
        assert weights is None or (weights > 0).all()


@pytest.mark.parametrize(
    ("alpha", "fine"), [(None, True), (0.5, True), ([1.0] * 3, True), ([1.0] * 2, False), ([1.0] * 4, False)]
)
def test_alpha_has_one_value_or_one_for_each_class(alpha: Any, fine: bool) -> None:
    problem = alpha_problem(alpha, 3)
    assert (problem is None) == fine
    assert fine or f"loss.alpha has {len(alpha)} values for 3 classes" in str(problem)


def test_lists_of_names_agree_with_what_is_registered() -> None:
    every = registered_losses().items()  # those of other tests too
    losses = {name: loss for name, loss in every if loss.function.__module__.startswith("arcvae.")}
    assert {name for name, loss in losses.items() if loss.over != "element"} == {*DENSE}
    assert {name for name, loss in losses.items() if loss.needs_cosines} == {*COSINES}


@pytest.mark.parametrize(
    ("loss", "line"),
    [
        ({"defer": 0.8, "class_weights": "balanced", "fade": 0.0}, None),
        ({"defer": 0.0, "class_weights": "none", "fade": 0.5}, None),
        ({"defer": 0.8, "class_weights": "none"}, "loss.defer=0.8 defers class weights, but there are none; set loss."),
        ({"defer": 0.8, "class_weights": "balanced", "fade": 0.5}, "loss.fade=0.5 has ended them; set loss.fade=0"),
        ({"defer": 2, "class_weights": "none"}, "loss.defer=2 must be a number at least 0 and at most 1"),
    ],
)
def test_deferred_weights_are_there_and_do_not_fade(loss: dict, line: str | None) -> None:
    found = SETTINGS.problems({"loss": loss})
    assert len(found) == (line is not None)
    assert line is None or line in found[0]


@pytest.mark.parametrize(
    ("model", "line"),
    [
        ({"_target_": "arcvae.audio.model.AudioCNN", "head": "linear"}, "the head is linear; set model.head=cosine"),
        ({"_target_": "arcvae.audio.model.AudioCNN", "head": "cosine"}, None),
        ({"_target_": "arcvae.grid.models.spatial.SpatialVAE"}, "SpatialVAE does not give; use loss=vs"),
        ({"_target_": "mine.Model"}, None),  # asked when it is built
    ],
)
def test_loss_with_margins_needs_a_model_with_cosines(model: dict, line: str | None) -> None:
    found = SETTINGS.problems({"loss": {"name": "ldam"}, "model": model})
    assert len(found) == (line is not None)
    assert line is None or line in found[0]
