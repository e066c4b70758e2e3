"""The built-in losses against torch and against numbers worked by hand."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from arcvae.imbalance.losses import focal, make_loss

SHAPES = [(6, 5), (3, 10, 4, 4)]


def example(shape: tuple[int, ...], dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    logits = 3 * torch.randn(shape, dtype=dtype)
    target = torch.randint(shape[1], (shape[0], *shape[2:]))
    weights = torch.rand(shape[1], dtype=torch.float32) + 0.1
    return logits, target, weights


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("name", ["focal", "cross_entropy"])
def test_focal_with_gamma_zero_is_weighted_cross_entropy(
    shape: tuple[int, ...], dtype: torch.dtype, weighted: bool, name: str
) -> None:
    logits, target, weights = example(shape, dtype)
    chosen = weights if weighted else None
    loss = make_loss(name, class_weights=chosen, **({"gamma": 0.0} if name == "focal" else {}))
    expected = F.cross_entropy(
        logits, target, weight=None if chosen is None else chosen.to(dtype), reduction="sum"
    ) / len(logits)
    ours = loss(logits, target)
    assert ours.dtype == dtype
    assert ours.item() == pytest.approx(expected.item(), rel=1e-6)


def test_mean_is_the_plain_mean_and_not_divided_by_the_sum_of_weights() -> None:
    logits, target, weights = example((3, 10, 4, 4), torch.float64)
    expected = F.cross_entropy(logits, target, weight=weights.double(), reduction="none").mean()
    ours = make_loss("cross_entropy", class_weights=weights, reduction="mean")(logits, target)
    assert ours.item() == pytest.approx(expected.item(), rel=1e-6)
    assert ours.item() != pytest.approx(F.cross_entropy(logits, target, weight=weights.double()).item(), rel=1e-3)


def test_sum_is_elements_times_mean() -> None:
    logits, target, weights = example((3, 10, 4, 4), torch.float64)
    total, mean = (make_loss("focal", class_weights=weights, reduction=r)(logits, target) for r in ("sum", "mean"))
    assert total.item() == pytest.approx(16 * mean.item(), rel=1e-12)


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0, 5.0])
def test_focal_follows_the_formula(gamma: float) -> None:
    logits, target, _ = example((50, 7), torch.float64)
    p = logits.softmax(1).gather(1, target[:, None])[:, 0]
    torch.testing.assert_close(focal(logits, target, gamma=gamma), -((1 - p) ** gamma) * p.log(), rtol=1e-9, atol=1e-12)


def test_focal_worked_by_hand() -> None:
    # Two classes, equal logits: p = 1/2. alpha 0.25, gamma 2: 0.25 * (1/2)^2 * log 2.
    loss = focal(torch.zeros(1, 2), torch.tensor([1]), gamma=2.0, alpha=0.25)
    assert loss.item() == pytest.approx(0.25 * 0.25 * math.log(2))


def test_alpha_per_class_is_that_of_the_target() -> None:
    logits, target = torch.zeros(2, 2), torch.tensor([0, 1])
    ratio = focal(logits, target, alpha=[1.0, 3.0])
    assert ratio[1].item() == pytest.approx(3 * ratio[0].item())


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0, 5.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("scale", [1e4, 88.0, 30.0, 1.0, 0.0])
def test_gradient_is_finite_for_saturated_logits(gamma: float, dtype: torch.dtype, scale: float) -> None:
    # For gamma < 1 the plain formula has log p = 0 times (1 - p)^(gamma - 1) = inf.
    logits = (scale * torch.tensor([[1.0, -1.0], [-1.0, 1.0]], dtype=dtype)).requires_grad_()
    loss = focal(logits, torch.tensor([0, 0]), gamma=gamma)
    assert torch.isfinite(loss).all()
    loss.sum().backward()
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()
    if scale == 1e4:  # an element that is entirely wrong still has the gradient of cross-entropy
        assert logits.grad[1, 0].item() == pytest.approx(-1.0)


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_gradient_is_that_of_the_formula(gamma: float) -> None:
    logits = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: focal(x, torch.tensor([0, 1, 2, 0]), gamma=gamma), (logits,))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_logits_are_scored_in_float32(dtype: torch.dtype) -> None:
    logits, target, weights = example((3, 10, 4, 4), torch.float32)
    half = logits.to(dtype)
    loss = make_loss("focal", class_weights=weights)
    assert loss(half, target).item() == loss(half.float(), target).item()


@pytest.mark.parametrize("name", ["cross_entropy", "focal"])
def test_no_registered_loss_forgets_the_class_weights(name: str) -> None:
    logits, target = torch.zeros(1, 2), torch.tensor([1])
    plain = make_loss(name)(logits, target)
    weighted = make_loss(name, class_weights=[1.0, 5.0])(logits, target)
    assert weighted.item() == pytest.approx(5 * plain.item())


def test_target_may_be_uint8() -> None:
    logits, target, _ = example((3, 10, 4, 4), torch.float32)
    loss = make_loss("focal")
    assert loss(logits, target.to(torch.uint8)).item() == loss(logits, target).item()


def test_weights_are_not_part_of_the_state_dict() -> None:
    assert make_loss("focal", class_weights=[1.0, 2.0]).state_dict() == {}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "focla"}, r"unknown loss 'focla' \(did you mean focal\?\); registered are .*cross_entropy"),
        ({"name": "focal", "reduction": "none"}, "unknown reduction 'none'; choose one of sum, mean"),
        ({"name": "cross_entropy", "gamma": 2.0}, r"'cross_entropy' takes no gamma; its parameters are \(none\)"),
        ({"name": "focal", "gama": 2.0}, r"takes no gama \(did you mean gamma\?\); its parameters are gamma, alpha"),
        ({"name": "focal", "fade": 1.5}, r"fade must lie in \[0, 1\], got 1.5"),
        (
            {"name": "focal", "fade": 0.5, "gamma": None},
            "gamma=None cannot fade, because it is not a number; set fade=0",
        ),
    ],
)
def test_bad_arguments_are_refused_by_name(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        make_loss(**arguments)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("progress", "emphasis"), [(0.0, 1.0), (0.25, 0.5), (0.5, 0.0), (1.0, 0.0)])
def test_fading_loss_goes_from_weighted_focal_to_cross_entropy(progress: float, emphasis: float) -> None:
    logits, target, weights = example((3, 10, 4, 4), torch.float64)
    loss = make_loss("focal", gamma=2.0, class_weights=weights, fade=0.5)
    loss.progress = progress
    # A weight that faded linearly would not be the power; a gamma that stayed would be off at every later step.
    constant = make_loss("focal", gamma=2.0 * emphasis, class_weights=weights.pow(emphasis))
    torch.testing.assert_close(loss(logits, target), constant(logits, target))
    if not emphasis:
        torch.testing.assert_close(loss(logits, target), F.cross_entropy(logits, target, reduction="sum") / 3)


def test_faded_loss_is_what_a_finished_run_is_scored_by_and_gamma_fades_from_its_default() -> None:
    logits, target, _ = example((6, 5), torch.float64)
    loss = make_loss("focal", fade=1.0)
    torch.testing.assert_close(loss(logits, target), F.cross_entropy(logits, target))
    loss.progress = 0.0
    torch.testing.assert_close(loss(logits, target), make_loss("focal", gamma=2.0)(logits, target))
    assert make_loss("focal").emphasis == 1.0


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_one_label_per_sample_is_ignored_as_torch_ignores_it(reduction: str) -> None:
    logits = torch.randn(6, 5, dtype=torch.float64)
    target = torch.tensor([0, -100, 3, 4, -100, 1])
    ours = make_loss("cross_entropy", reduction=reduction, ignore_index=-100)(logits, target)
    assert ours.item() == pytest.approx(F.cross_entropy(logits, target, ignore_index=-100).item(), rel=1e-12)


def test_mean_over_elements_that_count_is_that_of_torch() -> None:
    logits, target, _ = example((3, 10, 4, 4), torch.float64)
    target[:, 2:] = -100
    ours = make_loss("cross_entropy", reduction="mean", ignore_index=-100)(logits, target)
    assert ours.item() == pytest.approx(F.cross_entropy(logits, target, ignore_index=-100).item(), rel=1e-12)
