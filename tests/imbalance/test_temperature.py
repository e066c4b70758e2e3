"""The temperature against a search over a fine grid, and what follows from its definition."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import log_softmax

from arcvae.imbalance.temperature import LARGEST, fit_temperature, spread


def example(scale: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits that say the truth about the targets drawn from them, times a factor."""
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(20_000, 4, generator=generator)
    return logits * scale, torch.multinomial(logits.softmax(1), 1, generator=generator).squeeze(1)


@pytest.mark.parametrize("scale", [0.25, 1.0, 5.0])
def test_temperature_is_what_the_logits_are_too_large_by(scale: float) -> None:
    logits, target = example(scale)
    found = fit_temperature(logits, target)
    assert found == pytest.approx(scale, rel=0.03)
    grid = np.exp(np.linspace(-3, 3, 3001))
    rows = np.arange(len(target))
    costs = [-log_softmax(logits.double().numpy() / t, axis=1)[rows, target.numpy()].mean() for t in grid[::10]]
    assert found == pytest.approx(grid[::10][np.argmin(costs)], rel=0.025)


def test_temperature_of_a_perfect_model_and_of_a_useless_one_is_bounded() -> None:
    logits = torch.eye(3) * 2
    assert 1 / LARGEST <= fit_temperature(logits, torch.arange(3)) < 0.1
    assert fit_temperature(logits, (torch.arange(3) + 1) % 3) == pytest.approx(LARGEST, rel=1e-3)


def test_places_are_spread_evenly() -> None:
    assert spread(7, 100).tolist() == list(range(7))
    assert spread(0, 5).tolist() == []
    found = spread(1000, 17)
    assert len(found) == 17
    assert set(found.diff().tolist()) == {58, 59}
