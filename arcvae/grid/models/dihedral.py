"""The eight symmetries of the square, acting on small shapes and on the numbers that code them.

A shape lies on a frame of F x F cells, F even, centred: an even extent uses all F rows (or columns), an odd one the
first F - 1, so that the centre of the shape is the centre of the rows that it uses and turning it is a permutation of
cells. Which extents are odd is the parity class of a shape, ``2 (height odd) + (width odd)``.

Element ``g`` is ``g % 4`` quarter turns counterclockwise and then, for ``g >= 4``, a transposition. On codes it acts by
the regular representation: number h of the turned shape is number ``g^-1 h`` of the shape. Eight numbers are one copy;
with more of them each group of eight is turned alike, and numbers beyond the last full group do not change.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

ORDER: Final = 8
"""Symmetries of the square."""


def turned(array: NDArray[np.generic], g: int) -> NDArray[np.generic]:
    """An array ``(H, W)`` after symmetry ``g``.

    Example:
        >>> turned(np.array([[1, 2]]), 1).tolist()
        [[2], [1]]
    """
    quarter: NDArray[np.generic] = np.rot90(array, g % 4)
    return quarter.T if g >= 4 else quarter


def _tables() -> tuple[Tensor, Tensor]:
    """``product[g, h]`` (first h, then g) and ``inverse[g]``."""
    example = np.arange(9).reshape(3, 3)
    keys = [turned(example, g).tobytes() for g in range(ORDER)]
    product = torch.tensor([[keys.index(turned(turned(example, h), g).tobytes()) for h in range(8)] for g in range(8)])
    return product, (product == 0).int().argmax(1)


PRODUCT, INVERSE = _tables()
"""``PRODUCT[g, h]`` is first h, then g; ``INVERSE[g]`` undoes g."""
_SOURCE: Final = PRODUCT[INVERSE]
"""``_SOURCE[g, h] = g^-1 h``."""


def turn_code(numbers: Tensor, g: Tensor) -> Tensor:
    """Codes of shapes after a symmetry each.

    Args:
        numbers: ``(M, S)``.
        g: ``(M,)`` int64, in [0, 8).

    Returns:
        ``(M, S)``.

    Example:
        >>> code = torch.arange(9.0)[None]
        >>> turn_code(turn_code(code, torch.tensor([1])), torch.tensor([3])).equal(code)
        True
    """
    copies = numbers.shape[1] // ORDER
    moving, fixed = numbers[:, : ORDER * copies], numbers[:, ORDER * copies :]
    source = _SOURCE.to(g.device)[g][:, None].expand(-1, copies, -1)  # (M, copies, 8)
    return torch.cat([moving.unflatten(1, (copies, ORDER)).gather(2, source).flatten(1), fixed], 1)


def turn_vector(vectors: Tensor, g: Tensor) -> Tensor:
    """Displacements after a symmetry each.

    Args:
        vectors: ``(M, 2)``, down and to the right.
        g: ``(M,)`` int64, in [0, 8).

    Returns:
        ``(M, 2)``, of the same type.

    Example:
        >>> turn_vector(torch.tensor([[0, 3]]), torch.tensor([1])).tolist()  # what lies on the right comes to the top
        [[-3, 0]]
    """
    # Not a product of matrices: CUDA has none of whole numbers.
    return (_VECTORS.to(vectors)[g] * vectors[:, None]).sum(2, dtype=vectors.dtype)


def average_over(numbers: Tensor, symmetries: Tensor) -> Tensor:
    """Codes averaged over a set of symmetries each, as those of a shape that these leave as it is have to be.

    Args:
        numbers: ``(M, S)``.
        symmetries: ``(M, 8)`` bool, True for those of the set, which is not empty.
    """
    weights = symmetries.to(numbers.dtype)
    weights = weights / weights.sum(1, keepdim=True)
    copies = numbers.shape[1] // ORDER
    moving, fixed = numbers[:, : ORDER * copies], numbers[:, ORDER * copies :]
    mixing = weights @ _PERMUTATIONS.to(numbers).flatten(1)  # (M, 64)
    mixed = moving.unflatten(1, (copies, ORDER)) @ mixing.view(-1, ORDER, ORDER).transpose(1, 2)
    return torch.cat([mixed.flatten(1), fixed], 1)


_PERMUTATIONS: Final = torch.nn.functional.one_hot(_SOURCE, ORDER).float()
"""``(8, 8, 8)``: the matrix of each symmetry on a copy of eight numbers."""
_QUARTER, _SWAP = torch.tensor([[0.0, -1], [1, 0]]), torch.tensor([[0.0, 1], [1, 0]])
_VECTORS: Final = torch.stack(
    [torch.matrix_power(_SWAP, g // 4) @ torch.matrix_power(_QUARTER, g % 4) for g in range(ORDER)]
)
"""``(8, 2, 2)``: the matrix of each symmetry on displacements."""


@dataclass(frozen=True)
class Frame:
    """Where shapes lie, and how the symmetries move their cells.

    Args:
        size: F, even.
        cells: ``(4, 8, F F)``: ``(g x)[i] = x[cells[p, g, i]]`` for a shape x of parity class p.
        parity: ``(4, 8)``: the parity class of ``g x``.
        valid: ``(4, F F)`` bool: cells that a shape of a parity class may use.
    """

    size: int
    cells: Tensor
    parity: Tensor
    valid: Tensor

    def turn(self, shapes: Tensor, parity: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
        """Shapes (or scores of their cells) ``(M, F F)`` after a symmetry each, and their parity classes ``(M,)``."""
        cells, after = self.cells.to(shapes.device), self.parity.to(shapes.device)
        return shapes.gather(1, cells[parity, g]), after[parity, g]

    def centered(self, masks: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Masks of any size, moved to where the frame has their shapes.

        Args:
            masks: ``(M, H, W)`` bool, none of them empty.

        Returns:
            Shapes ``(M, F F)``, parity classes ``(M,)``, and which masks fit the frame, ``(M,)`` bool; one that does
            not has lost cells.
        """
        rows, height = _centered(masks.any(2), self.size)  # (M, F), (M,)
        columns, width = _centered(masks.any(1), self.size)
        margin = self.size  # empty lines around the masks, so that every line of the frame has one of them
        padded = torch.nn.functional.pad(masks, (margin,) * 4)
        index = (rows + margin)[:, :, None] * padded.shape[2] + (columns + margin)[:, None]  # (M, F, F)
        shapes = padded.flatten(1).gather(1, index.flatten(1))
        return shapes, 2 * (height % 2) + width % 2, (height <= self.size) & (width <= self.size)

    def canonical(self, shapes: Tensor, parity: Tensor) -> tuple[Tensor, Tensor]:
        """The symmetry that turns each shape into the canonical one of its eight orientations.

        Args:
            shapes: ``(M, F F)`` bool.
            parity: ``(M,)`` int64.

        Returns:
            ``g`` ``(M,)``, and which symmetries leave the canonical shape as it is, ``(M, 8)`` bool.
        """
        views = [self.turn(shapes, parity, torch.full_like(parity, g)) for g in range(ORDER)]
        keys = torch.stack([_key(view, classes, self.size) for view, classes in views], 1)  # (M, 8, words)
        best = torch.ones(keys.shape[:2], dtype=torch.bool, device=keys.device)
        for word in keys.unbind(2):
            best &= word == word.masked_fill(~best, -1).amax(1, keepdim=True)
        g = best.int().argmax(1)
        # h leaves g x as it is if h g x = g x, that is, if h g is among the best as well.
        stabiliser = best.gather(1, PRODUCT.to(g.device)[:, g].T)
        return g, stabiliser


def _centered(used: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Along one axis: which line of a mask lies on each line of the frame, and the extent of the mask.

    Args:
        used: ``(M, H)`` bool, lines that have a cell.
        size: F.

    Returns:
        ``(M, F)``, which may lie outside [0, H), and ``(M,)``.
    """
    lines = used.int()
    first, extent = lines.argmax(1), used.shape[1] - lines.flip(1).argmax(1) - lines.argmax(1)
    start = (size - extent % 2 - extent).div(2, rounding_mode="floor")
    return torch.arange(size, device=used.device) + (first - start)[:, None], extent


def _key(shapes: Tensor, parity: Tensor, size: int) -> Tensor:
    """``(M, words)`` int64 that tell shapes ``(M, F F)`` of all parity classes apart; all >= 0."""
    bits = torch.nn.functional.pad(shapes.long(), (0, -(size**2) % 32)).unflatten(1, (-1, 32))
    words = (bits << torch.arange(32, device=bits.device)).sum(2)
    return torch.cat([parity[:, None], words], 1)


@cache
def frame_of(size: int) -> Frame:
    """The frame of ``size`` x ``size`` cells.

    Raises:
        ValueError: An odd size, or one below 2.
    """
    if size < 2 or size % 2:
        raise ValueError(f"a frame needs an even side of 2 at least, got {size}")
    # On the CPU whatever the default device: frames are kept, and a model may be made on the meta device before.
    cells = torch.zeros(4, ORDER, size**2, dtype=torch.long, device="cpu")
    parity = torch.zeros(4, ORDER, dtype=torch.long, device="cpu")
    valid = torch.zeros(4, size**2, dtype=torch.bool, device="cpu")
    for p in range(4):
        used = np.arange(size**2).reshape(size, size)[: size - p // 2, : size - p % 2]
        valid[p, torch.from_numpy(used.flatten())] = True
        for g in range(ORDER):
            after = turned(used, g)
            parity[p, g] = 2 * (size - after.shape[0]) + (size - after.shape[1])
            # What no shape of the class uses stays outside: a cell that is unused before is read there.
            full = np.full((size, size), size**2 - 1 if p else 0)
            full[: after.shape[0], : after.shape[1]] = after
            cells[p, g] = torch.from_numpy(full.flatten())
    return Frame(size, cells, parity, valid)
