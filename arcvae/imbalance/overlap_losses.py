"""Losses of whole batches that measure how far predicted regions overlap with true ones, class by class.

They ask for targets with many elements to a sample, such as the cells of a grid: where a sample has a single label,
there are no regions. None of them is a likelihood: beside a KL in nats, ``scale`` says what an overlap is worth.

With p the softmax of the logits and t the one-hot target, summed over all elements of the batch that count, soft
counts of a class are ``TP = sum p t``, ``FP = sum p (1 - t)`` and ``FN = sum (1 - p) t``. Costs are means over the
classes that occur in the batch, each times its class weight, if there are any: where a class does not occur, nothing
can overlap. A batch in which nothing counts costs 0.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from arcvae.imbalance.registry import register_loss
from arcvae.imbalance.settings import PARAMETERS


@register_loss("tversky", over="batch", rules=PARAMETERS["tversky"])
def tversky(
    logits: Tensor, target: Tensor, *, valid: Tensor, class_weights: Tensor | None = None, a: float = 0.3,
    b: float = 0.7, scale: float = 1.0,
) -> Tensor:  # fmt: skip
    """``scale (1 - TP / (TP + a FP + b FN))``, mean over the classes that occur in the batch.

    Args:
        logits: ``(N, C, *)``, with one dimension at least after C.
        target: ``(N, *)``, int64 in ``[0, C)``.
        valid: ``(N, *)`` bool, which elements count.
        class_weights: ``(C,)``, or None.
        a: What a false positive costs, >= 0.
        b: What a false negative costs, > 0; above ``a``, recall counts for more than precision.
        scale: > 0.

    Returns:
        Scalar, in [0, scale] without class weights.

    Raises:
        ValueError: One label for each sample.

    References:
        Salehi et al. 2017. https://arxiv.org/abs/1706.05721

    Example:
        >>> logits, target = torch.zeros(1, 2, 4), torch.tensor([[0, 0, 0, 1]])  # p = 1/2 everywhere
        >>> every = torch.ones_like(target, dtype=torch.bool)
        >>> tversky(logits, target, valid=every, a=0.5, b=0.5)  # 1 - mean of 2 * 1.5 / 5 and 2 * 0.5 / 3
        tensor(0.5333)
    """
    p, truth, occurs = _regions(logits, target, valid)
    hits = (p * truth).sum(1)
    costs = 1 - hits / (hits + a * (p.sum(1) - hits) + b * (truth.sum(1) - hits)).clamp_min(torch.finfo(p.dtype).tiny)
    return scale * _mean_over_classes(costs, occurs, class_weights)


@register_loss("dice", over="batch", rules=PARAMETERS["dice"])
def dice(
    logits: Tensor, target: Tensor, *, valid: Tensor, class_weights: Tensor | None = None, scale: float = 1.0
) -> Tensor:
    """``scale (1 - 2 TP / (2 TP + FP + FN))``, mean over the classes that occur: one minus a soft F1 of each class.

    :func:`tversky` with a = b = 1/2.

    Args:
        logits: See :func:`tversky`, also for the others.
        target: ``(N, *)``.
        valid: ``(N, *)`` bool.
        class_weights: ``(C,)``, or None.
        scale: > 0.

    Returns:
        Scalar, in [0, scale] without class weights.

    Raises:
        ValueError: One label for each sample.

    References:
        Milletari et al. 2016, section 3, without the squares. https://arxiv.org/abs/1606.04797

    Example:
        >>> target = torch.tensor([[0, 0, 1, 1]])
        >>> logits = 99 * (2.0 * F.one_hot(torch.tensor([[0, 1, 1, 1]]), 2).mT - 1)  # one element wrong
        >>> dice(logits, target, valid=target >= 0)  # F1 2/3 and 4/5
        tensor(0.2667)
    """
    return tversky(logits, target, valid=valid, class_weights=class_weights, a=0.5, b=0.5, scale=scale)


@register_loss("lovasz", over="batch", rules=PARAMETERS["lovasz"])
def lovasz(
    logits: Tensor, target: Tensor, *, valid: Tensor, class_weights: Tensor | None = None, scale: float = 1.0
) -> Tensor:
    """``scale`` times the Lovász extension of ``1 - IoU`` at the errors ``|t - p|``, mean over the classes that occur.

    For probabilities of 0 and 1 it is one minus the intersection over union; between, it is the convex function that
    agrees with that.

    Args:
        logits: See :func:`tversky`, also for the others.
        target: ``(N, *)``.
        valid: ``(N, *)`` bool.
        class_weights: ``(C,)``, or None.
        scale: > 0.

    Returns:
        Scalar, in [0, scale] without class weights.

    Raises:
        ValueError: One label for each sample.

    References:
        Berman et al. 2018, algorithm 1. https://arxiv.org/abs/1705.08790

    Example:
        >>> target = torch.tensor([[0, 0, 1, 1]])
        >>> logits = 99 * (2.0 * F.one_hot(torch.tensor([[0, 1, 1, 1]]), 2).mT - 1)  # one element wrong
        >>> lovasz(logits, target, valid=target >= 0)  # IoU 1/2 and 2/3
        tensor(0.4167)
    """
    p, truth, occurs = _regions(logits, target, valid)
    errors, order = (truth - p).abs().sort(dim=1, descending=True)
    of_class = truth.long().gather(1, order)  # in order of the errors
    size = of_class.sum(1, keepdim=True)
    both, either = size - of_class.cumsum(1), size + (1 - of_class).cumsum(1)  # when the first i elements are wrong
    # What 1 - both / either gains with the i-th of them, without the cancellation of a difference.
    more = both.to(p.dtype) / either / (either - 1).clamp_min(1)
    gradient = torch.where(of_class.bool(), 1 / either.to(p.dtype), more)
    return scale * _mean_over_classes((errors * gradient).sum(1), occurs, class_weights)


def _regions(logits: Tensor, target: Tensor, valid: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Probabilities and one-hot targets, each ``(C, elements that count)``, and which classes occur, ``(C,)`` bool."""
    if target.ndim < 2:
        raise ValueError("dice, tversky and lovasz compare regions, and a sample with one label has none; take another")
    p = logits.softmax(1).movedim(1, 0)[:, valid]
    truth = F.one_hot(target[valid], logits.shape[1]).T.to(p.dtype)
    return p, truth, truth.any(1)


def _mean_over_classes(costs: Tensor, occurs: Tensor, class_weights: Tensor | None) -> Tensor:
    """Mean of the costs ``(C,)`` of classes that occur, times their weights; 0 if none does."""
    if class_weights is not None:
        costs = costs * class_weights
    return costs.where(occurs, 0).sum() / occurs.sum().clamp_min(1)
