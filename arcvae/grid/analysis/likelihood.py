"""How many bits a grid costs under a model: the importance-weighted bound on its log-likelihood."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from arcvae.grid.models.base import GridModel
from arcvae.imbalance.logit_adjustment import adjust_logits
from arcvae.imbalance.masking import valid_elements
from arcvae.io.waiting import shown

LogWeight = Callable[[Tensor, Tensor, Tensor], Tensor]


@torch.no_grad()
def log_likelihoods(
    model: GridModel,
    grids: Tensor,
    *,
    samples: int,
    adjustments: Sequence[tuple[Tensor, float]],
    generator: torch.Generator,
    batch_size: int = 1000,
    ignore_index: int | None = None,
    further_priors: Sequence[LogWeight] = (),
) -> Tensor:
    """Importance-weighted lower bound on log p(x) of each grid, for several adjustments of the decoder's logits.

    ``log 1/K sum_k p(x | z_k) p(z_k) / q(z_k | x)`` with ``z_k ~ q(z | x)``; tight for large K.

    Args:
        model: In evaluation mode. The softmax of its logits is taken as the distribution of each cell.
        grids: ``(N, H, W)``, any integer type.
        samples: K, >= 1.
        adjustments: Log priors ``(C,)`` and strengths tau of logit adjustments; see
            :func:`arcvae.imbalance.logit_adjustment.adjust_logits`.
        generator: Source of the noise, on the CPU.
        batch_size: Codes that are decoded at once.
        ignore_index: Value of cells that are no part of x; None: all are.
        further_priors: ``log p(z_k) - log q(z_k | x)`` under others than that of the model; each takes and returns what
            :meth:`~arcvae.grid.models.base.GridModel.log_weight` does.

    Returns:
        ``(A, N)`` float64, in nats, a row for each of the A adjustments; below these, as many for each further prior.

    References:
        Burda et al. 2016, equation 8. https://arxiv.org/abs/1509.00519
    """
    per_batch = max(1, batch_size // samples)
    device = next(model.parameters()).device
    rows = []
    starts = range(0, len(grids), per_batch)
    for start in shown(starts, "Likelihood", len(starts), "batch"):
        batch = grids[start : start + per_batch]
        target = batch.to(device).long().repeat_interleave(samples, 0)  # (B K, H, W)
        mu, logvar = (part.repeat_interleave(samples, 0) for part in model.encoder(batch.to(device)))  # (B K, D)
        noise = torch.randn(mu.shape, generator=generator).to(device)
        z = model.sample_posterior(mu, logvar, noise)
        logits = model.decoder(z)
        adjusted = (adjust_logits(logits, log_prior, tau) for log_prior, tau in adjustments)
        log_p = [_log_probabilities(each, target, ignore_index).flatten(1).cpu().double().sum(1) for each in adjusted]
        bounds = []
        for log_weight in (model.log_weight, *further_priors):
            log_ratio = log_weight(z, logvar, noise).cpu()  # log p(z) - log q(z | x), (B K,)
            weights = [(each + log_ratio).view(-1, samples) for each in log_p]
            bounds += [each.logsumexp(1) - math.log(samples) for each in weights]
        rows.append(torch.stack(bounds))
    return torch.cat(rows, 1)


def _log_probabilities(logits: Tensor, target: Tensor, ignore_index: int | None) -> Tensor:
    """Log-probability of each cell, ``(N, H, W)``; 0 where it is ignored."""
    if ignore_index is None:
        return logits.gather(1, target[:, None])[:, 0] - logits.logsumexp(1)
    valid = valid_elements(target, ignore_index)
    log_p = logits.gather(1, target.where(valid, 0)[:, None])[:, 0] - logits.logsumexp(1)
    return log_p.where(valid, 0)


def bits_per_cell(log_likelihood: Tensor, cells: int | Tensor) -> tuple[float, float]:
    """Mean cost of a cell in bits, and its standard error over grids.

    Args:
        log_likelihood: ``(N,)``, nats per grid.
        cells: Cells of a grid; where grids differ in that (sizes, cells that are ignored) the cells of each, ``(N,)``:
            the cost is then the ratio of the totals.

    Example:
        >>> bits_per_cell(torch.tensor([-256 * math.log(2.0)] * 2), 256)  # each cell a fair coin
        (1.0, 0.0)
    """
    mean_cells = cells if isinstance(cells, int) else cells.double().mean().item()
    bits = -log_likelihood.double() / (mean_cells * math.log(2))
    mean = bits.mean().item()
    if not isinstance(cells, int):
        bits = bits - mean * cells.double() / mean_cells  # residuals of the ratio
    error = bits.std().item() / math.sqrt(len(bits)) if len(bits) > 1 else 0.0
    return round(mean, 6), round(error, 6)


def independent_bits(train_counts: Sequence[int], counts: Sequence[int]) -> float:
    """Bits per cell of a predictor that knows only the share of each colour in the train split.

    Args:
        train_counts: Cells of each colour in the train split, ``(C,)``; a colour that never occurs counts once.
        counts: Cells of each colour in the grids that are predicted, ``(C,)``.

    Example:
        >>> independent_bits([2, 1, 1], [2, 1, 1])
        1.5
    """
    shares = [max(n, 1) / sum(train_counts) for n in train_counts]
    return sum(n * -math.log2(p) for n, p in zip(counts, shares, strict=True)) / sum(counts)
