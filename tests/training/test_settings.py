"""The settings of a training run: promised ranges, and what does not go together."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from arcvae.training.scheduler import warmup_then_decay
from arcvae.training.settings import SETTINGS, warmup_problem


@pytest.mark.parametrize(
    ("key", "low", "high"),
    [
        ("data.batch_size", 1, 65536), ("trainer.max_epochs", 1, 10**6), ("data.num_workers", 0, 64),
        ("seed", 0, 2**32 - 1), ("data.seed", 0, 2**32 - 1), ("optimizer.weight_decay", 0, 10),
    ],
)  # fmt: skip
def test_promised_ranges(key: str, low: int, high: int) -> None:
    rule = SETTINGS.rules[key]
    assert [bool(rule.problem(value)) for value in (low - 1, low, high, high + 1)] == [True, False, False, True]


def test_learning_rate_is_above_zero_and_at_most_one() -> None:
    rule = SETTINGS.rules["optimizer.lr"]
    assert [bool(rule.problem(value)) for value in (0, 1e-12, 1, 1.01)] == [True, False, False, True]


def problems(**nodes: dict[str, Any]) -> list[str]:
    return SETTINGS.problems(nodes)


@pytest.mark.parametrize(("warmup", "epochs"), [(0, 1), (0.5, 1), (1, 1), (5, 5), (4.9, 5), (6, 5), (5, 50)])
def test_scheduler_refuses_a_warmup_as_the_check_does(warmup: float, epochs: int) -> None:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    problem = warmup_problem(warmup, epochs)
    assert (problem is not None) == (0 < warmup >= epochs)
    assert problems(scheduler={"warmup_epochs": warmup}, trainer={"max_epochs": epochs}) == (
        [problem] if problem else []
    )
    if problem is None:
        warmup_then_decay(optimizer, 10, epochs, warmup_epochs=warmup)
    else:
        with pytest.raises(ValueError, match="does not fit into") as caught:
            warmup_then_decay(optimizer, 10, epochs, warmup_epochs=warmup)
        assert str(caught.value) == problem


def test_warmup_that_is_limited_to_a_share_fits_into_any_run() -> None:
    trainer, scheduler = {"max_epochs": 5}, {"warmup_epochs": 5.0, "warmup_share": 0.2}
    assert problems(scheduler=scheduler, trainer=trainer) == []
    assert len(problems(scheduler=scheduler | {"warmup_share": 1}, trainer=trainer)) == 1


@pytest.mark.parametrize(
    ("precision", "fused", "clip"),
    [("16-mixed", True, 1.0), ("16-mixed", True, None), ("16-mixed", False, 1.0), ("bf16-mixed", True, 1.0)],
)
def test_half_precision_cannot_clip_gradients_of_a_fused_optimizer(
    precision: str, fused: bool, clip: float | None
) -> None:
    found = problems(trainer={"precision": precision, "gradient_clip_val": clip}, optimizer={"fused": fused})
    assert found == (
        ["trainer.precision=16-mixed cannot clip gradients of a fused optimizer; set optimizer.fused=false"]
        if (precision, fused, clip) == ("16-mixed", True, 1.0)
        else []
    )


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        ("overfit_batches", 2, "trainer.overfit_batches=2 must be 0: trainer=overfit_batch is for that"),
        ("limit_val_batches", 0, "trainer.limit_val_batches=0 must be a number above 0"),
        ("limit_val_batches", 1.5, "trainer.limit_val_batches=1.5 must be"),
        ("limit_test_batches", 0.0, "trainer.limit_test_batches=0.0 must be a number above 0"),
        ("limit_test_batches", 3, None),
        ("limit_val_batches", 0.5, None),
    ],
)
def test_options_of_the_trainer_without_which_nothing_is_measured_are_refused(
    key: str, value: float, line: str | None
) -> None:
    found = problems(trainer={key: value})
    assert [one.startswith(str(line)) for one in found] == [True] * (line is not None)


def test_a_single_value_is_told_in_words() -> None:
    (problem,) = problems(trainer={"check_val_every_n_epoch": 5})
    assert problem.startswith("trainer.check_val_every_n_epoch=5 must be 1: ")
