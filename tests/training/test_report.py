"""The trivial predictor against scikit-learn, and tables of results."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from sklearn.metrics import accuracy_score, f1_score

from arcvae.training.report import baseline, table, trivial_results
from arcvae.training.task import Results
from tests.training.tiny import BackgroundTask, TinyTask, build


@pytest.mark.parametrize("always", [0, 1])
def test_trivial_predictor_scores_what_scikit_learn_gives_it(always: int) -> None:
    target = torch.multinomial(torch.tensor([0.7, 0.2, 0.1]), 2500 * 2, replacement=True).view(2500, 2)
    found = trivial_results(target, 3, always, None)  # in three parts
    right, answer = target.flatten(), torch.full((5000,), always)
    assert found["accuracy"] == pytest.approx(accuracy_score(right, answer))
    assert found["f1_macro"] == pytest.approx(f1_score(right, answer, average="macro", zero_division=0))
    assert found["balanced_accuracy"] == pytest.approx(1 / 3)
    assert found["exact_match"] == pytest.approx((target == always).all(1).float().mean().item())


def test_trivial_predictor_is_the_background_or_the_majority_of_the_train_split() -> None:
    target = torch.tensor([[0, 0, 1, 2, 2, 2]])  # in this split it is class 2
    counts = [10, 70, 20]
    assert baseline(build(TinyTask()), target, counts)["accuracy"] == pytest.approx(1 / 6)  # class 1
    assert baseline(build(BackgroundTask()), target, counts)["accuracy"] == pytest.approx(2 / 6)  # class 0


class Adding(TinyTask):
    further_names = ("twice",)

    def further_results(self, results: Results, module: Any) -> Results:
        return {"twice": 2 * results["accuracy"]}

    def trivial_results(self, module: Any) -> Results:
        return {"norm": 0.0}


def test_trivial_predictor_has_what_the_task_adds() -> None:
    found = baseline(build(Adding()), torch.tensor([[0, 1, 1, 1]]), [9, 1, 1])
    assert (found["accuracy"], found["twice"], found["norm"]) == (0.25, 0.5, 0.0)


def test_table_shows_a_dash_for_what_is_not_known() -> None:
    columns: dict[str, Results] = {
        "ours": {"f1": 0.25, "active": 7, "list": [1.0]},
        "trivial": {"f1": math.nan, "active": 0},
    }
    lines = table(columns, ["f1", "active", "list", "absent"]).splitlines()
    assert [line.split() for line in lines] == [
        ["ours", "trivial"], ["f1", "0.2500", "—"], ["active", "7", "0"], ["list", "—", "—"], ["absent", "—", "—"],
    ]  # fmt: skip
    assert len({len(line) for line in lines}) == 1  # columns stand below one another
