"""Losses of single elements that are corrected by how often classes occur.

With ``n_j`` elements of class j in the train split, ``pi_j`` its share, z the logits and y the target class:

================  ==============================================  =====================================
loss              formula                                         what the trained logits stand for
================  ==============================================  =====================================
logit_adjusted    ``CE(z + tau log pi, y)``                       ``log p(y | x) - tau log pi_y``
balanced_softmax  ``CE(z + log n, y)``                            the same with tau = 1
vs                ``CE(D_j z_j + tau log pi_j, y)``               no such formula, but for g = 0
ldam              ``CE(z - s D_y 1_y, y)``                        no such formula
================  ==============================================  =====================================

So the plain argmax of a model that was trained with the first two treats classes as if all were equally frequent (at
tau = 1). What it says in probabilities is right for the frequencies of the train split after logit adjustment with the
same tau (:mod:`arcvae.imbalance.logit_adjustment`), and for no other.

A class that never occurs counts as if it occurred once, in ``ldam`` as often as the rarest class that does: costs and
gradients stay finite.
"""

from __future__ import annotations

import torch
from torch import Tensor

from arcvae.imbalance.element_losses import at_least_float32, cross_entropy
from arcvae.imbalance.logit_adjustment import adjust_logits, log_prior
from arcvae.imbalance.registry import register_loss
from arcvae.imbalance.settings import PARAMETERS


@register_loss("logit_adjusted", rules=PARAMETERS["logit_adjusted"])
def logit_adjusted(logits: Tensor, target: Tensor, *, class_counts: Tensor, tau: float = 1.0) -> Tensor:
    """``CE(z + tau log pi, y)`` of each element, in nats.

    Args:
        logits: z, ``(N, C, *)``.
        target: y, ``(N, *)``, int64 in ``[0, C)``.
        class_counts: n, ``(C,)``, >= 0, of which pi are the shares.
        tau: Zero gives cross-entropy exactly; above it, rare classes are favoured by the plain argmax.

    Returns:
        ``(N, *)``, >= 0, in float32 at least.

    References:
        Menon et al. 2021, equation 10. https://arxiv.org/abs/2007.07314

    Example:
        >>> logit_adjusted(torch.zeros(1, 2), torch.tensor([1]), class_counts=torch.tensor([3, 1]))  # log 4
        tensor([1.3863])
    """
    logits = at_least_float32(logits)
    return cross_entropy(adjust_logits(logits, log_prior(class_counts, logits.dtype), tau), target)


@register_loss("balanced_softmax")
def balanced_softmax(logits: Tensor, target: Tensor, *, class_counts: Tensor) -> Tensor:
    """``CE(z + log n, y)`` of each element, in nats: :func:`logit_adjusted` with tau = 1.

    ``log n`` and ``log pi`` differ by a constant, which no cross-entropy sees.

    Args:
        logits: z, ``(N, C, *)``.
        target: y, ``(N, *)``, int64 in ``[0, C)``.
        class_counts: n, ``(C,)``, >= 0.

    Returns:
        ``(N, *)``, >= 0, in float32 at least.

    References:
        Ren et al. 2020, section 3. https://arxiv.org/abs/2007.10740

    Example:
        >>> balanced_softmax(torch.zeros(1, 2), torch.tensor([1]), class_counts=torch.tensor([3, 1]))  # log 4
        tensor([1.3863])
    """
    logits = at_least_float32(logits)
    return cross_entropy(adjust_logits(logits, class_counts.clamp_min(1).to(logits.dtype).log(), 1.0), target)


@register_loss("vs", rules=PARAMETERS["vs"])
def vs(logits: Tensor, target: Tensor, *, class_counts: Tensor, g: float = 0.3, tau: float = 1.0) -> Tensor:
    """``CE(D_j z_j + tau log pi_j, y)`` of each element with ``D_j = (n_j / n_max)^g``, in nats.

    The vector-scaling loss: logits of rare classes are scaled down as well as shifted while training, which lasts
    longer than a shift in training past the point where all of the train split is classified correctly.

    Args:
        logits: z, ``(N, C, *)``.
        target: y, ``(N, *)``, int64 in ``[0, C)``.
        class_counts: n, ``(C,)``, >= 0.
        g: >= 0. Zero gives :func:`logit_adjusted`.
        tau: As in :func:`logit_adjusted`.

    Returns:
        ``(N, *)``, >= 0, in float32 at least.

    References:
        Kini et al. 2021. https://arxiv.org/abs/2103.01550

    Example:
        >>> logits, counts = torch.tensor([[1.0, 1.0]]), torch.tensor([4, 1])
        >>> vs(logits, torch.tensor([1]), class_counts=counts, g=0.5, tau=0.0)  # CE of (1, 1/2) at the second
        tensor([0.9741])
    """
    n = class_counts.clamp_min(1).to(at_least_float32(logits).dtype)
    factor = (n / n.max()).pow(g)  # (C,)
    return logit_adjusted(logits * _over_classes(factor, logits), target, class_counts=class_counts, tau=tau)


@register_loss("ldam", rules=PARAMETERS["ldam"])
def ldam(logits: Tensor, target: Tensor, *, class_counts: Tensor, cosine_scale: float, m: float = 0.5) -> Tensor:
    """``CE(s (cos - D_y 1_y), y)`` of each element with ``D_j = m (n_min / n_j)^(1/4)``, in nats.

    The label-distribution-aware margin: the cosine of the target must exceed the others by a margin, which is larger
    for rarer classes.

    Args:
        logits: ``s cos``, ``(N, C, *)``, of a model whose last layer is a
            :class:`~arcvae.imbalance.cosine_head.CosineHead`: cosines of the angle between a feature and a vector for
            each class, times ``s``.
        target: y, ``(N, *)``, int64 in ``[0, C)``.
        class_counts: n, ``(C,)``, >= 0; ``n_min`` is that of the rarest class that occurs.
        cosine_scale: s, > 0.
        m: Margin of the rarest class, in units of the cosine. Zero gives the cross-entropy of the logits.

    Returns:
        ``(N, *)``, >= 0, in float32 at least.

    References:
        Cao et al. 2019, section 3. https://arxiv.org/abs/1906.07413

    Example:
        >>> counts = torch.tensor([16, 1])  # margins 1/4 and 1/2
        >>> ldam(torch.zeros(1, 2), torch.tensor([0]), class_counts=counts, cosine_scale=4.0)  # log(1 + e)
        tensor([1.3133])
    """
    logits = at_least_float32(logits)
    n_min = class_counts.where(class_counts > 0, class_counts.max().clamp_min(1)).min()
    n = class_counts.clamp_min(n_min).to(logits.dtype)
    margin = m * (n_min / n).pow(0.25)  # (C,)
    own = _over_classes(torch.arange(len(n), device=logits.device), logits) == target.unsqueeze(1)  # (N, C, *)
    return cross_entropy(logits - cosine_scale * _over_classes(margin, logits) * own, target)


def _over_classes(values: Tensor, logits: Tensor) -> Tensor:
    """``(C,)`` in a shape that goes with logits ``(N, C, *)``."""
    return values.view(1, -1, *[1] * (logits.ndim - 2))
