"""The plain values in the pickle of a ``torch.save`` file, read without an unpickler.

``torch.load(weights_only=True)`` runs no code, but it calls what the file names with what the file says: 356 bytes make
it take gigabytes (``bytearray(n)``), and a storage that claims more elements than it has reads the memory behind it.
Here the instructions that plain values and tensors need are carried out one by one, and a file with any other is
refused. That is a page of code, because ``torch.save`` uses few of them.
"""

from __future__ import annotations

import pickletools
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import torch
from torch import Tensor

MAX_VALUES: Final = 1_000_000
"""Values in all containers of a file together, those that stand in several of them counted each time; a pickle of more
bytes than that may hold as many."""
MAX_DEPTH: Final = 64
"""Containers within one another."""
_STORAGES: Final[Mapping[str, torch.dtype]] = {
    "torch FloatStorage": torch.float32,
    "torch DoubleStorage": torch.float64,
    "torch HalfStorage": torch.float16,
    "torch BFloat16Storage": torch.bfloat16,
    "torch LongStorage": torch.int64,
    "torch IntStorage": torch.int32,
    "torch ShortStorage": torch.int16,
    "torch CharStorage": torch.int8,
    "torch ByteStorage": torch.uint8,
    "torch BoolStorage": torch.bool,
}
_KEYS: Final = {str, int, float, bool, type(None)}
_MARK: Final = object()


class Storage(NamedTuple):
    """Memory that tensors are views of: a member of the file."""

    key: str
    dtype: torch.dtype
    numel: int


Reader = Callable[[Storage], Tensor]
"""Gives the elements of a storage, ``(numel,)``; refuses one that the file does not hold."""


def read_values(pickle: bytes, read: Reader) -> Any:
    """The value that a pickle of ``torch.save`` describes.

    Args:
        pickle: Content of its member ``data.pkl``.
        read: Gives the elements of each storage that tensors are views of.

    Returns:
        None, flags, numbers, strings and tensors, in dictionaries with such keys, lists and tuples.

    Raises:
        ValueError: It needs other instructions, or describes more values than :data:`MAX_VALUES` says, or more levels;
            further errors of Python's (IndexError, TypeError, KeyError, ...) for instructions that make no sense.
    """
    machine = _Machine(read)
    for opcode, argument, _ in pickletools.genops(pickle):
        machine.execute(opcode.name, argument)
    (value,) = machine.stack
    _require_bounded(value, max(MAX_VALUES, len(pickle)))
    return value


def _require_bounded(value: Any, most: int) -> None:
    """A container within itself has no end, and one that others share many times stands for as many values."""
    rest, seen = [(value, 0)], 0
    while rest:
        inner, depth = rest.pop()
        if isinstance(inner, dict):
            rest.extend((item, depth + 1) for item in inner.values())
        elif type(inner) in (list, tuple):
            rest.extend((item, depth + 1) for item in inner)
        elif not (inner is None or isinstance(inner, bool | int | float | str | Tensor)):
            raise ValueError(f"{inner!r} is not a plain value")
        seen += 1
        if seen + len(rest) > most or depth > MAX_DEPTH:
            raise ValueError("it holds too many values, or too many levels of them")


class _Machine:
    """Carries out the instructions of a pickle."""

    def __init__(self, read: Reader) -> None:
        self.read = read
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def execute(self, name: str, argument: Any) -> None:
        """Carry out one instruction.

        Raises:
            ValueError: Plain values and tensors do not need it.
        """
        stack = self.stack
        match name:
            case "PROTO" | "FRAME" | "STOP":
                pass
            case "NONE" | "NEWTRUE" | "NEWFALSE":
                stack.append({"NONE": None, "NEWTRUE": True, "NEWFALSE": False}[name])
            case "BININT" | "BININT1" | "BININT2" | "LONG1" | "BINFLOAT" | "BINUNICODE":
                stack.append(argument)
            case "EMPTY_DICT" | "EMPTY_LIST" | "EMPTY_TUPLE":
                stack.append({"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}[name]())
            case "MARK":
                stack.append(_MARK)
            case "BINPUT" | "LONG_BINPUT":
                self.memo[argument] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(self.memo[argument])
            case "TUPLE":
                stack.append(tuple(self._to_mark()))
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                stack.append(tuple(self._last(int(name[-1]))))
            case "APPEND" | "APPENDS":
                items = self._to_mark() if name == "APPENDS" else self._last(1)
                self._top(list).extend(items)
            case "SETITEM" | "SETITEMS":
                items = self._to_mark() if name == "SETITEMS" else self._last(2)
                if not {type(key) for key in items[::2]} <= _KEYS:  # to hash a tuple of tuples may take for ever
                    raise ValueError("it has a dictionary with other keys than strings and numbers")
                self._top(dict).update(zip(items[::2], items[1::2], strict=True))
            case "GLOBAL":
                stack.append(_Name(argument))
            case "BINPERSID":
                stack.append(_storage(stack.pop()))
            case "REDUCE":
                function, arguments = self._last(2)
                stack.append(self._called(function, arguments))
            case "BUILD":
                attributes = stack.pop()  # those of a state dict: versions of modules, which nothing here asks for
                if type(attributes) is not dict or not isinstance(stack[-1], OrderedDict):
                    raise ValueError("it sets attributes of something else than a state dict")
            case _:
                raise ValueError(f"plain values do not need {name}")

    def _called(self, function: Any, arguments: Any) -> Any:
        """The result of one of the functions that plain values and tensors need."""
        if not isinstance(function, _Name) or not isinstance(arguments, tuple):
            raise ValueError("it calls what is not a function")
        if function.name == "collections OrderedDict" and not arguments:
            return OrderedDict()
        if function.name == "torch._utils _rebuild_tensor_v2":
            return self._tensor(*arguments)
        if function.name == "torch._utils _rebuild_parameter":
            tensor, requires_grad, _ = arguments
            if isinstance(tensor, Tensor) and type(requires_grad) is bool:
                return tensor
        raise ValueError(f"plain values do not need {function.name}")

    def _tensor(self, storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> Tensor:
        """A view of a storage, if it lies within, and has no more elements than it."""
        if not isinstance(storage, Storage) or not isinstance(size, tuple) or not isinstance(stride, tuple):
            raise ValueError("a tensor is not described as one")
        numbers = (offset, *size, *stride)
        if any(type(number) is not int or not 0 <= number < 2**48 for number in numbers) or len(size) > MAX_DEPTH:
            raise ValueError("a tensor has a size that none has")
        elements = 1
        for side in size:
            elements *= side
        last = offset + sum((side - 1) * step for side, step in zip(size, stride, strict=True))
        if elements > storage.numel or offset > storage.numel or (elements and last >= storage.numel):
            raise ValueError("a tensor is larger than what the file holds of it")
        tensor = torch.empty(0, dtype=storage.dtype)
        return tensor.set_(self.read(storage).untyped_storage(), offset, size, stride)

    def _to_mark(self) -> list[Any]:
        place = len(self.stack) - 1
        while self.stack[place] is not _MARK:
            place -= 1
            if place < 0:
                raise ValueError("a mark is missing")
        items = self.stack[place + 1 :]
        del self.stack[place:]
        return items

    def _last(self, count: int) -> list[Any]:
        if len(self.stack) < count:
            raise ValueError("values are missing")
        items = self.stack[-count:]
        del self.stack[-count:]
        return items

    def _top(self, kind: type) -> Any:
        if not isinstance(self.stack[-1], kind):
            raise ValueError(f"it fills what is not a {kind.__name__}")
        return self.stack[-1]


class _Name(NamedTuple):
    """A class or function, named but not looked up."""

    name: str


def _storage(description: Any) -> Storage:
    """A storage as ``torch.save`` describes it; where its tensors were computed does not matter."""
    kind, storage, key, _, numel = description
    if kind != "storage" or not isinstance(storage, _Name) or storage.name not in _STORAGES:
        raise ValueError("a tensor is of a type that no checkpoint of arcvae has")
    if not isinstance(key, str) or not key.isdecimal() or type(numel) is not int or numel < 0:
        raise ValueError("a tensor is not described as one")
    return Storage(key, _STORAGES[storage.name], numel)
