"""What operations make of shapes, for training: scaled, mirrored, united, cut, and lines.

Operations on codes draw a shape, change it and code the result. Of what they make, a corpus holds little: no shape of
sixty cells, no line, hardly a single cell. A model that is to code it has to train on it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor

_AGAIN: Final = 0.3
"""Share of the changed shapes that are changed once more, as in a chain of operations."""


def changed(shapes: Tensor, others: Tensor, side: int, generator: torch.Generator) -> Tensor:
    """Each shape after one or two changes drawn at random.

    Args:
        shapes: ``(M, H, W)`` bool, none of them empty, H and W at most ``side``.
        others: The same, shapes that they are united with or cut by.
        side: Height and width of the result; what lies beyond is cut off.
        generator: Source of the draws, on the CPU.

    Returns:
        ``(M, side, side)`` bool, none of them empty, from the top left corner on. A change that would leave nothing is
        left out. Differences and unions may be in several parts.

    Example:
        >>> bar = torch.ones(500, 1, 3, dtype=torch.bool)
        >>> found = changed(bar, bar, 8, torch.Generator().manual_seed(0))
        >>> found.shape, bool(found[:, :2, :6].all((1, 2)).any())  # some are twice as large
        (torch.Size([500, 8, 8]), True)
    """
    masks, others = (to_corner(_widened(part, side)) for part in (shapes, others))
    masks = _once(masks, others, generator)
    again = torch.rand(len(masks), generator=generator) < _AGAIN
    masks[again] = _once(masks[again], others[again.flip(0)], generator)
    return masks


def _once(masks: Tensor, others: Tensor, generator: torch.Generator) -> Tensor:
    """One change each, of masks that begin at the top left corner."""
    after = masks.clone()
    kinds = torch.randint(len(_CHANGES), (len(masks),), generator=generator)
    for kind, change in enumerate(_CHANGES):
        here = (kinds == kind).nonzero()[:, 0]
        if len(here):
            after[here] = change(masks[here], others[here], generator)
    something = after.any(2).any(1)
    return to_corner(after.where(something[:, None, None], masks))


def _larger(masks: Tensor, times: int) -> Tensor:
    side = masks.shape[1]
    return masks.repeat_interleave(times, 1).repeat_interleave(times, 2)[:, :side, :side]


def _smaller(masks: Tensor) -> Tensor:
    small: Tensor = torch.nn.functional.max_pool2d(masks[:, None].float(), 2, ceil_mode=True)[:, 0] > 0
    return _widened(small, masks.shape[1])


def _united_apart(masks: Tensor, others: Tensor, generator: torch.Generator) -> Tensor:
    """Two shapes somewhere within a half of the square each way, so that they overlap, touch, or do neither."""
    half = masks.shape[1] // 2
    return _moved(masks, half, generator) | _moved(others, half, generator)


def _line(masks: Tensor, others: Tensor, generator: torch.Generator) -> Tensor:
    """The cells between a corner and another cell, as lines that connect objects have them."""
    del others
    count, side = masks.shape[:2]
    way = torch.randint(side, (count, 2), generator=generator)
    steps = way.amax(1)
    index = torch.arange(side)[None]  # (1, side)
    cells = torch.floor(way[:, :, None] * index[:, None] / steps[:, None, None].clamp_min(1) + 0.5).long()  # (M, 2, L)
    drawn = torch.zeros(count, side * side, dtype=torch.bool)
    between = (index >= 1) & (index < steps[:, None])
    places = (cells[:, 0] * side + cells[:, 1]).where(between, torch.zeros_like(index))
    drawn.scatter_(1, places, True)
    drawn[:, 0] = False  # where a line starts it has no cell; those that are not between were put there
    return drawn.view(count, side, side)


_CHANGES: Final[tuple[Callable[[Tensor, Tensor, torch.Generator], Tensor], ...]] = (
    lambda masks, others, generator: _larger(masks, 2),
    lambda masks, others, generator: _larger(masks, 2),
    lambda masks, others, generator: _larger(masks, 3),
    lambda masks, others, generator: _smaller(masks),
    lambda masks, others, generator: masks | to_corner(masks.flip(1)),
    lambda masks, others, generator: masks | to_corner(masks.flip(2)),
    lambda masks, others, generator: masks | others,
    _united_apart,
    _united_apart,
    lambda masks, others, generator: masks & others,
    lambda masks, others, generator: masks & ~others,
    _line,
)
"""Scaling by two and unions of shapes that lie apart are the hardest, and come twice as often."""


def _widened(masks: Tensor, side: int) -> Tensor:
    """Masks ``(M, H, W)`` with empty lines below and on the right, ``(M, side, side)``."""
    padded: Tensor = torch.nn.functional.pad(masks, (0, side - masks.shape[2], 0, side - masks.shape[1]))
    return padded


def to_corner(masks: Tensor) -> Tensor:
    """Masks ``(M, L, L)`` moved to the top left corner."""
    first = [masks.any(axis).int().argmax(1) for axis in (2, 1)]
    return _shifted(masks, first[0], first[1])


def _moved(masks: Tensor, most: int, generator: torch.Generator) -> Tensor:
    """Masks ``(M, L, L)`` moved down and right by less than ``most`` cells."""
    down, right = -torch.randint(most, (2, len(masks)), generator=generator)
    return _shifted(masks, down, right)


def _shifted(masks: Tensor, up: Tensor, left: Tensor) -> Tensor:
    """Masks ``(M, L, L)`` moved up and left by ``(M,)`` cells each; what leaves the square is lost."""
    side = masks.shape[1]
    rows, columns = (torch.arange(side) + way[:, None] for way in (up, left))  # (M, L) each
    inside = ((rows >= 0) & (rows < side))[:, :, None] & ((columns >= 0) & (columns < side))[:, None]
    index = rows.clamp(0, side - 1)[:, :, None] * side + columns.clamp(0, side - 1)[:, None]
    moved: Tensor = masks.flatten(1).gather(1, index.flatten(1)).view_as(masks) & inside
    return moved
