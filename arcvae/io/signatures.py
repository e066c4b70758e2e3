"""What a parameter may be that no rule is stated for: what its annotation says, where that is plain."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Any, Final, Union, get_args, get_origin

from arcvae.io.settings import Rule

WORDS: Final[Mapping[type, str]] = {
    float: "a number",
    int: "a whole number",
    bool: "true or false",
    str: "text",
}
"""The types that an annotation may name for its parameter to be checked, in the words of a message."""
_BY_NAME: Final = {kind.__name__: kind for kind in WORDS} | {"None": NoneType}


@dataclass(frozen=True)
class Plain(Rule):
    """A value of one of these types; a whole number is a number too, a flag is not, and neither is NaN.

    Example:
        >>> Plain((float,)).problem("abc"), Plain((float,)).problem(1)
        ('must be a number', None)
        >>> Plain((int, bool)).problem(1.5)
        'must be a whole number or true or false'
    """

    kinds: tuple[type, ...]
    optional: bool = False

    def problem(self, value: Any) -> str | None:
        same = type(value) in self.kinds or (type(value) is int and float in self.kinds)
        named = [kind for kind in self.kinds if kind is not int or float not in self.kinds]
        wanted = " or ".join(WORDS[kind] for kind in named)
        return None if same and value == value else f"must be {wanted}"  # NaN alone differs from itself


def rule_of_parameter(parameter: inspect.Parameter) -> Plain | None:
    """The rule that follows from a parameter's annotation or, if it has none, from a default that is a number or flag.

    Annotations that are text (``from __future__ import annotations``) are read, not evaluated.

    Returns:
        None if the annotation names anything but numbers, flags, text and None: then nothing is known.

    Example:
        >>> def gce(logits, target, q: float = 0.7, *, exact=False, parts: list[int] | None = None): ...
        >>> [rule_of_parameter(parameter) for parameter in inspect.signature(gce).parameters.values()][2:]
        [Plain(kinds=(<class 'float'>,), optional=False), Plain(kinds=(<class 'bool'>,), optional=False), None]
    """
    annotation, default = parameter.annotation, parameter.default
    if annotation is inspect.Parameter.empty:
        # A default of 1 may stand for any number.
        members: tuple[Any, ...] = ({int: float}.get(type(default), type(default)),) if type(default) is not str else ()
    elif isinstance(annotation, str):
        members = tuple(_BY_NAME.get(part.strip()) for part in annotation.split("|"))
    else:
        members = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    kinds = tuple(kind for kind in members if kind is not NoneType)
    if not kinds or any(kind not in WORDS for kind in kinds):
        return None
    return Plain(kinds, optional=default is None or NoneType in members)
