"""What a model says of files; torch stays out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray


@dataclass(frozen=True)
class Prediction:
    """What a model says of a part of a file."""

    file: str
    """Name, from the source on."""
    start: float
    """Where the part begins, in seconds."""
    end: float
    """Where it ends."""
    probabilities: NDArray[Any]
    """Of each class, ``(C,)``."""
    done: float
    """Share of the source that is done with it, in [0, 1]."""


@dataclass(frozen=True)
class LeftOut:
    """A file, or a part of one, of which a model says nothing."""

    file: str
    """Name, from the source on, and which part of it."""
    reason: str
    """As the end of a sentence."""
    expected: bool = False
    """Whether nobody would want to have it classified, as the files of an operating system."""
