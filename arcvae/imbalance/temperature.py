"""Temperature scaling: one number that makes a model as sure of its decisions as it is right about them."""

from __future__ import annotations

import math
from typing import Final

import torch
import torch.nn.functional as F
from scipy.optimize import minimize_scalar
from torch import Tensor

LARGEST: Final = 100.0
"""Temperatures lie between one over this and this."""


def fit_temperature(logits: Tensor, target: Tensor) -> float:
    """The T > 0 for which the softmax of ``logits / T`` gives the targets the highest likelihood.

    Decisions stay as they are, for dividing all logits changes no argmax. The negative log-likelihood is convex in
    1 / T, so that there is one minimum.

    Args:
        logits: ``(M, C)``, of elements that the model was not trained on, M >= 1.
        target: ``(M,)``, any integer type, in ``[0, C)``.

    Returns:
        In [1 / :data:`LARGEST`, :data:`LARGEST`]; above 1 for a model that is too sure.

    References:
        Guo et al. 2017, section 4.2. https://arxiv.org/abs/1706.04599

    Example:
        >>> logits = torch.tensor([[4.0, 0.0], [4.0, 0.0], [4.0, 0.0], [4.0, 0.0]])  # 98 % sure
        >>> round(fit_temperature(logits, torch.tensor([0, 0, 0, 1])), 2)  # log 3 = 1.1 would say 75 %
        3.64
    """
    logits, target = logits.double().cpu(), target.long().cpu()

    def cost(log_temperature: float) -> float:
        return float(F.cross_entropy(logits / math.exp(log_temperature), target))

    bound = math.log(LARGEST)
    return math.exp(minimize_scalar(cost, bounds=(-bound, bound), method="bounded").x)


def spread(total: int, wanted: int) -> Tensor:
    """Places of so many elements of a sequence, or of all if there are fewer, at even distances.

    Example:
        >>> spread(10, 3).tolist()
        [0, 3, 6]
    """
    return torch.arange(min(total, wanted)) * total // max(min(total, wanted), 1)
