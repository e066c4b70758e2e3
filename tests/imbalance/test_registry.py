"""The contract of a registered loss, and the registry."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor

from arcvae.imbalance.losses import cross_entropy, make_loss
from arcvae.imbalance.registry import find_loss, register_loss, registered_losses, temporary_losses


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
    assert sorted(losses) == ["cross_entropy", "focal"]
    assert losses["focal"].fades == {"gamma": 0.0}
    assert {loss.over for loss in losses.values()} == {"element"}
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
    assert sorted(registered_losses()) == ["cross_entropy", "focal"]


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
    ],
)  # fmt: skip
def test_function_that_does_not_fit_is_refused_at_once(
    function: Callable[..., Tensor], options: dict, message: str
) -> None:
    with pytest.raises(ValueError, match=f"loss 'new' .*{message}") as caught:
        register_loss("new", **options)(function)
    assert "\n" not in str(caught.value)
    assert "new" not in registered_losses()
