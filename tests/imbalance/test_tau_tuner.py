"""The choice of tau against scikit-learn."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from sklearn.metrics import f1_score
from torch import Tensor

from arcvae.imbalance.confusion import classification_metrics
from arcvae.imbalance.logit_adjustment import adjust_logits, log_prior
from arcvae.imbalance.tau_tuner import TAUS, TauTuner


def f1_macro(confusion: Tensor) -> float:
    return float(classification_metrics(confusion)["f1_macro"])


def biased_scores() -> tuple[list[int], Tensor, Tensor]:
    """Counts, and scores ``(4000, 3)`` biased toward the rare classes, with their targets."""
    generator = torch.Generator().manual_seed(1)
    counts = [900, 60, 40]
    target = torch.multinomial(torch.tensor(counts).float(), 4000, replacement=True, generator=generator)
    scores = torch.randn(4000, 3, generator=generator) + 2 * torch.nn.functional.one_hot(target, 3)
    return counts, scores - 0.6 * log_prior(counts), target


def test_tuned_tau_is_the_best_of_all_by_scikit_learn() -> None:
    counts, scores, target = biased_scores()
    tuner = TauTuner(log_prior(counts), f1_macro)
    for part, truth in zip(scores.split(900), target.split(900), strict=True):
        tuner.update(part, truth)
    found = tuner.compute()

    def oracle(tau: float) -> float:
        predicted = adjust_logits(scores, log_prior(counts), tau).argmax(1)
        return f1_score(target, predicted, average="macro")

    assert oracle(found) == pytest.approx(max(map(oracle, TAUS)), abs=1e-12)
    assert found > 0.2


def test_among_equals_the_tau_nearest_zero_wins_and_without_a_score_none_is_chosen() -> None:
    for score in (1.0, float("nan")):
        tuner = TauTuner(log_prior([1, 1]), lambda confusion, score=score: score)
        tuner.update(torch.tensor([[5.0, 0.0]]), torch.tensor([0]))
        assert tuner.compute() == 0


def test_tau_without_a_score_loses_against_any_that_has_one() -> None:
    def share_of_class_one(confusion: Tensor) -> float:
        predicted = confusion.sum(0)
        return 0.1 if predicted[1] else float("nan")

    tuner = TauTuner(log_prior([9, 1]), share_of_class_one)
    tuner.update(torch.tensor([[1.0, 0.0]]), torch.tensor([0]))  # class 1 is predicted for tau log 9 < -1
    assert tuner.compute() == -0.5


def test_reset_forgets() -> None:
    counts, scores, target = biased_scores()
    tuner = TauTuner(log_prior(counts), f1_macro)
    tuner.update(scores, target)
    tuner.reset()
    assert tuner.confusion.sum() == 0


@pytest.mark.parametrize(("dtype", "ignore_index"), [(torch.uint8, 255), (torch.int64, -100)])
def test_padding_does_not_change_the_tau(dtype: torch.dtype, ignore_index: int) -> None:
    counts, scores, target = biased_scores()
    logits, target = scores.T.reshape(1, 3, 40, 100), target.reshape(1, 40, 100).to(dtype)
    plain = TauTuner(log_prior(counts), f1_macro)
    plain.update(logits, target)
    padded = TauTuner(log_prior(counts), f1_macro, ignore_index=ignore_index)
    # The padding alone would make class 0 the best guess everywhere.
    padding = torch.tensor([0.1, 0.0, 0.0]).view(1, 3, 1, 1).expand(1, 3, 60, 100)
    padded.update(torch.cat([logits, padding], 2), F.pad(target, (0, 0, 0, 60), value=ignore_index))
    assert torch.equal(padded.confusion, plain.confusion)
    assert padded.compute() == plain.compute() != 0
