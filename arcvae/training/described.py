"""Building the model that a file describes, from checked values and known classes only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

from torch import Tensor, nn

from arcvae.errors import CheckpointError
from arcvae.io.settings import Flag, ListOf, Number, OneOf, Settings, Text, problem_line
from arcvae.io.tensors import require_fit

N = TypeVar("N", bound=nn.Module)

_NUMBER: Final = Number(-65536, 65536)
_PLAIN: Final = OneOf((Flag(), _NUMBER, Text(empty=True), ListOf(_NUMBER, longest=1024)), optional=True)
"""Rule for values without a rule in the settings: a file must not be able to ask for a layer of any size."""


def build_described(
    config: Mapping[str, Any],
    path: Path,
    known: Callable[..., N] | None,
    settings: Settings,
    model: Callable[..., N] | None = None,
    *,
    state: Mapping[str, Tensor] | None = None,
    part: str | None = None,
) -> N:
    """Build the network that a file describes, once it is known to fit the weights in the file.

    Args:
        config: ``_target_`` and the arguments of the model.
        path: File that it is from, for messages.
        known: The class that ``_target_`` names, if it is one of the task's own; None otherwise.
        settings: Rules for the arguments of such a class; values of a user's class are left to it.
        model: Class of the user's to build instead of the one that ``_target_`` names.
        state: The weights; None if the file has none of this network.
        part: Attribute of the network that they are of; None for all of it.

    Raises:
        CheckpointError: Neither class is given, the values are out of range, or the weights do not fit.
    """
    make = model or known
    if make is None:
        raise CheckpointError(
            f"{path} holds a model of class {config.get('_target_')}, which is not arcvae's; "
            "give the class: arcvae.load(..., model=...)"
        )
    values = {str(key): value for key, value in config.items() if not str(key).startswith("_")}
    lines = [
        problem_line(("model", key), value, settings.rule(("model", key)) or _PLAIN) for key, value in values.items()
    ]
    if known is not None and any(lines):
        raise CheckpointError(f"{path} describes a model that cannot be built: {'; '.join(filter(None, lines))}")
    if state is not None:
        require_fit(lambda: make(**values), state, path, part)
    try:
        return make(**values)
    except (ValueError, TypeError, RuntimeError, ArithmeticError, MemoryError) as error:
        problem = " ".join(str(error).split())
        raise CheckpointError(f"{path} describes a model that cannot be built: {problem}") from None
