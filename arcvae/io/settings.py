"""Rules for single values of a config: each says what a value must be, in words for the user."""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


def nearest(word: str, words: Sequence[str]) -> str:
    """A hint at the most similar of ``words``, or nothing."""
    near = difflib.get_close_matches(word, words, n=1, cutoff=0.5)
    return f" (did you mean {near[0]}?)" if near else ""


class Rule:
    """What a value may be."""

    optional: bool = False

    def problem(self, value: Any) -> str | None:
        """What is wrong with ``value`` ("must be ..."), or None."""
        raise NotImplementedError


@dataclass(frozen=True)
class Number(Rule):
    """A finite number in [low, high], or (low, high] with ``above``."""

    low: float
    high: float
    integer: bool = False
    above: bool = False
    optional: bool = False

    def problem(self, value: Any) -> str | None:
        kind = "a whole number" if self.integer else "a number"
        low = f"above {self.low:g}" if self.above else f"at least {self.low:g}"
        high = f"{int(self.high):,}" if self.integer else f"{self.high:g}"
        wanted = f"must be {kind} {low} and at most {high}"
        if isinstance(value, bool) or not isinstance(value, int | float):
            return wanted
        if not math.isfinite(value) or (self.integer and not isinstance(value, int)):
            return wanted
        inside = (self.low < value if self.above else self.low <= value) and value <= self.high
        return None if inside else wanted


@dataclass(frozen=True)
class Choice(Rule):
    """One of a closed list of words."""

    options: tuple[str, ...]
    optional: bool = False

    def problem(self, value: Any) -> str | None:
        if value in self.options:
            return None
        return f"must be one of {', '.join(self.options)}{nearest(str(value), self.options)}"


@dataclass(frozen=True)
class Flag(Rule):
    """True or false."""

    optional: bool = False

    def problem(self, value: Any) -> str | None:
        return None if isinstance(value, bool) else "must be true or false"


@dataclass(frozen=True)
class Text(Rule):
    """A string; not empty unless ``empty``."""

    empty: bool = False
    optional: bool = False

    def problem(self, value: Any) -> str | None:
        if not isinstance(value, str) or not (value or self.empty):
            return "must be text"
        return "must not contain a NUL character" if "\0" in value else None


@dataclass(frozen=True)
class OneOf(Rule):
    """What one of several rules allows."""

    rules: tuple[Rule, ...]
    optional: bool = False

    def problem(self, value: Any) -> str | None:
        problems = [rule.problem(value) for rule in self.rules]
        return None if None in problems else " or ".join(problem for problem in problems if problem)


@dataclass(frozen=True)
class ListOf(Rule):
    """A list, each item under the same rule."""

    item: Rule
    shortest: int = 0
    optional: bool = False

    def problem(self, value: Any) -> str | None:
        if not isinstance(value, list) or len(value) < self.shortest:
            return f"must be a list of at least {self.shortest}" if self.shortest else "must be a list"
        problems = (self.item.problem(item) for item in value)
        first = next((problem for problem in problems if problem), None)
        return f"has an item that {first}" if first else None
