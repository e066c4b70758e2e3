"""Better codes than an encoder finds at once: a search among their neighbours for one that decodes to the grid."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from arcvae.grid.models.packing import codes_of_latents, latent_steps, latents_of_codes, networks_of_latents

CANDIDATES = 8
"""Moves that are tried in each round."""


def refine(decoder: nn.Module, z: Tensor, grids: Tensor, rounds: int, batch_size: int = 500) -> Tensor:
    """Codes whose reconstructions are closer to the grids.

    An encoder guesses a code in one go, and whoever encodes a grid has the grid: they can look whether the code decodes
    to it, and mend what does not. In each round the gradient of the cross-entropy says which moves of a single latent
    by one step promise most; the best of eight is kept if the cross-entropy falls. Grids that are right are left
    alone. The decoder stays as it is: what it cannot draw, no code makes it draw.

    Args:
        decoder: Codes to logits ``(N, C, S, S)``, in evaluation mode; on the device of ``z``.
        z: Codes of an encoder, ``(N, D)``.
        grids: What they shall decode to, ``(N, S, S)``, any integer type.
        rounds: Most moves of each code, >= 0; ValueError below.
        batch_size: Grids that are refined at once.

    Returns:
        ``(N, D)``. No code has a larger cross-entropy than before, but for what packing rounds.

    References:
        Kim et al. 2018, semi-amortized variational autoencoders. https://arxiv.org/abs/1802.02550
    """
    if rounds < 0:
        raise ValueError(f"refining takes 0 rounds or more, got {rounds}")
    if not rounds or not len(z):
        return z
    with torch.inference_mode(False):  # which would forbid the gradient; what comes out of it is copied for that
        refined = [
            _refine(decoder, codes.clone(), target.clone().to(z.device).long(), rounds)
            for codes, target in zip(z.split(batch_size), grids.split(batch_size), strict=True)
        ]
        return torch.cat(refined)


def _refine(decoder: nn.Module, z: Tensor, target: Tensor, rounds: int) -> Tensor:
    (network,) = networks_of_latents(decoder)
    step, limit = latent_steps(decoder)
    y = latents_of_codes(decoder, z).clone()  # (N, L)
    with torch.no_grad():
        cost, exact = _cost(network, y, target)
    wrong = (~exact).nonzero()[:, 0]  # (M,), indices of what is left to do
    moved = torch.zeros(len(y), dtype=torch.bool, device=y.device)
    for _ in range(rounds):
        if not len(wrong):
            break
        start = y[wrong]  # (M, L)
        slope = _slope(network, start, target[wrong])
        count = min(CANDIDATES, 2 * start.shape[1])
        promise = torch.cat([slope, -slope], 1)  # (M, 2 L), of a move up and of a move down; per unit
        outside = torch.cat([start + step > limit + step / 2, start - step < -limit - step / 2], 1)
        promise = promise.masked_fill(outside, math.inf)
        index = promise.topk(count, 1, largest=False).indices  # (M, K)
        move = torch.where(index < start.shape[1], step, -step).to(start.dtype)
        tried = start[:, None].repeat(1, count, 1)  # (M, K, L)
        tried.scatter_add_(2, (index % start.shape[1])[..., None], move[..., None])
        with torch.no_grad():
            costs, exacts = _cost(network, tried.flatten(0, 1), target[wrong].repeat_interleave(count, 0))
        best, which = costs.view(-1, count).min(1)  # (M,)
        chosen = torch.arange(len(wrong), device=y.device), which
        better = best < cost[wrong]  # one that no move helps is not helped by trying again
        improved = wrong[better]
        y[improved], cost[improved], moved[improved] = tried[chosen][better], best[better], True
        wrong = wrong[better & ~exacts.view(-1, count)[chosen]]
    return torch.where(moved[:, None], codes_of_latents(decoder, y), z)


def _cost(network: nn.Module, y: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Cross-entropy of each grid in nats, ``(N,)``, and whether all its cells are right."""
    logits = network(y).float()
    cost = F.cross_entropy(logits, target, reduction="none").flatten(1).sum(1)
    return cost, (logits.argmax(1) == target).flatten(1).all(1)


def _slope(network: nn.Module, y: Tensor, target: Tensor) -> Tensor:
    """Derivative of the cross-entropy of each grid by its latents, ``(N, L)``."""
    with torch.enable_grad():
        y = y.detach().requires_grad_()
        (slope,) = torch.autograd.grad(_cost(network, y, target)[0].sum(), y)
    return slope
