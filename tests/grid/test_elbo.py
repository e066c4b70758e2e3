"""KL against torch.distributions; schedules as tables, value by value."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from arcvae.grid.elbo import Constant, Cyclical, LinearWarmup, ThreePhase, free_bits, gaussian_kl


def test_kl_equals_torch_distributions() -> None:
    mu, logvar = torch.randn(50, 4, dtype=torch.float64), torch.randn(50, 4, dtype=torch.float64)
    expected = kl_divergence(Normal(mu, (0.5 * logvar).exp()), Normal(torch.zeros_like(mu), torch.ones_like(mu)))
    torch.testing.assert_close(gaussian_kl(mu, logvar), expected)


def test_kl_is_never_negative_near_the_prior() -> None:
    logvar = torch.linspace(-1e-3, 1e-3, 2001)
    assert (gaussian_kl(torch.zeros(2001), logvar) >= 0).all()


def test_free_bits_take_away_the_gradient_below_the_floor() -> None:
    kl = torch.tensor([0.1, 2.0], requires_grad=True)
    total = free_bits(kl, 0.5)
    total.backward()
    assert total.item() == 2.5
    assert kl.grad is not None
    assert kl.grad.tolist() == [0.0, 1.0]
    assert free_bits(kl.detach(), 0.0).item() == pytest.approx(2.1)


TABLES = [
    (Constant(0.3), {0: 0.3, 7.5: 0.3, math.inf: 0.3}, 0),
    (LinearWarmup(hold=0, ramp=4, maximum=2), {0: 0, 1: 0.5, 3.5: 1.75, 4: 2, 100: 2, math.inf: 2}, 4),
    (LinearWarmup(hold=2, ramp=2, maximum=1), {0: 0, 2: 0, 2.5: 0.25, 4: 1, 5: 1}, 4),
    (LinearWarmup(hold=0, ramp=0, maximum=1), {0: 1, 3: 1}, 0),
    (LinearWarmup(hold=2, ramp=0, maximum=1), {0: 0, 1.99: 0, 2: 1, 3: 1}, 2),
    (ThreePhase(), {0: 0, 1: 0.1, 10: 1, 11: 1.05, 30: 2, 50: 2, math.inf: 2}, 30),
    (ThreePhase(first=1, second=3, middle=1, maximum=2), {0.5: 0.5, 1: 1, 2: 1.5, 3: 2}, 3),
    (Cyclical(period=4, maximum=1, ramp_share=0.5), {0: 0, 1: 0.5, 2: 1, 3.9: 1, 4: 0, 5: 0.5, math.inf: 1}, 2),
    (Cyclical(period=2, maximum=1, ramp_share=1.0), {0: 0, 1: 0.5, 1.5: 0.75, 2: 0}, 2),
]  # fmt: skip


@pytest.mark.parametrize(("schedule", "table", "ramp"), TABLES)
def test_schedule_follows_its_table(schedule, table: dict[float, float], ramp: float) -> None:  # type: ignore[no-untyped-def]
    assert {epoch: schedule(epoch) for epoch in table} == pytest.approx(table)
    assert schedule.ramp_epochs == ramp
    assert max(schedule(epoch / 1000) for epoch in range(50_000)) == pytest.approx(schedule.maximum, rel=1e-3)


def test_phases_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(ValueError, match=r"beta\.first=\S+ must lie above 0 and below beta\.second=\S+"):
        ThreePhase(first=5, second=5)
