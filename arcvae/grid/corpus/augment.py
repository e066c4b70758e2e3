"""Augmentation of whole batches of grids: the symmetries of the square, and permutations of the colours."""

from __future__ import annotations

import torch
from torch import Tensor


def dihedral(grids: Tensor, symmetry: Tensor) -> Tensor:
    """Apply one of the eight symmetries of the square to each grid.

    Args:
        grids: ``(N, S, S)``.
        symmetry: ``(N,)``, integers in [0, 8): quarter turns ``symmetry % 4``, then a transposition for >= 4.

    Returns:
        ``(N, S, S)``.

    Example:
        >>> dihedral(torch.tensor([[[1, 2], [3, 4]]]), torch.tensor([4]))  # 0 turns, transposed
        tensor([[[1, 3],
                 [2, 4]]])
    """
    result = grids.clone()
    for index in range(1, 8):
        chosen = symmetry == index
        turned = torch.rot90(grids[chosen], index % 4, (1, 2))
        result[chosen] = turned.transpose(1, 2) if index >= 4 else turned
    return result


def permute_colors(grids: Tensor, permutations: Tensor) -> Tensor:
    """Rename the colours of each grid.

    Args:
        grids: ``(N, H, W)``, colours in [0, C).
        permutations: ``(N, C)``; colour c of grid n becomes ``permutations[n, c]``.

    Returns:
        ``(N, H, W)``, the dtype of ``grids``.
    """
    renamed = permutations.gather(1, grids.flatten(1).long())  # (N, H * W)
    return renamed.view_as(grids).to(grids.dtype)


def augment(
    grids: Tensor, generator: torch.Generator, *, symmetries: bool, colors: bool, num_colors: int = 10
) -> Tensor:
    """Draw a symmetry and a permutation of the colours 1 to C - 1 for each grid; the background stays.

    Args:
        grids: ``(N, S, S)``, any integer type.
        generator: Source of the draws.
        symmetries: Whether to turn and mirror.
        colors: Whether to permute.
        num_colors: C.
    """
    if symmetries:
        grids = dihedral(grids, torch.randint(8, (len(grids),), generator=generator))
    if colors:
        ranks = torch.rand(len(grids), num_colors, generator=generator)
        ranks[:, 0] = -1  # the background sorts first and keeps its place
        grids = permute_colors(grids, ranks.argsort(1))
    return grids
