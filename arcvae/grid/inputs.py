"""What users hand to a codec, NumPy or torch, as checked batches of tensors; and results of the same kind as it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from arcvae.errors import DataError
from arcvae.grid.codes.object_codes import ObjectCodes
from arcvae.grid.models.base import GridModel
from arcvae.imbalance.masking import valid_elements

Array = TypeVar("Array", Tensor, NDArray[Any])
Draw = Callable[[Tensor, int, int], Tensor]
"""Codes ``(N, D)`` and a height and width to logits ``(N, C, H, W)``."""


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
        sides = "H, W" if model.any_size else f"{size}, {size}"
        raise DataError(f"grids have shape {tuple(array.shape)}, expected (N, {sides})")
    colors = array if ignore_index is None else array[valid_elements(array, ignore_index)]
    if colors.numel() and int(colors.max()) >= model.num_colors:
        raise DataError(f"grids hold {int(colors.max())}, expected colours 0-{model.num_colors - 1}")
    return (array[None], True) if array.ndim == 2 else (array, False)


def batch_of_codes(codes: Any, size: int) -> tuple[Tensor, bool]:
    """Codes or latents as a batch ``(N, size)`` float32, and whether it was a single one ``(size,)``.

    Codes of objects are taken as they are numbered, slot by slot.

    Raises:
        DataError: Another type or shape, or numbers that are not finite.
    """
    array = _floating(codes.flat if isinstance(codes, ObjectCodes) else codes)
    if array.ndim not in (1, 2) or array.shape[-1] != size:
        raise DataError(f"codes have shape {tuple(array.shape)}, expected (N, {size})")
    return (array[None], True) if array.ndim == 1 else (array, False)


def batch_of_slots(codes: Any, model: GridModel, size: Sequence[int] | None, part_of: Any) -> ObjectCodes:
    """Plain codes as codes of objects, filled up with empty slots to as many as the model has.

    Args:
        codes: ``(N, K (3 + S))``, one of them ``(K (3 + S),)``, or ``(N, K, 3 + S)``, any K; or codes of objects.
        model: That they are of, of objects.
        size: See :func:`batch_to_draw`.
        part_of: ``(N, K)``, see :class:`~arcvae.grid.codes.object_codes.ObjectCodes`; None: no object has parts.

    Raises:
        DataError: Another type, shape or size, numbers that are not finite, or slots that no first part can have.
    """
    left_out = None
    if isinstance(codes, ObjectCodes):
        left_out, size = codes.left_out, size or codes.size
        part_of = codes.part_of if part_of is None else part_of
        codes = codes.numbers
    slots = model.slots or 1
    length = model.latent_dim // slots  # 3 + S
    array = _floating(codes)
    array = array[None] if array.ndim == 1 else array
    if array.ndim not in (2, 3) or (array.shape[-1] != length if array.ndim == 3 else array.shape[1] % length):
        wanted = f"(N, {slots * length}) or (N, K, {length})"
        raise DataError(f"codes have shape {tuple(array.shape)}, expected {wanted}")
    numbers = array.flatten(1).unflatten(1, (array.shape[1:].numel() // length, length)).cpu().numpy()
    more = max(0, slots - numbers.shape[1])
    owners = None if part_of is None else _owners(part_of, len(numbers), numbers.shape[1], more)
    filled_up = np.pad(numbers, ((0, 0), (0, more), (0, 0)))  # (N, K, 3 + S)
    return ObjectCodes(filled_up, left_out, owners, size=size_to_draw(size, model))


def _owners(part_of: Any, count: int, slots: int, more: int) -> NDArray[np.int64]:
    """The slot of the first part of what each slot holds, ``(N, K + more)``.

    Raises:
        DataError: Another type or shape, or slots that no first part can have.
    """
    parts = np.asarray(part_of)
    if parts.shape != (count, slots) or (parts.size and parts.dtype.kind not in "iu"):
        raise DataError(f"part_of is {parts.dtype} {parts.shape}, expected whole numbers ({count}, {slots})")
    owners = np.tile(np.arange(slots + more), (count, 1))
    if parts.size and not 0 <= parts.min() <= parts.max() < slots:
        raise DataError(f"part_of must name slots, 0 to {slots - 1}")
    owners[:, :slots] = parts
    if (np.take_along_axis(owners, owners, 1) != owners).any():
        raise DataError("part_of must name first parts, and each of these itself")
    return owners


def batch_to_draw(
    codes: Any, model: GridModel, size: Sequence[int] | None
) -> tuple[Tensor, bool, tuple[int, int], Draw]:
    """Codes as :func:`batch_of_codes` gives them, the size of their grids, and what draws them.

    Args:
        codes: What was handed in: codes of objects may have any number of slots.
        model: That is to draw.
        size: Height and width; None: what the codes know, or else those that the model was trained on.

    Raises:
        DataError: See :func:`batch_of_codes` and :func:`size_to_draw`.
    """
    length, draw = model.latent_dim, model.draw
    if isinstance(codes, ObjectCodes):
        length, draw = codes.slots * (length // (model.slots or 1)), model.paint
        size = size or codes.size
    batch, single = batch_of_codes(codes, length)
    return batch, single, size_to_draw(size, model), draw


def size_to_draw(size: Sequence[int] | None, model: GridModel) -> tuple[int, int]:
    """Height and width of grids that a model draws; None: of those that it was trained on.

    Raises:
        DataError: A size that it does not draw.
    """
    height, width = size or (model.grid_size, model.grid_size)
    if not model.accepts(height, width):
        raise DataError(f"size=({height}, {width}): this model draws grids of {model.grid_size} x {model.grid_size}")
    return int(height), int(width)


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


def _floating(codes: Any) -> Tensor:
    """Codes as float32.

    Raises:
        DataError: Whole numbers, numbers that are not finite, or no numbers at all.
    """
    try:
        array = _tensor(np.asarray(codes) if isinstance(codes, list | tuple) else codes)
    except (TypeError, ValueError, RuntimeError) as error:
        raise DataError(f"codes cannot be read ({error}); give rows of the same length of numbers") from None
    if not array.is_floating_point():
        raise DataError(f"codes have dtype {array.dtype}, expected floating point")
    if not torch.isfinite(array).all():
        raise DataError("codes must be finite")
    return array.float()


def _tensor(array: Any) -> Tensor:
    """``array`` as a tensor; an array with negative strides, mirrored or turned, is copied."""
    return torch.as_tensor(np.ascontiguousarray(array) if isinstance(array, np.ndarray) else array)
