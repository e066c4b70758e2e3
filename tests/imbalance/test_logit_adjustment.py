"""The prior-corrected decision and calibration, against oracles and numbers worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score

from arcvae.imbalance.calibration import Calibration
from arcvae.imbalance.confusion import classification_metrics
from arcvae.imbalance.logit_adjustment import STRENGTHS, StrengthTuner, corrected, log_prior


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0])
def test_correction_undoes_class_weights_of_that_power_of_the_prior(exponent: float) -> None:
    # A model trained to the optimum of a weighted cross-entropy says log(w_c p_c); with w_c = prior_c ** -s the
    # correction of strength s must give back the order, and the probabilities, of p.
    generator = torch.Generator().manual_seed(0)
    counts = [9000, 700, 200, 100]
    p = torch.rand(50, 4, generator=generator).softmax(1)
    weights = (torch.tensor(counts) / sum(counts)) ** -exponent
    biased = (weights * p).log()
    torch.testing.assert_close(corrected(biased, log_prior(counts), exponent).softmax(1), p)


def test_correction_works_on_grids_and_on_clips() -> None:
    prior = log_prior([3, 1])
    clips = torch.zeros(5, 2)
    grids = torch.zeros(5, 2, 4, 3)
    assert torch.equal(corrected(clips, prior, 1.0)[:, :, None, None].expand_as(grids), corrected(grids, prior, 1.0))


def test_class_that_never_occurs_has_a_finite_prior() -> None:
    assert torch.isfinite(log_prior([10, 0])).all()


def test_tuned_strength_is_the_best_of_all_by_scikit_learn() -> None:
    generator = torch.Generator().manual_seed(1)
    counts = [900, 60, 40]
    target = torch.multinomial(torch.tensor(counts).float(), 4000, replacement=True, generator=generator)
    scores = torch.randn(4000, 3, generator=generator) + 2 * torch.nn.functional.one_hot(target, 3)
    scores = scores - 0.6 * log_prior(counts)  # biased toward the rare
    tuner = StrengthTuner(log_prior(counts))
    for part, truth in zip(scores.split(900), target.split(900), strict=True):
        tuner.update(part, truth)
    found = tuner.best(lambda matrix: float(classification_metrics(matrix)["f1_macro"]))

    def oracle(strength: float) -> float:
        decided = corrected(scores, log_prior(counts), strength).argmax(1)
        return f1_score(target, decided, average="macro")

    assert oracle(found) == pytest.approx(max(map(oracle, STRENGTHS)), abs=1e-12)
    assert found > 0.2


def test_among_equals_the_strength_nearest_zero_wins_and_nothing_else_is_chosen_without_a_score() -> None:
    tuner = StrengthTuner(log_prior([1, 1]))
    tuner.update(torch.tensor([[5.0, 0.0]]), torch.tensor([0]))
    assert tuner.best(lambda matrix: 1.0) == 0
    assert tuner.best(lambda matrix: float("nan")) == 0


def test_calibration_error_equals_ten_lines_of_numpy() -> None:
    generator = np.random.default_rng(0)
    confidence, hit = generator.random(5000), generator.random(5000) < 0.5
    ours = Calibration(bins=15)
    for part in np.array_split(np.arange(5000), 7):
        ours.update(torch.from_numpy(confidence[part]), torch.from_numpy(hit[part]))
    error = 0.0
    for low in np.arange(15) / 15:
        inside = (confidence >= low) & (confidence < low + 1 / 15)
        error += inside.mean() * abs(confidence[inside].mean() - hit[inside].mean())
    assert ours.error == pytest.approx(error, abs=1e-9)


def test_perfectly_sure_and_right_has_no_error_and_lies_in_the_last_bin() -> None:
    calibration = Calibration(bins=4)
    calibration.update(torch.ones(3), torch.ones(3, dtype=torch.bool))
    assert calibration.error == 0
    assert calibration.curve() == ([1.0], [1.0], [1.0])
