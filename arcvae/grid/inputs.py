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
        grids: What was handed in: an array, a tensor or nested lists of whole numbers, of any type.
        model: Says which sizes and colours there may be.
        ignore_index: Value of cells without a colour; None: all have one.

    Raises:
        DataError: Another type, shape or range.
    """
    array, size = _whole_numbers(grids, model.num_colors), model.grid_size
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


def _whole_numbers(grids: Any, num_colors: int) -> Tensor:
    """Grids as uint8, if that loses nothing."""
    try:
        array = _tensor(np.asarray(grids) if isinstance(grids, list | tuple) else grids)
    except (TypeError, ValueError) as error:
        raise DataError(f"grids cannot be read ({error}); give rows of the same length of whole numbers") from None
    if array.dtype == torch.uint8:
        return array
    if array.is_floating_point() or array.is_complex() or array.dtype == torch.bool:
        raise DataError(f"grids have dtype {array.dtype}, expected whole numbers, colours 0-{num_colors - 1}")
    lowest, highest = (int(array.min()), int(array.max())) if array.numel() else (0, 0)
    if lowest < 0 or highest > 255:
        raise DataError(f"grids hold {lowest if lowest < 0 else highest}, expected colours 0-{num_colors - 1}")
    return array.to(torch.uint8)


def _tensor(array: Any) -> Tensor:
    """``array`` as a tensor; an array with negative strides, mirrored or turned, is copied."""
    return torch.as_tensor(np.ascontiguousarray(array) if isinstance(array, np.ndarray) else array)
