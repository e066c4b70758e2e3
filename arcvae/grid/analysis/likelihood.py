"""How many bits a grid costs under the model: the importance-weighted bound on its log-likelihood."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from arcvae.imbalance.logit_adjustment import adjust_logits


@torch.no_grad()
def log_likelihoods(
    encoder: nn.Module,
    decoder: nn.Module,
    grids: Tensor,
    *,
    samples: int,
    priors: Sequence[tuple[Tensor, float]],
    generator: torch.Generator,
    batch_size: int = 1000,
) -> Tensor:
    """Importance-weighted lower bound on log p(x) of each grid, for several ways to correct the decoder.

    ``log 1/K sum_k p(x | z_k) p(z_k) / q(z_k | x)`` with ``z_k ~ q(z | x)``; tight for large K.

    Args:
        encoder: Grids to mu and logvar, each ``(N, D)``.
        decoder: Codes ``(N, D)`` to logits ``(N, C, S, S)``, taken as a distribution of each cell.
        grids: ``(N, S, S)``, any integer type.
        samples: K, >= 1.
        priors: Log priors ``(C,)`` and strengths of prior corrections; see :mod:`arcvae.imbalance.logit_adjustment`.
        generator: Source of the noise, on the CPU.
        batch_size: Codes decoded at once.

    Returns:
        ``(P, N)`` float64, in nats, one row for each of the P priors.

    References:
        Burda et al. 2016, equation 8. https://arxiv.org/abs/1509.00519
    """
    per_batch = max(1, batch_size // samples)
    device = next(decoder.parameters()).device
    rows = []
    for batch in grids.split(per_batch):
        target = batch.to(device).long().repeat_interleave(samples, 0)  # (B K, S, S)
        mu, logvar = (part.repeat_interleave(samples, 0) for part in encoder(batch.to(device)))  # (B K, D)
        noise = torch.randn(mu.shape, generator=generator).to(device)
        z = mu + noise * (0.5 * logvar).exp()
        # The constants of both normal densities cancel.
        log_ratio = 0.5 * (noise.square() + logvar - z.square()).sum(1)  # log p(z) - log q(z | x)
        logits = decoder(z)
        parts = []
        for prior, strength in priors:
            cells = adjust_logits(logits, prior, strength)
            log_p = cells.gather(1, target[:, None])[:, 0] - cells.logsumexp(1)  # (B K, S, S)
            weights = (log_p.flatten(1).cpu().double().sum(1) + log_ratio.cpu()).view(-1, samples)
            parts.append(weights.logsumexp(1) - math.log(samples))
        rows.append(torch.stack(parts))
    return torch.cat(rows, 1)


def bits_per_cell(log_likelihood: Tensor, cells: int) -> tuple[float, float]:
    """Mean cost of a cell in bits, and its standard error over grids.

    Args:
        log_likelihood: ``(N,)`` in nats per grid.
        cells: Cells of a grid.

    Example:
        >>> bits_per_cell(torch.tensor([-256 * math.log(2.0)] * 2), 256)  # each cell a fair coin
        (1.0, 0.0)
    """
    bits = -log_likelihood.double() / (cells * math.log(2))
    error = bits.std().item() / math.sqrt(len(bits)) if len(bits) > 1 else 0.0
    return round(bits.mean().item(), 6), round(error, 6)


def independent_bits(train_counts: Sequence[int], counts: Sequence[int]) -> float:
    """Bits per cell of a predictor that knows nothing but the share of each colour in the train split.

    Args:
        train_counts: Cells of each colour in the train split, ``(C,)``.
        counts: Cells of each colour in the grids that are predicted, ``(C,)``.

    Example:
        >>> independent_bits([2, 1, 1], [2, 1, 1])
        1.5
    """
    shares = [max(n, 1) / sum(train_counts) for n in train_counts]
    return sum(n * -math.log2(p) for n, p in zip(counts, shares, strict=True)) / sum(counts)
