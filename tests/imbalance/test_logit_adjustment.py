"""Logit adjustment against the class weights that it undoes."""

from __future__ import annotations

import pytest
import torch

from arcvae.imbalance.logit_adjustment import adjust_logits, log_prior


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0])
def test_adjustment_undoes_class_weights_of_that_power_of_the_prior(exponent: float) -> None:
    # A model trained to the optimum of a weighted cross-entropy has the logits log(w_c p_c); with w_c = pi_c ** -s the
    # adjustment with tau = s must restore the probabilities p. With the sign of Menon et al. it would move away.
    generator = torch.Generator().manual_seed(0)
    counts = [9000, 700, 200, 100]
    p = torch.rand(50, 4, generator=generator).softmax(1)
    weights = (torch.tensor(counts) / sum(counts)) ** -exponent
    biased = (weights * p).log()
    torch.testing.assert_close(adjust_logits(biased, log_prior(counts), exponent).softmax(1), p)


def test_adjustment_is_the_same_for_every_element_of_a_sample() -> None:
    prior = log_prior([3, 1])
    one, many = torch.zeros(5, 2), torch.zeros(5, 2, 4, 3)
    assert torch.equal(
        adjust_logits(one, prior, 1.0)[:, :, None, None].expand_as(many), adjust_logits(many, prior, 1.0)
    )


def test_tau_zero_changes_nothing() -> None:
    logits = torch.randn(4, 3)
    assert adjust_logits(logits, log_prior([5, 3, 1]), 0.0) is logits


def test_class_that_never_occurs_counts_as_if_it_occurred_once() -> None:
    assert torch.equal(log_prior([10, 0]), log_prior([10, 1]))
