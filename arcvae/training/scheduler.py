"""Learning-rate schedules by step."""

from __future__ import annotations

import math

import torch
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from arcvae.training.settings import warmup_problem


def warmup_then_decay(
    optimizer: Optimizer,
    total_steps: int,
    total_epochs: int,
    *,
    warmup_epochs: float = 0.0,
    warmup_share: float = 1.0,
    warmup_start: float = 0.1,
    final_lr: float = 1e-5,
    decay: str = "cosine",
) -> LRScheduler:
    """Linear warm-up of the learning rate, then a cosine down to ``final_lr``, or no decay.

    Args:
        optimizer: Its learning rate is the peak.
        total_steps: Steps of the whole run.
        total_epochs: Epochs of the whole run.
        warmup_epochs: Length of the warm-up, >= 0 and below ``total_epochs``.
        warmup_share: Largest share of the run that the warm-up may take, (0, 1]: it is shorter in a short run.
        warmup_start: Learning rate of the first step as a share of the peak, (0, 1].
        final_lr: Learning rate at the end of a cosine.
        decay: ``"cosine"`` or ``"constant"``.

    Raises:
        ValueError: The warm-up does not fit into the run, or an unknown decay.

    References:
        Loshchilov & Hutter 2017 (without restarts). https://arxiv.org/abs/1608.03983
    """
    if decay not in ("cosine", "constant"):
        raise ValueError(f"scheduler.decay must be cosine or constant, got {decay!r}")
    warmup_epochs = longest_warmup(warmup_epochs, warmup_share, total_epochs)
    if problem := warmup_problem(warmup_epochs, total_epochs):
        raise ValueError(problem)
    warmup = round(warmup_epochs * total_steps / total_epochs)
    peak = float(optimizer.param_groups[0]["lr"])
    floor = min(1.0, final_lr / peak)

    def factor(step: int) -> float:
        if step < warmup:
            return warmup_start + (1 - warmup_start) * step / warmup
        if decay == "constant":
            return 1.0
        progress = min(1.0, (step - warmup) / max(1, total_steps - warmup))
        return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * progress))

    return torch.optim.lr_scheduler.LambdaLR(optimizer, factor)


def longest_warmup(warmup_epochs: float, warmup_share: float, total_epochs: int) -> float:
    """Length of a warm-up, in epochs, that may take at most a share of the run; a share of 1 sets no limit.

    Example:
        >>> longest_warmup(5, 0.2, 50), longest_warmup(5, 0.2, 5), longest_warmup(5, 1.0, 5)
        (5, 1.0, 5)
    """
    return warmup_epochs if warmup_share == 1 else min(warmup_epochs, warmup_share * total_epochs)
