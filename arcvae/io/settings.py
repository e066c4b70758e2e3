"""Rules of a config: what each value may be, what may not go together, and what may be built.

Every room states the rules of its own settings in its ``settings.py`` as one :class:`Settings`; the app collects them.
All of it works on plain dictionaries, lists and values, without torch.
"""

# Not pydantic: a config is checked as a whole, before it is known which parts it has, and answers in the words of the
# command line (`loss.gamma=11 must be ...`), which every message of pydantic would have to be translated into.

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


def nearest(word: str, words: Sequence[str], cutoff: float = 0.5) -> str:
    """A hint at the most similar of ``words``, or nothing if none is as similar as ``cutoff``.

    Example:
        >>> nearest("optoin_b", ["option_a", "option_b"])
        ' (did you mean option_b?)'
    """
    near = difflib.get_close_matches(word, words, n=1, cutoff=cutoff)
    return f" (did you mean {near[0]}?)" if near else ""


class Rule:
    """What a value may be."""

    optional: bool = False
    """Whether null is allowed as well."""

    def problem(self, value: Any) -> str | None:
        """What is wrong with ``value``, as the end of a sentence ("must be ..."), or None."""
        raise NotImplementedError


@dataclass(frozen=True)
class Number(Rule):
    """A finite number in [low, high], or (low, high] with ``above``.

    Example:
        >>> Number(0, 1, above=True).problem(0)
        'must be a number above 0 and at most 1'
    """

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
class Fixed(Rule):
    """One value and no other, because of ``reason``.

    Example:
        >>> Fixed(10, "a grid has ten colours").problem(9)
        'must be 10: a grid has ten colours'
    """

    value: bool | int | str
    reason: str
    optional: bool = False

    def problem(self, value: Any) -> str | None:
        same = type(value) is type(self.value) and value == self.value
        return None if same else f"must be {self.value}: {self.reason}"


@dataclass(frozen=True)
class Choice(Rule):
    """One of a closed list of words; ``former`` leads from words of earlier versions to those of today.

    Example:
        >>> Choice(("argmax", "adjusted"), former={"corrected": "adjusted"}).problem("corrected")
        'is now called adjusted'
    """

    options: tuple[str, ...]
    former: Mapping[str, str] = field(default_factory=dict)
    optional: bool = False

    def problem(self, value: Any) -> str | None:
        if value in self.options:
            return None
        if isinstance(value, str) and value in self.former:
            return f"is now called {self.former[value]}"
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
class Inside(Rule):
    """A name or path that cannot lead out of the folder it is used in: ``best``, but not ``../best``."""

    empty: bool = False
    optional: bool = False

    def problem(self, value: Any) -> str | None:
        if problem := Text(self.empty).problem(value):
            return problem
        parts = value.replace("\\", "/").split("/")
        if ".." in parts or (value and parts[0][:1] in ("", "~")) or parts[0].endswith(":"):
            return "must be a name without '..' and leading '/'"
        return "must have at most 200 characters" if max(map(len, parts)) > 200 else None


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
    longest: float = math.inf
    optional: bool = False

    def problem(self, value: Any) -> str | None:
        if not isinstance(value, list) or len(value) < self.shortest:
            return f"must be a list of at least {self.shortest}" if self.shortest else "must be a list"
        if len(value) > self.longest:
            return f"must be a list of at most {self.longest:g}"
        problems = (self.item.problem(item) for item in value)
        first = next((problem for problem in problems if problem), None)
        return f"has an item that {first}" if first else None


Check = Callable[[Mapping[str, Any]], list[str]]
"""Takes a config, returns a line for each pair of values that do not go together; values that have a problem of their
own may be of any type."""


@dataclass(frozen=True)
class Settings:
    """The settings of a room, or of a user's module (as its attribute ``SETTINGS``).

    Example:
        >>> settings = Settings(rules={"model.depth": Number(1, 9, integer=True)}, builds=("shapes.models.",))
        >>> settings.problems({"model": {"depth": 10, "width": 3}})
        ['model.depth=10 must be a whole number at least 1 and at most 9']
        >>> settings.allows("shapes.models.Deep"), settings.allows("os.system")
        (True, False)
    """

    rules: Mapping[str, Rule] = field(default_factory=dict)
    """A rule for each key; dots separate the parts of a key, ``*`` stands for any one part."""
    checks: tuple[Check, ...] = ()
    """What is to be said of several values together."""
    builds: tuple[str, ...] = ()
    """What a ``_target_`` may name: full names, or beginnings that end with a dot."""
    lower_is_better: tuple[str, ...] = ()
    """Metrics that are better the lower they are, without the split: "loss" for ``val/loss``."""

    schedules: tuple[str, ...] = ()
    """Metrics that only follow the schedule of a run, as a learning rate does, and say nothing of its model."""

    cosmetic: tuple[str, ...] = ()
    """Names of callbacks that only show something: two runs that differ in them alone are the same run."""

    versions: tuple[str, ...] = ()
    """Keys whose default rises with the version of arcvae: a continued run keeps the whole number it began with."""

    inspectors: Mapping[str, str] = field(default_factory=dict)
    """For targets whose parameters depend on a value beside them, as those of a loss on its name: the full name of a
    function that takes the node and returns what is wrong with its keys, by key, each as a line."""

    named: Mapping[str, Mapping[str, Rule]] = field(default_factory=dict)
    """Rules of keys of a node that this room builds, by its ``name``: told without importing what has that name."""

    former: Mapping[str, str] = field(default_factory=dict)
    """Keys of earlier versions, with what became of them as the end of a sentence ("is now called ...")."""

    def rule(self, path: Sequence[str]) -> Rule | None:
        """The rule for a key, given by its parts; None if there is none."""
        if (rule := self.rules.get(".".join(path))) is not None:
            return rule
        for pattern, rule in self.rules.items():
            parts = pattern.split(".")
            if len(parts) == len(path) and all(a in ("*", b) for a, b in zip(parts, path, strict=True)):
                return rule
        return None

    def allows(self, target: str) -> bool:
        """Whether ``_target_: target`` may be built."""
        return any(target == name or (name.endswith(".") and target.startswith(name)) for name in self.builds)

    def problems(self, config: Mapping[str, Any]) -> list[str]:
        """What is wrong with those values of a config that this room has rules for, and with several together."""
        found = [
            line
            for path, value in leaves(config)
            if (rule := self.rule(path)) is not None and (line := problem_line(path, value, rule))
        ]
        return found + [line for check in self.checks for line in check(config)]


def problem_line(path: Sequence[str], value: Any, rule: Rule) -> str | None:
    """``key=value must be ...`` if a rule forbids the value of a key, else None."""
    problem = None if value is None and rule.optional else rule.problem(value)
    return f"{'.'.join(path)}={shown(value)} {problem}" if problem else None


def shown(value: Any) -> str:
    """A value in the words of the command line, shortened to 80 characters."""
    return "null" if value is None else str(value).replace("\n", " ")[:80]


def leaves(config: Mapping[str, Any], prefix: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Paths and values of nested mappings, without keys that begin with an underscore.

    Example:
        >>> list(leaves({"loss": {"_target_": "x", "gamma": 2.0}, "tags": []}))
        [(('loss', 'gamma'), 2.0), (('tags',), [])]
    """
    for key, value in config.items():
        path = (*prefix, str(key))
        if isinstance(value, Mapping) and value:
            yield from leaves(value, path)
        elif not str(key).startswith("_"):
            yield path, value


def paths(node: Any, prefix: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every key of nested mappings and lists, with what is below it.

    Example:
        >>> [path for path, _ in paths({"a": [{"b": 1}], "c": {"d": None}})]
        [('a',), ('a', '0'), ('a', '0', 'b'), ('c',), ('c', 'd')]
    """
    items = node.items() if isinstance(node, Mapping) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        path = (*prefix, str(key))
        yield path, value
        yield from paths(value, path)


def value_at(config: Mapping[str, Any], key: str) -> Any:
    """The value of a dotted key; None if it, or a part on the way, is not there.

    Example:
        >>> value_at({"beta": {"first": 10}}, "beta.first"), value_at({"beta": None}, "beta.first")
        (10, None)
    """
    node: Any = config
    for part in key.split("."):
        node = node.get(part) if isinstance(node, Mapping) else None
    return node


def with_value(config: Mapping[str, Any], path: Sequence[str], value: Any) -> dict[str, Any]:
    """A copy of nested mappings in which one key, given by its parts, has another value.

    Example:
        >>> with_value({"beta": {"first": 10}, "seed": 1}, ("beta", "first"), 20)
        {'beta': {'first': 20}, 'seed': 1}
    """
    inner = config.get(path[0])
    below = with_value(inner if isinstance(inner, Mapping) else {}, path[1:], value) if path[1:] else value
    return {**config, path[0]: below}


def is_number(value: Any) -> bool:
    """Whether a value is an int or a float that is finite, and no flag."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def is_count(value: Any) -> bool:
    """Whether a value is a whole number, and no flag."""
    return isinstance(value, int) and not isinstance(value, bool)
