"""Losses over elements, samples and batches: what they are given, how they are reduced, and that padding stays out.

The example losses are checked against the same formulas written a second time.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from arcvae.imbalance.losses import cross_entropy, make_loss, register_loss, registered_losses, temporary_losses

COUNTS = [900, 60, 40]
BUILT_IN = sorted(registered_losses())


@pytest.fixture
def example_losses() -> Iterator[None]:
    """A loss of each kind beside the built-in ones, for one test."""
    with temporary_losses():

        @register_loss("powered", over="batch", fades={"power": 1.0})
        def powered(
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
    plain, weighted = (make_loss("powered", class_weights=w, reduction=reduction) for w in (None, weights))
    assert plain(logits, target).item() == pytest.approx(soft_dice(logits, target, [1.0] * 4, 2.0), rel=1e-9)
    assert weighted(logits, target).item() == pytest.approx(soft_dice(logits, target, weights.tolist(), 2.0), rel=1e-9)


@pytest.mark.parametrize(("progress", "emphasis"), [(0.0, 1.0), (0.25, 0.5), (0.5, 0.0), (0.9, 0.0)])
@pytest.mark.usefixtures("example_losses")
def test_any_registered_parameter_fades_to_the_value_that_its_loss_names(progress: float, emphasis: float) -> None:
    logits, target, weights = example((3, 4, 2, 5), torch.float64)
    loss = make_loss("powered", power=3.0, class_weights=weights, fade=0.5)
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


@pytest.mark.parametrize("name", ["powered", "worst"])
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
        ({"name": "powered", "valid": None}, "'powered' takes no valid; its parameters are power"),
        ({"name": "needy"}, "'needy' has no default for scale, shift; set loss.scale"),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("example_losses")
def test_what_a_loss_cannot_do_without_or_with_is_one_clear_line(arguments: dict, message: str) -> None:
    register_loss("needy")(lambda logits, target, *, scale, shift, bend=0: cross_entropy(logits, target))
    with pytest.raises(ValueError, match=message) as caught:
        make_loss(**arguments)
    assert "\n" not in str(caught.value)
    if remedy := re.search(r"set loss\.(\w+)", str(caught.value)):
        with pytest.raises(ValueError, match=r"has no default for shift; set loss\.shift"):
            make_loss(**arguments, **{remedy[1]: 1.0})
        make_loss(**arguments, scale=1.0, shift=0.0)
    if "set class_weights=none" in str(caught.value):
        make_loss(**{**arguments, "class_weights": None})


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


@settings(deadline=None)
@given(
    seed=st.integers(0, 2**16),
    size=st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(1, 3)),
    pad=st.lists(st.integers(0, 2), min_size=6, max_size=6),
    code=st.sampled_from([(torch.uint8, 255), (torch.int64, -100)]),
    name=st.sampled_from(["worst", "powered", *BUILT_IN]),
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
    options: dict = {"class_weights": weights, "class_counts": COUNTS, "cosine_scale": 2.0, "reduction": reduction}
    plain, masked = make_loss(name, **options), make_loss(name, **options, ignore_index=ignore_index)
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


@pytest.mark.parametrize("name", ["worst", *BUILT_IN])
@pytest.mark.parametrize("reduction", ["sum", "mean"])
@pytest.mark.usefixtures("example_losses")
def test_batch_of_nothing_but_padding_costs_nothing(name: str, reduction: str) -> None:
    logits = torch.randn(2, 3, 4, requires_grad=True)
    options: dict = {"class_counts": COUNTS, "cosine_scale": 2.0, "reduction": reduction, "ignore_index": 255}
    loss = make_loss(name, **options)(logits, torch.full((2, 4), 255))
    loss.backward()
    assert loss.item() == 0
    assert logits.grad is not None
    assert not logits.grad.any()
