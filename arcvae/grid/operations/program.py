"""Programs: lists of operations that print, parse, hash and run.

The text of a program is that of its steps with `` | `` between them, ``translate(dy=2) | recolor(3) | reflect_x()``.
Arguments are plain literals, a whole number divided by another (``scale(1/2)``, which prints as ``scale(0.5)``), or the
name of a selector for ``objects=``; nothing else is evaluated.
"""

from __future__ import annotations

import ast
import difflib
import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from arcvae.grid.codes.object_codes import ObjectCodes
from arcvae.grid.operations.copies import duplicate, repeat, tile
from arcvae.grid.operations.places import group, recolor, separate, translate
from arcvae.grid.operations.selection import SELECTORS, Selector
from arcvae.grid.operations.sets import connect, difference, intersection, union
from arcvae.grid.operations.shapes import scale, symmetrize
from arcvae.grid.operations.slots import widened
from arcvae.grid.operations.turns import reflect_x, reflect_y, rotate

Operation = Callable[..., ObjectCodes]

OPERATIONS: Final[dict[str, Operation]] = {
    operation.__name__: operation
    for operation in (
        *(translate, rotate, scale, reflect_x, reflect_y, recolor),
        *(connect, group, separate),
        *(union, intersection, difference, duplicate),
        *(repeat, symmetrize, tile),
    )
}
"""All operations by name."""

_TRIAL: Final = ObjectCodes(np.zeros((0, 1 << 16, 11), dtype=np.float32), size=(1, 1))
"""Codes of no grid: an operation on them does nothing but check its arguments."""


@dataclass(frozen=True, init=False)
class Step:
    """An operation and its arguments.

    Args:
        name: A key of :data:`OPERATIONS`.
        *args: Arguments of the operation after the codes: numbers, words, None, lists of numbers, selectors.
        **kwargs: The same by name.

    Attributes:
        name: Of the operation.
        arguments: Those that differ from their defaults, in the order of the operation's parameters.

    Raises:
        ValueError: An operation or argument that does not exist, is missing, or is impossible.

    Example:
        >>> Step("recolor", color=3), Step("translate", 0, -1) == Step("translate", dx=-1)
        (recolor(3), True)
    """

    name: str
    arguments: tuple[tuple[str, Any], ...]

    def __init__(self, name: str, /, *args: object, **kwargs: object) -> None:
        if name not in OPERATIONS:
            raise ValueError(f"no operation is called {name!r}{_nearest(name, OPERATIONS)}")
        signature = _parameters(name)
        for key in kwargs:
            if key not in signature.parameters:
                raise ValueError(f"{name} has no argument {key!r}{_nearest(key, signature.parameters)}")
        try:
            bound = signature.bind(*args, **kwargs).arguments
        except TypeError as error:
            raise ValueError(f"{name}: {error}; it takes {', '.join(signature.parameters)}") from None
        defaults = {key: parameter.default for key, parameter in signature.parameters.items()}
        plain = {key: _plain(name, key, value) for key, value in bound.items()}
        changed = tuple((key, value) for key, value in plain.items() if not _same(value, defaults[key]))
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "arguments", changed)
        self(_TRIAL)

    def __call__(self, codes: ObjectCodes) -> ObjectCodes:
        """The codes after this step."""
        return OPERATIONS[self.name](codes, **dict(self.arguments))

    def __str__(self) -> str:
        required = {
            key for key, parameter in _parameters(self.name).parameters.items() if parameter.default is parameter.empty
        }
        return f"{self.name}({', '.join(v if k in required else f'{k}={v}' for k, v in self._texts())})"

    def _texts(self) -> list[tuple[str, str]]:
        return [(key, repr(list(value) if isinstance(value, tuple) else value)) for key, value in self.arguments]

    __repr__ = __str__


@dataclass(frozen=True, init=False)
class Program:
    """Operations one after the other.

    Args:
        steps: In the order in which they run; none: the identity.

    Example:
        >>> program = Program.parse("translate(dy=2) | recolor(3, objects=of_color(4)) | rotate(90)")
        >>> len(program.steps), program == Program.parse(str(program)), program.steps[0]
        (3, True, translate(dy=2))
        >>> print(program | Program([Step("reflect_x")]))
        translate(dy=2) | recolor(3, objects=of_color(4)) | rotate(90) | reflect_x()
        >>> Program.parse("translat(dy=2)")
        Traceback (most recent call last):
        ValueError: no operation is called 'translat'; did you mean translate?
    """

    steps: tuple[Step, ...]

    def __init__(self, steps: Iterable[Step] = ()) -> None:
        object.__setattr__(self, "steps", tuple(steps))

    @classmethod
    def parse(cls, text: str) -> Program:
        """The program that a text says; an empty one says the identity.

        Raises:
            ValueError: Another text.
        """
        if not text.strip():
            return cls()
        try:
            tree = ast.parse(text.strip(), mode="eval").body
        except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
            reason = error.msg if isinstance(error, SyntaxError) else "too long"
            raise ValueError(
                f"{text!r} is not a program ({reason}); write steps such as translate(dy=2) | recolor(3)"
            ) from None
        calls: list[ast.expr] = []
        while isinstance(tree, ast.BinOp) and isinstance(tree.op, ast.BitOr):
            calls.append(tree.right)
            tree = tree.left
        return cls(_step(call) for call in [tree, *reversed(calls)])

    def __call__(self, codes: ObjectCodes, max_objects: int | None = None) -> ObjectCodes:
        """The codes after all steps.

        Args:
            codes: Codes of N grids.
            max_objects: Slots to work with, if codes have fewer; None: as many as they have.

        Raises:
            ValueError: What a step cannot do; the message begins with its number where there are several.
        """
        codes = widened(codes, max_objects)
        for number, step in enumerate(self.steps, 1):
            try:
                codes = step(codes)
            except ValueError as error:
                if len(self.steps) == 1:
                    raise
                raise ValueError(f"step {number}, {step}: {error}") from error
        return codes

    def __or__(self, other: Program) -> Program:
        return Program([*self.steps, *other.steps])

    def __len__(self) -> int:
        return len(self.steps)

    def __str__(self) -> str:
        return " | ".join(map(str, self.steps))

    def __repr__(self) -> str:
        return f"Program.parse({str(self)!r})"


def _parameters(name: str) -> inspect.Signature:
    """What an operation takes after the codes."""
    signature = inspect.signature(OPERATIONS[name])
    return signature.replace(parameters=list(signature.parameters.values())[1:])


def _nearest(word: str, words: Iterable[str]) -> str:
    """A suggestion, for the end of a message."""
    known = list(words)
    near = difflib.get_close_matches(word, known, 1)
    return f"; did you mean {near[0]}?" if near else f"; there are {', '.join(known)}"


def _plain(name: str, key: str, value: object) -> object:
    """``value`` if a program can print it, lists as tuples.

    Raises:
        ValueError: Something that cannot be printed and parsed.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, list | tuple | np.ndarray):
        return tuple(_plain(name, key, entry) for entry in value)
    if value is None or isinstance(value, bool | int | float | str | Selector):
        return value
    raise ValueError(f"{name}: {key}={value!r} cannot be part of a program, which holds numbers, words and selectors")


def _same(value: object, default: object) -> bool:
    return type(value) is type(default) and value == default


def _step(node: ast.expr) -> Step:
    """The step that a call says."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
        raise ValueError(f"{ast.unparse(node)!r} is not a step; write the call of an operation, such as reflect_x()")
    args = [_value(argument) for argument in node.args]
    kwargs = {}
    for keyword in node.keywords:
        if keyword.arg is None or keyword.arg in kwargs:
            raise ValueError(f"{ast.unparse(node)!r}: give each argument once, by its name")
        kwargs[keyword.arg] = _value(keyword.value)
    return Step(node.func.id, *args, **kwargs)


def _value(node: ast.expr) -> object:
    """What a literal or the name of a selector stands for."""
    called = node.func if isinstance(node, ast.Call) else node
    if isinstance(called, ast.Name):
        if called.id not in SELECTORS:
            raise ValueError(f"{called.id!r} is neither a literal nor a selector{_nearest(called.id, SELECTORS)}")
        found = SELECTORS[called.id]
        if isinstance(found, Selector):
            if isinstance(node, ast.Call):
                raise ValueError(f"{ast.unparse(node)!r}: {called.id} takes no arguments; write {called.id}")
            return found
        if not isinstance(node, ast.Call) or len(node.args) != 1 or node.keywords:
            raise ValueError(f"{ast.unparse(node)!r}: {called.id} takes one argument; write {called.id}(3)")
        return found(_value(node.args[0]))
    try:
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            over, under = ast.literal_eval(node.left), ast.literal_eval(node.right)
            if type(over) is type(under) is int:
                return over / under
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError, ArithmeticError):
        raise ValueError(f"{ast.unparse(node)!r} is not a literal") from None
