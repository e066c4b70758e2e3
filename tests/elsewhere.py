"""A device that is not the CPU, on machines that have no other: its tensors hold their numbers on the CPU and refuse
what CUDA refuses. So a test sees a tensor that was left behind, wherever it runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

DEVICE = torch.device("meta")
_INDEXING = {"aten::index", "aten::index_put_", "aten::index_put", "aten::_index_put_impl_"}
_PRODUCTS = {"aten::mm", "aten::bmm", "aten::addmm", "aten::baddbmm", "aten::mv", "aten::addmv", "aten::dot"}


class _Far(Tensor):
    """A tensor of that device."""

    held: Tensor

    @staticmethod
    def __new__(cls, held: Tensor) -> _Far:
        return Tensor._make_wrapper_subclass(
            cls, held.shape, strides=held.stride(), storage_offset=held.storage_offset(), dtype=held.dtype,
            device=DEVICE,
        )  # fmt: skip

    def __init__(self, held: Tensor) -> None:
        self.held = held

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})


class _Kernels(TorchDispatchMode):
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})


class _Constructors(TorchFunctionMode):
    """What torch makes of a list on the meta device would be empty."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in (torch.tensor, torch.as_tensor) and _is_far(kwargs.get("device")):
            return func(*args, **{**kwargs, "device": "cpu"}).to(DEVICE)
        if func is Tensor.new_tensor and isinstance(args[0], _Far):
            return torch.tensor(*args[1:], dtype=kwargs.get("dtype", args[0].dtype)).to(DEVICE)
        return func(*args, **kwargs)


@contextmanager
def elsewhere() -> Iterator[torch.device]:
    """The device, which is there as long as the context is."""
    with _Kernels(), _Constructors():
        yield DEVICE


def _run(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """An operation of torch, wherever its tensors are."""
    name, target = func._schema.name, kwargs.get("device")
    tensors = [part for part in tree_leaves((args, kwargs)) if isinstance(part, Tensor)]
    far = _is_far(target) or any(isinstance(part, _Far) for part in tensors)
    if far and kwargs.get("generator") is not None:
        raise RuntimeError(f"{name}: the generator is on the CPU")
    if far and target is None and name != "aten::copy_":
        _refuse(name, args, tensors)
    here = {**kwargs, "device": "cpu"} if target is not None else kwargs
    found = func(*tree_map(_near, args), **tree_map(_near, here))
    if name.endswith("_") and not name.endswith("__"):
        return args[0]  # changed in place
    return tree_map(_away, found) if far and (target is None or _is_far(target)) else found


def _refuse(name: str, args: tuple[Any, ...], tensors: list[Tensor]) -> None:
    """What CUDA refuses: another device, but of single numbers and of indices; matrices of whole numbers."""
    if name in _INDEXING and isinstance(args[0], _Far):
        tensors = [part for part in tree_leaves(args[2:]) if isinstance(part, Tensor)]
    if any(not isinstance(part, _Far) and part.ndim for part in tensors):
        raise RuntimeError(f"{name}: expected all tensors to be on the same device")
    if name in _PRODUCTS and not tensors[0].is_floating_point():
        raise RuntimeError(f"{name}: not implemented for {tensors[0].dtype}")


def _near(part: Any) -> Any:
    return part.held if isinstance(part, _Far) else part


def _away(part: Any) -> Any:
    return _Far(part) if isinstance(part, Tensor) else part


def _is_far(device: Any) -> bool:
    return device is not None and torch.device(device) == DEVICE
