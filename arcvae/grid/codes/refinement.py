"""Refinement of codes: a local search, guided by the gradient, for a code that decodes to its grid."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

from arcvae.grid.models.base import GridModel
from arcvae.imbalance.masking import valid_elements

CANDIDATES: Final = 8
"""Moves that are tried in each round."""
FINEST: Final = 2**-5
"""The shortest move of a continuous latent, as a share of the step that the model names."""


def refine(
    model: GridModel, z: Tensor, grids: Tensor, rounds: int, batch_size: int = 500, ignore_index: int | None = None
) -> Tensor:
    """Codes whose reconstructions are closer to the grids.

    An encoder infers a code in a single pass. Whoever encodes a grid also has the grid, and can check whether the code
    decodes to it. In each round the gradient of the cross-entropy ranks the moves of a single latent by one step; the
    best of eight is kept if it lowers the cross-entropy, and if none does, the steps of continuous latents are halved,
    down to a thirty-second. Grids that are reconstructed exactly keep their codes. The decoder is not changed: a grid
    that no code decodes to stays wrong.

    Args:
        model: In evaluation mode; on the device of ``z``. Says how its latents move
            (:meth:`~arcvae.grid.models.base.GridModel.latent_steps`).
        z: Codes of its encoder, ``(N, D)``.
        grids: What they are to decode to, ``(N, H, W)``, any integer type; of a size that the model accepts.
        rounds: Most moves of each code, >= 0.
        batch_size: Grids that are refined at once.
        ignore_index: Value of cells that do not count; None: all count.

    Returns:
        ``(N, D)``. No code has a larger cross-entropy than before, except for the rounding of packed codes.

    Raises:
        ValueError: A negative number of rounds.

    References:
        Kim et al. 2018, semi-amortized variational autoencoders. https://arxiv.org/abs/1802.02550
    """
    if rounds < 0:
        raise ValueError(f"refining takes 0 rounds or more, got {rounds}")
    if not rounds or not len(z):
        return z
    with torch.inference_mode(False):  # which forbids gradients; its tensors are copied for the same reason
        refined = []
        for start in range(0, len(z), batch_size):
            codes, target = z[start : start + batch_size].clone(), grids[start : start + batch_size].clone()
            refined.append(_refine(model, codes, target.to(z.device).long(), rounds, ignore_index))
        return torch.cat(refined)


def _refine(model: GridModel, z: Tensor, target: Tensor, rounds: int, ignore_index: int | None) -> Tensor:
    height, width = target.shape[1:]
    decoder: Callable[[Tensor], Tensor] = model.latent_networks()[1]
    if (height, width) != (model.grid_size, model.grid_size):  # of a model that draws grids of any size
        decoder = partial(model.draw, height=height, width=width)
    latents = model.latents(z).clone()  # (N, L)
    size = latents.shape[1]
    steps, limits = model.latent_steps()
    finest = FINEST if model.levels is None else 1.0
    step, limit = steps.to(latents), (limits + finest * steps / 2).to(latents)  # (L,); a little tolerance
    count = min(CANDIDATES, 2 * size)
    with torch.no_grad():
        cost, exact = _cost(decoder, latents, target, ignore_index)
    wrong = (~exact).nonzero()[:, 0]  # (M,), indices of the grids that are left
    share = latents.new_ones(len(latents))  # of the step
    moved = torch.zeros(len(latents), dtype=torch.bool, device=z.device)
    for _ in range(rounds):
        if not len(wrong):
            break
        start = latents[wrong]  # (M, L)
        move = step * share[wrong, None]  # (M, L)
        change = _gradient(decoder, start, target[wrong], ignore_index) * move  # of the cost, to first order
        change = torch.cat([change, -change], 1)  # (M, 2 L), of a move up and of a move down
        outside = torch.cat([start + move > limit, start - move < -limit], 1)
        index = change.masked_fill(outside, math.inf).topk(count, 1, largest=False).indices  # (M, K)
        latent = index % size
        move = move.gather(1, latent).where(index < size, -move.gather(1, latent))  # (M, K)
        tried = start[:, None].repeat(1, count, 1)  # (M, K, L)
        tried.scatter_add_(2, latent[..., None], move[..., None])
        with torch.no_grad():
            costs, exacts = _cost(decoder, tried.flatten(0, 1), target[wrong].repeat_interleave(count, 0), ignore_index)
        costs = costs.view(-1, count).masked_fill(outside.gather(1, index), math.inf)  # if fewer than K are inside
        best, which = costs.min(1)  # (M,)
        chosen = torch.arange(len(wrong), device=z.device), which
        better = best < cost[wrong]
        improved = wrong[better]
        latents[improved], cost[improved], moved[improved] = tried[chosen][better], best[better], True
        share[wrong[~better]] /= 2
        # A grid that no move improves would get the same moves in the next round, were they not halved.
        wrong = wrong[~(better & exacts.view(-1, count)[chosen]) & (share[wrong] >= finest)]
    return torch.where(moved[:, None], model.pack(latents), z)


def _cost(
    decoder: Callable[[Tensor], Tensor], latents: Tensor, target: Tensor, ignore_index: int | None
) -> tuple[Tensor, Tensor]:
    """Cross-entropy of each grid in nats, ``(N,)``, and whether all its cells are right."""
    logits = decoder(latents).float()
    if ignore_index is None:
        cost, right = F.cross_entropy(logits, target, reduction="none"), logits.argmax(1) == target
    else:
        cost = F.cross_entropy(logits, target, reduction="none", ignore_index=ignore_index)
        right = (logits.argmax(1) == target) | ~valid_elements(target, ignore_index)
    return cost.flatten(1).sum(1), right.flatten(1).all(1)


def _gradient(decoder: Callable[[Tensor], Tensor], latents: Tensor, target: Tensor, ignore_index: int | None) -> Tensor:
    """Gradient of the cross-entropy of each grid by its latents, ``(N, L)``."""
    with torch.enable_grad():
        latents = latents.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(_cost(decoder, latents, target, ignore_index)[0].sum(), latents)
    return gradient
