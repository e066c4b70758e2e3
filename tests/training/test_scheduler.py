"""Learning rates as a table."""

from __future__ import annotations

import pytest
import torch

from arcvae.training.scheduler import warmup_then_decay


def rates(steps: int, epochs: int, **kwargs: object) -> list[float]:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    scheduler = warmup_then_decay(optimizer, steps, epochs, **kwargs)  # type: ignore[arg-type]
    found = []
    for _ in range(steps + 1):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


def test_learning_rate_warms_up_and_follows_a_cosine() -> None:
    found = rates(20, 10, warmup_epochs=5, warmup_start=0.1, final_lr=0.01)
    assert found[0] == pytest.approx(0.01)
    assert found[5] == pytest.approx(0.055)
    assert found[10] == pytest.approx(0.1)
    assert found[15] == pytest.approx(0.055)  # halfway between 0.1 and 0.01
    assert found[20] == pytest.approx(0.01)
    assert rates(4, 2, decay="constant") == pytest.approx([0.1] * 5)


def test_warmup_takes_no_more_than_its_share_of_a_short_run() -> None:
    # Two epochs of ten: at step 4 of 20 the peak is reached. In a run of 100 epochs the five epochs fit.
    assert rates(20, 10, warmup_epochs=5, warmup_share=0.2) == rates(20, 10, warmup_epochs=2)
    assert rates(100, 100, warmup_epochs=5, warmup_share=0.2) == rates(100, 100, warmup_epochs=5)
    assert rates(10, 5, warmup_epochs=5, warmup_share=0.2) == rates(10, 5, warmup_epochs=1)


def test_schedule_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match=r"scheduler\.warmup_epochs=5 does not fit into trainer\.max_epochs=5"):
        rates(10, 5, warmup_epochs=5)
    with pytest.raises(ValueError, match="cosine or constant, got 'linear'"):
        rates(10, 5, decay="linear")
