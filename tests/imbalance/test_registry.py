"""The contract of a registered loss, and the registry."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor

from arcvae.imbalance.losses import cross_entropy, make_loss
from arcvae.imbalance.registry import find_loss, loss_problems, register_loss, registered_losses, temporary_losses
from arcvae.io.settings import ListOf, Number

NAMES = [
    "balanced_softmax", "cross_entropy", "dice", "focal", "generalized_ce", "label_smoothing", "ldam",
    "logit_adjusted", "lovasz", "poly1", "tversky", "vs",
]  # fmt: skip


@pytest.fixture(autouse=True)
def _registry() -> Iterator[None]:
    with temporary_losses():
        yield


def test_registered_loss_is_built_by_name_and_weighted() -> None:
    @register_loss("absolute")
    def absolute(logits: Tensor, target: Tensor, *, scale: float = 1.0) -> Tensor:
        return scale * cross_entropy(logits, target).exp()

    loss = make_loss("absolute", scale=2.0, class_weights=[3.0, 3.0])
    assert loss(torch.zeros(1, 2), torch.tensor([0])).item() == pytest.approx(2 * 2 * 3)
    assert absolute(torch.zeros(1, 2), torch.tensor([0])).item() == pytest.approx(2)  # the function itself stays


def test_registry_says_what_each_loss_is() -> None:
    losses = registered_losses()
    assert sorted(losses) == NAMES
    assert losses["focal"].fades == {"gamma": 0.0}
    assert {name for name, loss in losses.items() if loss.over != "element"} == {"dice", "lovasz", "tversky"}
    assert {name for name, loss in losses.items() if loss.needs_cosines} == {"ldam"}
    assert {name for name, loss in losses.items() if loss.needs_class_counts} == {
        "balanced_softmax", "ldam", "logit_adjusted", "vs",
    }  # fmt: skip
    assert all(loss.takes_class_weights for loss in losses.values())
    assert list(losses["focal"].parameters) == ["gamma", "alpha"]


def test_what_is_supplied_is_no_setting() -> None:
    @register_loss("whole", over="batch")
    def whole(
        logits: Tensor, target: Tensor, valid: Tensor, class_counts: Tensor | None = None, *, power: float = 1.0
    ) -> Tensor:
        counts = torch.ones(logits.shape[1]) if class_counts is None else class_counts
        return (logits.sum(1) * valid * (target + 1)).sum() * power + counts.sum()

    loss = find_loss("whole")
    assert list(loss.parameters) == ["power"]
    assert loss.supplied == ("valid", "class_counts")
    assert not loss.takes_class_weights
    assert not loss.needs_class_counts  # it has a default
    assert make_loss("whole")(torch.ones(2, 3), torch.tensor([0, 1])).item() == 3 + 3 * 2 + 3


def test_what_is_registered_inside_is_forgotten_and_the_rest_stays() -> None:
    with temporary_losses():
        register_loss("inner")(lambda logits, target: cross_entropy(logits, target))
        assert "inner" in registered_losses()
        with pytest.raises(ValueError, match="'inner' is registered already; choose another name"):
            register_loss("inner")(lambda logits, target: cross_entropy(logits, target))
    assert sorted(registered_losses()) == NAMES


def test_view_of_the_registry_cannot_change_it() -> None:
    registered_losses().clear()  # type: ignore[attr-defined]
    assert find_loss("focal").name == "focal"


def test_module_around_a_loss_can_be_copied() -> None:
    loss = make_loss("focal", class_weights=[1.0, 2.0])
    logits, target = torch.randn(4, 2), torch.tensor([0, 1, 1, 0])
    assert copy.deepcopy(loss)(logits, target) == loss(logits, target)


@pytest.mark.parametrize(
    ("function", "options", "message"),
    [
        (lambda logits: logits, {}, r"must take \(logits, target, ...\)"),
        (lambda logits, target, smoothing=0.1: logits, {}, "has a parameter smoothing, a key that every loss"),
        (lambda logits, target, fade=0.1: logits, {}, "has a parameter fade"),
        (lambda logits, target, valid: logits, {}, "is over single elements and gets no valid"),
        (lambda logits, target, class_weights: logits, {}, "is over single elements and gets no class_weights"),
        (lambda logits, target: logits, {"over": "batch"}, "is over a whole batch and must have a parameter valid"),
        (lambda logits, target: logits, {"over": "sample"}, "is over a whole sample and must have a parameter valid"),
        (lambda logits, target: logits, {"over": "grid"}, "over='grid' must be one of element, sample, batch"),
        (lambda logits, target, gamma=1: logits, {"fades": {"gama": 0.0}}, r"no parameter gama that could fade \(did"),
        (lambda logits, target, gamma=1: logits, {"rules": {"gama": Number(0, 1)}}, r"no parameter gama for its rule"),
    ],
)  # fmt: skip
def test_function_that_does_not_fit_is_refused_at_once(
    function: Callable[..., Tensor], options: dict, message: str
) -> None:
    with pytest.raises(ValueError, match=f"loss 'new' .*{message}") as caught:
        register_loss("new", **options)(function)
    assert "\n" not in str(caught.value)
    assert "new" not in registered_losses()


def gce(
    logits: Tensor, target: Tensor, *, q: float = 0.7, steps: int = 1, exact: bool = False, parts: list | None = None
) -> Tensor:
    power = q * steps * (2 if exact else 1) + len(parts or [])
    return (1 - (-cross_entropy(logits, target)).exp() ** power) / power


@pytest.mark.parametrize(
    ("values", "lines"),
    [
        ({}, []),
        ({"q": 0.5, "steps": 2, "exact": True, "parts": [1], "fade": 0.5, "class_weights": "inverse"}, []),
        ({"fade": 0.5}, ["loss.fade=0.5: the loss gce has nothing that fades; set loss.fade=0"]),
        ({"name": "focal", "fade": 0.5, "class_weights": "none"}, []),  # its gamma does
        ({"fade": 0, "class_weights": "none"}, []),
        ({"q": "abc"}, ["loss.q=abc must be a number"]),
        ({"q": None}, ["loss.q=null must be a number"]),
        ({"steps": 1.5, "exact": 1}, ["loss.steps=1.5 must be a whole number", "loss.exact=1 must be true or false"]),
        ({"parts": "abc"}, []),  # no plain annotation
        ({"_target_": "x", "qq": 1}, ["unknown key loss.qq: the parameters of the loss gce are q, steps, exact, parts"
                                      " (did you mean q?)"]),
        ({"name": "gcee"}, [f"loss.name=gcee: choose one of {', '.join(sorted([*NAMES, 'gce']))} (did you mean gce?)"]),
        ({"name": 3}, [f"loss.name=3: choose one of {', '.join(sorted([*NAMES, 'gce']))}"]),
    ],
)  # fmt: skip
def test_values_of_a_config_are_checked_by_the_annotations_of_the_loss(values: dict, lines: list[str]) -> None:
    register_loss("gce")(gce)
    assert list(loss_problems({"name": "gce"} | values).values()) == lines


def test_range_that_a_loss_is_registered_with_rules_the_config_and_the_call() -> None:
    register_loss("gce", rules={"q": Number(0, 1, above=True), "parts": ListOf(Number(0, 9), optional=True)})(gce)
    assert loss_problems({"name": "gce", "q": 1, "parts": None}) == {}
    assert loss_problems({"name": "gce", "q": 0, "parts": 3}) == {
        "q": "loss.q=0 must be a number above 0 and at most 1",
        "parts": "loss.parts=3 must be a list",
    }
    with pytest.raises(ValueError, match=r"loss 'gce': q=1.5 must be a number above 0 and at most 1"):
        make_loss("gce", q=1.5)
    assert make_loss("gce", q=1.0)(torch.zeros(1, 2), torch.tensor([0])).item() == pytest.approx(0.5)


def test_config_must_give_what_a_loss_has_no_default_for_and_no_weights_that_it_cannot_apply() -> None:
    @register_loss("whole", over="batch")
    def whole(logits: Tensor, target: Tensor, *, valid: Tensor, power: float) -> Tensor:
        return (logits.sum(1) * valid * (target + 1)).sum() * power

    assert loss_problems({"name": "whole", "power": 2, "class_weights": "none"}) == {}
    assert loss_problems({"name": "whole", "class_weights": "inverse"}) == {
        "power": "loss.power is missing, and the loss whole has no default for it; add +loss.power=VALUE",
        "class_weights": "loss.class_weights=inverse: the loss whole is over a whole batch and takes no class weights; "
        "set loss.class_weights=none",
    }
