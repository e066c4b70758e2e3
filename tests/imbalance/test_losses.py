"""Losses against torch, against formulas written a second time, and against numbers worked by hand."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from arcvae.imbalance.losses import cross_entropy, focal, make_loss, register_loss, temporary_losses

SHAPES = [(6, 5), (3, 10, 4, 4)]
COUNTS = [900, 60, 40]


@pytest.fixture
def example_losses() -> Iterator[None]:
    """A loss of each kind beside the built-in ones, for one test."""
    with temporary_losses():

        @register_loss("logit_adjusted")
        def logit_adjusted(logits: Tensor, target: Tensor, *, class_counts: Tensor, tau: float = 1.0) -> Tensor:
            """Menon et al. 2021, equation 10."""
            shift = tau * (class_counts / class_counts.sum()).log()
            return F.cross_entropy(logits + shift.view(1, -1, *[1] * (logits.ndim - 2)), target, reduction="none")

        @register_loss("dice", over="batch", fades={"power": 1.0})
        def dice(
            logits: Tensor, target: Tensor, *, valid: Tensor, class_weights: Tensor | None, power: float = 2.0
        ) -> Tensor:
            """Soft Dice over all elements of a batch, mean over classes, weighted by class."""
            p = logits.softmax(1).transpose(0, 1)[:, valid]  # (C, elements that count)
            truth = F.one_hot(target[valid], logits.shape[1]).T
            loss = 1 - 2 * (p * truth).sum(1) / (p.pow(power).sum(1) + truth.sum(1))
            return loss.mean() if class_weights is None else (class_weights * loss).mean()

        @register_loss("worst", over="sample")
        def worst(logits: Tensor, target: Tensor, valid: Tensor) -> Tensor:
            """The cross-entropy of the worst element of each sample."""
            return cross_entropy(logits, target).masked_fill(~valid, 0.0).flatten(1).amax(1)

        yield


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
        ({"name": "focla"}, r"unknown loss 'focla' \(did you mean focal\?\); registered are cross_entropy, focal"),
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


@pytest.mark.parametrize("shape", [(6, 3), (4, 3, 2, 5)])
@pytest.mark.parametrize("tau", [0.0, 0.5, 1.0])
@pytest.mark.usefixtures("example_losses")
def test_loss_that_asks_for_class_counts_gets_them(shape: tuple[int, ...], tau: float) -> None:
    logits, target, weights = example(shape, torch.float64)
    ours = make_loss("logit_adjusted", tau=tau, class_counts=COUNTS, class_weights=weights)(logits, target)
    total = 0.0
    for sample in range(shape[0]):
        z, y = logits[sample].reshape(3, -1), target[sample].reshape(-1)
        for element in range(z.shape[1]):
            terms = [math.exp(z[c, element]) * (COUNTS[c] / 1000) ** tau for c in range(3)]
            total -= weights[y[element]].item() * math.log(terms[y[element]] / sum(terms))
    assert ours.item() == pytest.approx(total / shape[0], rel=1e-6)
    if tau == 0:
        assert ours.item() == make_loss("cross_entropy", class_weights=weights)(logits, target).item()


@pytest.mark.usefixtures("example_losses")
def test_class_counts_arrive_exactly_and_other_losses_leave_them_alone() -> None:
    @register_loss("probe")
    def probe(logits: Tensor, target: Tensor, *, class_counts: Tensor) -> Tensor:
        assert class_counts.tolist() == [2**24 + 1, 0, 3]  # in float32 the first would be 2 ** 24
        return cross_entropy(logits, target)

    logits, target, _ = example((6, 3), torch.float32)
    counts = [2**24 + 1, 0, 3]
    assert make_loss("probe", class_counts=counts)(logits, target) == make_loss("cross_entropy")(logits, target)
    assert make_loss("focal", class_counts=counts)(logits, target) == make_loss("focal")(logits, target)


def soft_dice(logits: Tensor, target: Tensor, weights: list[float], power: float) -> float:
    """A second soft Dice, in plain loops."""
    p = logits.softmax(1).movedim(1, 0).reshape(logits.shape[1], -1).tolist()
    labels = target.reshape(-1).tolist()
    losses = []
    for c, (row, weight) in enumerate(zip(p, weights, strict=True)):
        hit = sum(value for value, label in zip(row, labels, strict=True) if label == c)
        losses.append(weight * (1 - 2 * hit / (sum(value**power for value in row) + labels.count(c))))
    return sum(losses) / len(losses)


@pytest.mark.parametrize("reduction", ["sum", "mean"])
@pytest.mark.usefixtures("example_losses")
def test_loss_over_a_batch_is_its_own_reduction_and_gets_the_class_weights(reduction: str) -> None:
    logits, target, weights = example((3, 4, 2, 5), torch.float64)
    plain, weighted = (make_loss("dice", class_weights=w, reduction=reduction) for w in (None, weights))
    assert plain(logits, target).item() == pytest.approx(soft_dice(logits, target, [1.0] * 4, 2.0), rel=1e-9)
    assert weighted(logits, target).item() == pytest.approx(soft_dice(logits, target, weights.tolist(), 2.0), rel=1e-9)


@pytest.mark.parametrize(("progress", "emphasis"), [(0.0, 1.0), (0.25, 0.5), (0.5, 0.0), (0.9, 0.0)])
@pytest.mark.usefixtures("example_losses")
def test_any_registered_parameter_fades_to_the_value_that_its_loss_names(progress: float, emphasis: float) -> None:
    logits, target, weights = example((3, 4, 2, 5), torch.float64)
    loss = make_loss("dice", power=3.0, class_weights=weights, fade=0.5)
    loss.progress = progress
    faded = weights.double().pow(emphasis).tolist()
    expected = soft_dice(logits, target, faded, 1.0 + 2.0 * emphasis)
    assert loss(logits, target).item() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("reduction", ["sum", "mean"])
@pytest.mark.usefixtures("example_losses")
def test_loss_over_samples_is_averaged_over_the_batch(reduction: str) -> None:
    logits, target, _ = example((5, 4, 3, 3), torch.float64)
    worst = F.cross_entropy(logits, target, reduction="none").flatten(1).max(1).values
    ours = make_loss("worst", reduction=reduction)(logits, target)
    assert ours.item() == pytest.approx(worst.mean().item(), rel=1e-12)


@pytest.mark.parametrize("name", ["dice", "worst"])
@pytest.mark.usefixtures("example_losses")
def test_loss_over_a_whole_gets_logits_in_float32_at_least(name: str) -> None:
    logits, target, _ = example((3, 4, 2, 5), torch.float32)
    half = logits.bfloat16()
    loss = make_loss(name)
    assert loss(half, target).item() == loss(half.float(), target).item()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "worst", "class_weights": [1.0, 2.0]}, "'worst' is over a whole sample and takes no class weights; "
         "set class_weights=none"),
        ({"name": "logit_adjusted"}, "'logit_adjusted' needs to know how often each class occurs; pass class_counts"),
        ({"name": "dice", "valid": None}, "'dice' takes no valid; its parameters are power"),
        ({"name": "needy"}, "'needy' has no default for scale, shift; set loss.scale"),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("example_losses")
def test_what_a_loss_cannot_do_without_or_with_is_one_clear_line(arguments: dict, message: str) -> None:
    register_loss("needy")(lambda logits, target, *, scale, shift, bend=0: cross_entropy(logits, target))
    with pytest.raises(ValueError, match=message) as caught:
        make_loss(**arguments)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("over", "returned", "shape"),
    [
        ("element", (), r"\(3, 2, 2\)"),
        ("element", (3,), r"\(3, 2, 2\)"),
        ("sample", (3, 2, 2), r"\(3,\)"),
        ("batch", (3,), r"\(\)"),
    ],
)
def test_wrong_shape_is_refused(over: str, returned: tuple[int, ...], shape: str) -> None:
    # Otherwise a mean over the batch would be summed as if it were the cost of one element.
    with temporary_losses():
        if over == "element":
            register_loss("wrong")(lambda logits, target: torch.zeros(returned))
        else:
            register_loss("wrong", over=over)(lambda logits, target, valid: torch.zeros(returned))
        with pytest.raises(ValueError, match=f"'wrong' is registered over='{over}' and must return the shape {shape}"):
            make_loss("wrong")(torch.zeros(3, 2, 2, 2), torch.zeros(3, 2, 2, dtype=torch.uint8))


@given(
    seed=st.integers(0, 2**16),
    size=st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(1, 3)),
    pad=st.lists(st.integers(0, 2), min_size=6, max_size=6),
    code=st.sampled_from([(torch.uint8, 255), (torch.int64, -100)]),
    name=st.sampled_from(["cross_entropy", "focal", "logit_adjusted", "dice", "worst"]),
    reduction=st.sampled_from(["sum", "mean"]),
    weighted=st.booleans(),
    fill=st.sampled_from([1e4, float("nan"), float("inf")]),
)
@pytest.mark.usefixtures("example_losses")
def test_padded_batch_has_loss_and_gradient_of_the_batch(
    seed: int, size: tuple[int, ...], pad: list[int], code: tuple[torch.dtype, int], name: str, reduction: str,
    weighted: bool, fill: float,
) -> None:  # fmt: skip
    # The last two numbers of pad add samples that are padding and nothing else.
    generator = torch.Generator().manual_seed(seed)
    dtype, ignore_index = code
    logits = torch.randn(size[0], 3, *size[1:], generator=generator, dtype=torch.float64)
    target = torch.randint(3, size, generator=generator).to(dtype)
    weights = [0.2, 1.0, 5.0] if weighted and name != "worst" else None
    plain = make_loss(name, class_weights=weights, class_counts=COUNTS, reduction=reduction)
    masked = make_loss(name, class_weights=weights, class_counts=COUNTS, reduction=reduction, ignore_index=ignore_index)
    # Logits at padded places may be anything: they must reach neither loss nor gradient.
    padded = F.pad(logits, [*pad[:4], 0, 0, *pad[4:]], value=fill).requires_grad_()
    logits.requires_grad_()
    expected, ours = plain(logits, target), masked(padded, F.pad(target, pad, value=ignore_index))
    torch.testing.assert_close(ours, expected, rtol=1e-9, atol=1e-12)
    expected.backward()
    ours.backward()
    assert logits.grad is not None
    assert padded.grad is not None
    torch.testing.assert_close(padded.grad, F.pad(logits.grad, [*pad[:4], 0, 0, *pad[4:]]), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["cross_entropy", "focal", "worst"])
@pytest.mark.parametrize("reduction", ["sum", "mean"])
@pytest.mark.usefixtures("example_losses")
def test_batch_of_nothing_but_padding_costs_nothing(name: str, reduction: str) -> None:
    logits = torch.randn(2, 3, 4, requires_grad=True)
    loss = make_loss(name, reduction=reduction, ignore_index=255)(logits, torch.full((2, 4), 255))
    loss.backward()
    assert loss.item() == 0
    assert logits.grad is not None
    assert not logits.grad.any()


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
