"""Metrics of scores against scikit-learn, class by class, where classes are absent and scores are equal."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, roc_auc_score
from torchmetrics.functional.classification import multiclass_auroc

from arcvae.imbalance.ranking import RANKING, RankingMetrics, ranking_metrics


def example(ties: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits and targets of seven classes: one absent, one with four samples."""
    generator = torch.Generator().manual_seed(1)
    target = torch.tensor([0] * 30 + [1] * 20 + [2] * 10 + [4] * 5 + [5] * 4 + [6] * 6)
    logits = torch.randn(len(target), 7, generator=generator) + 1.5 * torch.nn.functional.one_hot(target, 7)
    return (logits.round() if ties else logits), target


@pytest.mark.parametrize("ties", [False, True])
def test_figures_are_those_of_scikit_learn_over_the_classes_that_occur(ties: bool) -> None:
    logits, target = example(ties)
    shares = logits.double().softmax(1).numpy()
    found = ranking_metrics(logits, target)
    there = [0, 1, 2, 4, 5, 6]
    ap = {c: average_precision_score(target.numpy() == c, shares[:, c]) for c in there}
    areas = [roc_auc_score(target.numpy() == c, shares[:, c]) for c in there]
    assert found["per_class_ap"][there].tolist() == pytest.approx(list(ap.values()))
    assert torch.isnan(found["per_class_ap"][3])
    assert found["cmap"].item() == pytest.approx(np.mean(list(ap.values())))
    assert found["cmap5"].item() == pytest.approx(np.mean([ap[c] for c in there if c != 5]))
    assert found["auroc"].item() == pytest.approx(np.mean(areas))
    assert 0.5 < found["cmap5"] < 1


def test_torchmetrics_counts_an_absent_class_where_scikit_learn_has_no_figure() -> None:
    # Why its means are not taken: the area of an absent class is 0 there, and lowers the mean.
    logits, target = example(ties=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = multiclass_auroc(logits.softmax(1), target, 7, average="none")
        with np.errstate(all="ignore"):
            sklearns = roc_auc_score([0, 0, 0], [0.1, 0.2, 0.3]) if _defined() else np.nan
    assert theirs[3] == 0
    assert np.isnan(sklearns)
    assert ranking_metrics(logits, target)["auroc"] > theirs.mean()


def _defined() -> bool:
    """Whether scikit-learn has an area without a positive; before 1.6 it raises instead of answering NaN."""
    try:
        return not np.isnan(roc_auc_score([0, 0, 0], [0.1, 0.2, 0.3]))
    except ValueError:
        return False


def test_right_class_among_the_best_five_counts_by_its_share_of_equal_places() -> None:
    scores = torch.tensor([
        [7.0, 6, 5, 4, 3, 2, 1],  # class 4 is fifth
        [7.0, 6, 5, 4, 3, 2, 1],  # class 5 is sixth
        [0.0, 0, 0, 0, 0, 0, 0],  # all alike: five of seven
        [1.0, 1, 1, 1, 0, 0, 0],  # one place left for three
    ])  # fmt: skip
    target = torch.tensor([4, 5, 2, 6])
    assert ranking_metrics(scores, target)["top5_accuracy"].item() == pytest.approx((1 + 0 + 5 / 7 + 1 / 3) / 4)


def test_batches_add_up_to_the_whole_and_nothing_has_no_figure() -> None:
    logits, target = example(ties=False)
    metrics = RankingMetrics()
    for part in torch.arange(len(target)).split(9):
        metrics.update(logits[part], target[part])
    found, expected = metrics.compute(), ranking_metrics(logits, target)
    assert {name: value.tolist() for name, value in found.items() if name != "per_class_ap"} == {
        name: expected[name].item() for name in RANKING
    }
    alone = ranking_metrics(logits[:9], target[:9])  # one class, which nothing can be told from
    assert torch.isnan(alone["auroc"])
    assert alone["cmap"] == 1
    nothing = ranking_metrics(torch.zeros(0, 7), torch.zeros(0, dtype=torch.long))
    assert all(torch.isnan(nothing[name]) for name in RANKING)
