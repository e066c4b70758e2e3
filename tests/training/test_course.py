"""What the course of a run says of its faults: the thresholds, what goes before what, and silence without figures."""

from __future__ import annotations

from typing import Any

import pytest

from arcvae.app.compose import plan
from arcvae.training.course import FALLING, FEW_STEPS, IMPROVING, RISING, STUCK, USUAL_RATES, Course


def course(losses: list[float], *, lr: float = 1e-3, steps: int = 5000, **facts: Any) -> Course:
    """A run with these training losses, with Adam."""
    rows = [{"epoch": number, "train/loss": loss} for number, loss in enumerate(losses, 1)]
    known = {"epochs": len(losses), "max_epochs": len(losses), "optimizer": "AdamW"} | facts
    return Course(history=rows, steps=steps, learning_rate=lr, **known)


def cause(*arguments: Any, **facts: Any) -> str | None:
    found = course(*arguments, **facts).cause()
    return found.text if found else None


def test_nothing_is_said_of_what_is_not_known_and_of_a_run_that_converged() -> None:
    assert Course().cause() is None
    assert Course().longer() == "train longer (trainer.max_epochs)"
    assert cause([9.0, 4.0, 3.0, 2.95, 2.94]) is None
    assert cause([9.0, 0.5, 0.0, 0.0]) is None  # of nothing no share can fall, and no division by it may fail


@pytest.mark.parametrize("losses", [[0.0, 0.0], [0.0, 0.1], [-1.0, -3.0]])
def test_loss_of_zero_or_less_has_no_share_that_falls(losses: list[float]) -> None:
    assert cause(losses) is None


@pytest.mark.parametrize(
    ("losses", "facts", "words"),
    [
        ([9.0], {"steps": 25}, "too short: 25 steps in 1 epoch are few"),
        ([9.0, 5.0, 4.0, 3.0], {}, "too short: the training loss still fell by 25 %"),
        ([9.0, 4.0, 3.0, 3.0, 4.0], {}, "the training loss rises (from 3 to 4): the learning rate is too high"),
        ([9.0, 8.99, 9.0], {}, "the training loss does not move"),
        ([9.0, 5.0, 4.0], {"lr": 0.3}, "a learning rate of 0.3 is too high"),
        ([9.0, 8.9, 8.8], {"lr": 1e-7}, "a learning rate of 1e-07 is too low"),
        ([9.0], {"steps": 25, "lr": 0.3}, "a learning rate of 0.3 is too high"),  # before the few steps
        ([9.0, 8.99, 9.0], {"steps": 300}, "too short: 300 steps"),  # before the loss, of which little is known then
    ],
)
def test_cause_fits_the_figures(losses: list[float], facts: dict[str, Any], words: str) -> None:
    found = cause(losses, **facts)
    assert found is not None
    assert found.startswith(words)


def test_thresholds_are_where_they_are_said_to_be() -> None:
    flat = [9.0, 4.0, 3.0, 3.0]
    assert cause(flat, steps=FEW_STEPS) is None
    assert cause(flat, steps=FEW_STEPS - 1) is not None
    assert cause(flat, lr=USUAL_RATES[0]) is cause(flat, lr=USUAL_RATES[1]) is None
    assert cause([9.0, 4.0, 3.0, 3.0 * RISING * 0.999]) is None
    assert cause([9.0, 4.0, 3.0, 3.0 * RISING * 1.001]) is not None
    assert cause([9.0, 3.0, 3.0 * (1 - FALLING) * 1.001]) is None
    assert cause([9.0, 3.0, 3.0 * (1 - FALLING) * 0.999]) is not None
    assert "does not move" in str(cause([9.0, 9.0, 9.0 * (1 - STUCK) * 1.001]))
    assert cause([9.0, 9.0 * (1 - STUCK) * 0.998, 9.0 * (1 - STUCK) * 0.998]) is None


def test_a_loss_that_changes_by_plan_is_not_judged_while_it_does() -> None:
    # Beta rises for four epochs, and the reconstruction with it.
    losses = [9.0, 3.0, 4.0, 6.0, 6.0]
    assert cause(losses, ramp_epochs=4.0) is None
    assert "rises" in str(cause(losses))


def test_only_rates_of_adam_are_known_to_be_unusual() -> None:
    assert cause([9.0, 4.0, 3.0, 3.0], lr=0.3, optimizer="SGD") is None


def test_figure_that_is_better_low_improves_by_falling() -> None:
    def rows(*values: float) -> list[dict[str, float | None]]:
        return [{"epoch": n, "val/loss": value} for n, value in enumerate(values, 1)]

    better = [2.0, 2.0 * (1 - IMPROVING) * 0.99]
    assert Course(history=rows(*better), monitor="val/loss", monitor_falls=True).improving()
    assert not Course(history=rows(*better), monitor="val/loss").improving()
    assert not Course(history=rows(2.0, 1.0, 1.5), monitor="val/loss", monitor_falls=True).improving()


def test_remedy_names_epochs_that_are_enough_or_what_ended_the_run() -> None:
    # 25 steps an epoch: 2 x 1,000 steps are 80 epochs. Of a long run, twice the epochs.
    assert "trainer.max_epochs=80" in Course(steps=25, epochs=1, max_epochs=1).longer()
    assert "trainer.max_epochs=20" in Course(steps=5000, epochs=10, max_epochs=10).longer()
    stopped = Course(steps=500, epochs=10, max_epochs=50).longer()
    assert "before its trainer.max_epochs=50" in stopped


@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        (["trainer=debug"], ["trainer.max_steps=10", "trainer.limit_train_batches=10"]),
        (["+trainer.limit_train_batches=1"], ["trainer.limit_train_batches=1"]),
        (["+trainer.limit_train_batches=1.0", "+trainer.max_steps=-1"], []),
    ],
)
def test_a_run_that_a_limit_ended_is_not_told_to_take_more_epochs(overrides: list[str], named: list[str]) -> None:
    (config,) = plan("train", overrides)
    course = Course.of(config, steps=10, epochs=1)
    assert list(course.limits) == named
    assert ("trainer.max_epochs" in course.longer()) == (not named)
    assert all(limit in course.longer() for limit in named)


def test_facts_are_those_of_the_config() -> None:
    (config,) = plan("train", ["optimizer.lr=0.5", "loss=option_b", "trainer.max_epochs=7"])
    found = Course.of(config, steps=3)
    assert (found.learning_rate, found.optimizer, found.loss, found.max_epochs) == (0.5, "AdamW", "focal", 7)
    assert (found.monitor, found.monitor_falls, found.steps) == ("val/object_f1", False, 3)
    assert Course.of({}) == Course()
    assert found.limits == ()
    (config,) = plan("train", ["data.sampler=balanced"])
    assert Course.of(config).corrected == "data.sampler=balanced"
    assert found.corrected == ""  # as they come
    wrong = {"trainer": {"max_epochs": "many"}, "optimizer": {"lr": [1]}}  # a config out of a file
    assert Course.of(wrong) == Course()
