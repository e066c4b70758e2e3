"""Which elements count: all but those whose target is the ignore index, such as padding.

Everything in this package takes the same ``ignore_index`` with the same meaning: an element with that target enters no
loss, weight, count or metric, and a sample that has no other elements is not a sample. ``None`` means that every
element counts, and costs nothing.
"""

from __future__ import annotations

import torch
from torch import Tensor


def valid_elements(target: Tensor, ignore_index: int | None) -> Tensor:
    """Which elements count.

    Args:
        target: ``(N, *)``, any integer type. An ignore index that the type cannot hold (-100 in uint8) ignores nothing.
        ignore_index: Target value of the elements that do not count, or None.

    Returns:
        ``(N, *)`` bool.

    Example:
        >>> valid_elements(torch.tensor([[0, 255], [1, 0]], dtype=torch.uint8), 255)
        tensor([[ True, False],
                [ True,  True]])
    """
    if ignore_index is None:
        return torch.ones_like(target, dtype=torch.bool)
    return target.long() != ignore_index  # uint8 would compare itself with -100 modulo 256


def valid_samples(valid: Tensor) -> Tensor:
    """Which samples have an element that counts.

    Args:
        valid: ``(N, *)`` bool, see :func:`valid_elements`.

    Returns:
        ``(N,)`` bool.

    Example:
        >>> valid_samples(torch.tensor([[True, False], [False, False]]))
        tensor([ True, False])
    """
    return valid.flatten(1).any(1) if valid.ndim > 1 else valid
