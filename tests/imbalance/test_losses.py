"""The built-in losses against torch and against numbers worked by hand."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from arcvae.imbalance.losses import focal, make_loss, registered_losses

SHAPES = [(6, 5), (3, 10, 4, 4)]
ELEMENT = sorted(name for name, loss in registered_losses().items() if loss.over == "element")
SUPPLIED: dict = {"class_counts": [9, 1], "cosine_scale": 2.0}


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
@pytest.mark.parametrize("name", sorted(registered_losses()))
def test_half_precision_logits_are_scored_in_float32(dtype: torch.dtype, name: str) -> None:
    logits, target, weights = example((3, 10, 4, 4), torch.float32)
    half = logits.to(dtype)
    loss = make_loss(name, class_weights=weights, class_counts=range(1, 11), cosine_scale=2.0)
    assert loss(half, target).item() == loss(half.float(), target).item()


@pytest.mark.parametrize("name", ELEMENT)
def test_no_registered_loss_forgets_the_class_weights(name: str) -> None:
    logits, target = torch.zeros(1, 2), torch.tensor([1])
    plain = make_loss(name, **SUPPLIED)(logits, target)
    weighted = make_loss(name, class_weights=[1.0, 5.0], **SUPPLIED)(logits, target)
    assert weighted.item() == pytest.approx(5 * plain.item())


@pytest.mark.parametrize("name", sorted(registered_losses()))
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("scale", [1e4, 88.0, 1.0, 0.0])
def test_every_gradient_is_finite_at_extreme_logits_and_counts(name: str, dtype: torch.dtype, scale: float) -> None:
    # One element of ten million, and a class that never occurs: log 0 is -inf, (1 / 0)^(1/4) is inf, 0 * inf is NaN.
    supplied: dict = {"class_counts": [10**7, 1, 0], "class_weights": [1e-3, 2.0, 1e4], "cosine_scale": 30.0}
    signs = torch.tensor([[1.0, -1, 0], [-1, 1, 0], [0, -1, 1], [-1, -1, -1]], dtype=dtype)
    logits = (scale * signs).T.expand(3, 3, 4).clone().requires_grad_()  # (N, C, elements)
    target = torch.arange(3)[:, None].expand(3, 4)  # each class on each row of signs
    loss = make_loss(name, **supplied)(logits, target)
    loss.backward()
    assert torch.isfinite(loss)
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()
    if scale == 1:
        assert logits.grad.any()


@pytest.mark.parametrize("name", sorted(registered_losses()))
@pytest.mark.parametrize("shape", [(4, 3), (2, 3, 2, 3)])
def test_every_gradient_is_that_of_the_formula(name: str, shape: tuple[int, ...]) -> None:
    if len(shape) == 2 and name not in ELEMENT:
        return  # one label for each sample: refused, see test_overlap_losses.py
    logits, target, _ = example(shape, torch.float64)
    loss = make_loss(name, **{**SUPPLIED, "class_counts": [90, 9, 1]})
    assert torch.autograd.gradcheck(lambda x: loss(x / 3, target), (logits.requires_grad_(),))


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
        ({"name": "focal", "defer": 1.5}, r"defer must lie in \[0, 1\], got 1.5"),
        ({"name": "focal", "defer": 0.8, "fade": 0.5}, "loss.fade=0.5 has ended them; set loss.fade=0"),
        (
            {"name": "ldam", "class_counts": [2, 1]},
            r"'ldam' needs the logits of a cosine head; take a model whose logits are cosines \(model\.head=cosine\)",
        ),
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


@pytest.mark.parametrize("name", ["cross_entropy", "dice"])
@pytest.mark.parametrize(("progress", "weighted"), [(0.0, False), (0.79, False), (0.8, True), (1.0, True)])
def test_deferred_class_weights_count_from_their_share_of_the_run_on(
    name: str, progress: float, weighted: bool
) -> None:
    logits, target, weights = example((3, 10, 4, 4), torch.float64)
    loss = make_loss(name, class_weights=weights, defer=0.8)
    assert loss.changes_until == 0.8
    loss.progress = progress
    expected = make_loss(name, class_weights=weights if weighted else None)
    assert loss(logits, target).item() == expected(logits, target).item()


def test_trained_model_is_scored_by_the_weights_that_were_deferred() -> None:
    logits, target, weights = example((6, 5), torch.float64)
    deferred, plain = (make_loss("focal", class_weights=weights, defer=defer) for defer in (0.8, 0.0))
    assert deferred(logits, target).item() == plain(logits, target).item()


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
