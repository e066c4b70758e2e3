"""What users hand to a codec, NumPy or torch, as checked batches of tensors; and results of the same kind as it."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from arcvae.errors import DataError
from arcvae.grid.models.base import GridModel
from arcvae.imbalance.masking import valid_elements

Array = TypeVar("Array", Tensor, NDArray[Any])


def batch_of_grids(grids: Any, model: GridModel, ignore_index: int | None) -> tuple[Tensor, bool]:
    """Grids as a batch ``(N, H, W)`` uint8, and whether it was a single grid ``(H, W)``.

    Args:
        grids: What was handed in.
        model: Says which sizes and colours there may be.
        ignore_index: Value of cells without a colour; None: all have one.

    Raises:
        DataError: Another type, shape or range.
    """
    array, size = _tensor(grids), model.grid_size
    if array.dtype != torch.uint8:
        raise DataError(f"grids have dtype {array.dtype}, expected uint8; convert them")
    if array.ndim not in (2, 3) or not model.accepts(*array.shape[-2:]):
        raise DataError(f"grids have shape {tuple(array.shape)}, expected (N, {size}, {size})")
    colors = array if ignore_index is None else array[valid_elements(array, ignore_index)]
    if colors.numel() and int(colors.max()) >= model.num_colors:
        raise DataError(f"grids hold {int(colors.max())}, expected colours 0-{model.num_colors - 1}")
    return (array[None], True) if array.ndim == 2 else (array, False)


def batch_of_codes(codes: Any, size: int) -> tuple[Tensor, bool]:
    """Codes or latents as a batch ``(N, size)`` float32, and whether it was a single one ``(size,)``.

    Raises:
        DataError: Another type or shape, or numbers that are not finite.
    """
    array = _tensor(codes)
    if not array.is_floating_point():
        raise DataError(f"codes have dtype {array.dtype}, expected floating point")
    if array.ndim not in (1, 2) or array.shape[-1] != size:
        raise DataError(f"codes have shape {tuple(array.shape)}, expected (N, {size})")
    if not torch.isfinite(array).all():
        raise DataError("codes must be finite")
    array = array.float()
    return (array[None], True) if array.ndim == 1 else (array, False)


def as_given(example: Array, batch: Tensor, single: bool = False) -> Array:
    """``batch``, or its only entry, as the kind of array that ``example`` is, and on its device."""
    result: Any = batch[0] if single else batch
    converted: Array = result.to(example.device) if isinstance(example, Tensor) else result.numpy()
    return converted


def _tensor(array: Any) -> Tensor:
    """``array`` as a tensor; an array with negative strides, mirrored or turned, is copied."""
    return torch.as_tensor(np.ascontiguousarray(array) if isinstance(array, np.ndarray) else array)
