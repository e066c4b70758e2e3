"""Losses of single elements that know nothing of class frequencies: cross-entropy and what is made of it.

With ``p_t`` the probability of the target class, all of them are functions of ``-log p_t``, but for label smoothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from arcvae.imbalance.registry import register_loss
from arcvae.imbalance.settings import PARAMETERS


def at_least_float32(logits: Tensor) -> Tensor:
    """Logits of half precision in float32, any others as they are."""
    return logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits


@register_loss("cross_entropy")
def cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """``-log p_t`` of each element, in nats.

    Args:
        logits: ``(N, C, *)``.
        target: ``(N, *)``, int64 in ``[0, C)``.

    Returns:
        ``(N, *)``, >= 0, in float32 at least.
    """
    return F.cross_entropy(at_least_float32(logits), target, reduction="none")


@register_loss("focal", fades={"gamma": 0.0})
def focal(
    logits: Tensor, target: Tensor, *, gamma: float = 2.0, alpha: float | Sequence[float] | None = None
) -> Tensor:
    """``-a_t (1 - p_t)^gamma log p_t`` of each element, in nats.

    Args:
        logits: ``(N, C, *)``.
        target: ``(N, *)``, int64 in ``[0, C)``.
        gamma: Focusing parameter, >= 0. Zero gives cross-entropy exactly.
        alpha: None, one factor for all classes, or one per class.

    Returns:
        ``(N, *)``, >= 0, in float32 at least. The gradient is finite for any finite logits and any gamma.

    References:
        Lin et al. 2017, equation 5. https://arxiv.org/abs/1708.02002

    Example:
        >>> focal(torch.zeros(1, 2), torch.tensor([0]), gamma=2.0)  # (1/2)^2 log 2
        tensor([0.1733])
    """
    loss = cross_entropy(logits, target)
    if gamma != 0:
        # 1 - p_t without cancellation. For gamma < 1 its power has an infinite gradient at 0, where -log p_t is 0 as
        # well, and 0 * inf would be NaN: below the smallest normal number the clamp stops the gradient.
        miss = -torch.expm1(-loss)
        loss = loss * miss.clamp_min(torch.finfo(loss.dtype).tiny).pow(gamma)
    if alpha is None:
        return loss
    factor = torch.as_tensor(alpha, dtype=loss.dtype, device=loss.device)
    return loss * (factor if factor.ndim == 0 else factor[target])


@register_loss("poly1", rules=PARAMETERS["poly1"])
def poly1(logits: Tensor, target: Tensor, *, epsilon: float = 1.0) -> Tensor:
    """``-log p_t + epsilon (1 - p_t)`` of each element: cross-entropy with another first term of its Taylor series.

    Args:
        logits: ``(N, C, *)``.
        target: ``(N, *)``, int64 in ``[0, C)``.
        epsilon: >= -1, below which a better prediction could cost more. Zero gives cross-entropy exactly.

    Returns:
        ``(N, *)``, >= 0, in float32 at least.

    References:
        Leng et al. 2022, section 4. https://arxiv.org/abs/2204.12511

    Example:
        >>> poly1(torch.zeros(1, 2), torch.tensor([0]), epsilon=2.0)  # log 2 + 2 / 2
        tensor([1.6931])
    """
    loss = cross_entropy(logits, target)
    return loss - epsilon * torch.expm1(-loss) if epsilon else loss


@register_loss("generalized_ce", rules=PARAMETERS["generalized_ce"])
def generalized_ce(logits: Tensor, target: Tensor, *, q: float = 0.7) -> Tensor:
    """``(1 - p_t^q) / q`` of each element: between cross-entropy (q = 0, the limit) and ``1 - p_t`` (q = 1).

    The larger q, the less an element matters whose target is thought impossible, such as one with a wrong label.

    Args:
        logits: ``(N, C, *)``.
        target: ``(N, *)``, int64 in ``[0, C)``.
        q: In [0, 1].

    Returns:
        ``(N, *)``, in [0, 1 / q], in float32 at least.

    References:
        Zhang & Sabuncu 2018. https://arxiv.org/abs/1805.07836

    Example:
        >>> generalized_ce(torch.zeros(1, 2), torch.tensor([0]), q=1.0)  # 1 - 1/2
        tensor([0.5000])
    """
    loss = cross_entropy(logits, target)
    return -torch.expm1(-q * loss) / q if q else loss


@register_loss("label_smoothing", rules=PARAMETERS["label_smoothing"])
def label_smoothing(logits: Tensor, target: Tensor, *, epsilon: float = 0.1) -> Tensor:
    """``-(1 - epsilon) log p_t - epsilon mean_c log p_c`` of each element, in nats.

    The cross-entropy against a target of which the share ``epsilon`` is spread over all C classes.

    Args:
        logits: ``(N, C, *)``.
        target: ``(N, *)``, int64 in ``[0, C)``.
        epsilon: In [0, 1]. Zero gives cross-entropy exactly.

    Returns:
        ``(N, *)``, >= 0, in float32 at least. Class weights, if any, are those of the target class.

    References:
        Szegedy et al. 2016, section 7. https://arxiv.org/abs/1512.00567

    Example:
        >>> logits = torch.tensor([[0.0, 2.0]])
        >>> label_smoothing(logits, torch.tensor([1]), epsilon=0.5)  # 0.127 * 3/4 + 2.127 * 1/4
        tensor([0.6269])
    """
    return F.cross_entropy(at_least_float32(logits), target, reduction="none", label_smoothing=epsilon)
