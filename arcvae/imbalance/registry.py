"""The registry that makes a loss one word in a config, and the contract of what is registered."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Literal, TypeVar, get_args

from torch import Tensor

from arcvae.imbalance.weights import ClassWeighting
from arcvae.io.settings import Rule, is_number, nearest, problem_line, shown
from arcvae.io.signatures import rule_of_parameter

Over = Literal["element", "sample", "batch"]
LossFunction = Callable[..., Tensor]
F = TypeVar("F", bound=LossFunction)

SUPPLIED = ("valid", "class_weights", "class_counts", "cosine_scale")
"""Parameters of a loss that no config sets: they are supplied with each batch, or come from the corpus or the model."""
RESERVED = ("name", "reduction", "fade", "defer", "ignore_index", *(field.name for field in fields(ClassWeighting)))
"""Keys of a loss config that say how any loss is applied: a loss cannot have a parameter of that name."""


@dataclass(frozen=True)
class RegisteredLoss:
    """A loss function, and what the config may say about it. Made by :func:`register_loss`, which has the arguments."""

    name: str
    function: LossFunction
    over: Over
    fades: Mapping[str, float]
    rules: Mapping[str, Rule]

    @cached_property
    def _signature(self) -> list[inspect.Parameter]:
        return list(inspect.signature(self.function).parameters.values())

    @cached_property
    def _named(self) -> dict[str, inspect.Parameter]:
        named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
        return {parameter.name: parameter for parameter in self._signature[2:] if parameter.kind in named}

    @property
    def parameters(self) -> dict[str, inspect.Parameter]:
        """What a config may set, by name."""
        return {name: parameter for name, parameter in self._named.items() if name not in SUPPLIED}

    def rule(self, name: str) -> Rule | None:
        """What a parameter may be: the rule that it was registered with, or what its annotation says."""
        return self.rules.get(name) or rule_of_parameter(self.parameters[name])

    @property
    def supplied(self) -> tuple[str, ...]:
        """Which of :data:`SUPPLIED` the function takes."""
        return tuple(name for name in SUPPLIED if name in self._named)

    @property
    def takes_class_weights(self) -> bool:
        """Whether class weights can be applied: around a loss over elements, inside of any other."""
        return self.over == "element" or "class_weights" in self.supplied

    @property
    def needs_class_counts(self) -> bool:
        """Whether the function has a parameter ``class_counts`` without a default."""
        return self._needs("class_counts")

    @property
    def needs_cosines(self) -> bool:
        """Whether the function has a parameter ``cosine_scale`` without a default."""
        return self._needs("cosine_scale")

    def _needs(self, name: str) -> bool:
        return name in self.supplied and self._named[name].default is inspect.Parameter.empty

    def problem(self) -> str | None:
        """Why the function cannot be a loss of this kind, with what to do about it, or None."""
        if self.over not in get_args(Over):
            return f"over={self.over!r} must be one of {', '.join(get_args(Over))}"
        if len(self._signature) < 2:
            return "must take (logits, target, ...)"
        if reserved := [name for name in self.parameters if name in RESERVED]:
            return f"has a parameter {reserved[0]}, a key that every loss config has for something else; rename it"
        if unknown := sorted(set(self.fades) - set(self.parameters)):
            return f"has no parameter {unknown[0]} that could fade{nearest(unknown[0], list(self.parameters))}"
        if unknown := sorted(set(self.rules) - set(self.parameters)):
            return f"has no parameter {unknown[0]} for its rule{nearest(unknown[0], list(self.parameters))}"
        if self.over != "element" and "valid" not in self.supplied:
            return f"is over a whole {self.over} and must have a parameter valid, so that padding stays out of it"
        around = [name for name in ("valid", "class_weights") if name in self.supplied]
        if self.over == "element" and around:
            return f"is over single elements and gets no {around[0]}: drop the parameter, or register over='sample'"
        return None


_REGISTRY: dict[str, RegisteredLoss] = {}


def register_loss(
    name: str, *, over: Over = "element", fades: Mapping[str, float] | None = None,
    rules: Mapping[str, Rule] | None = None,
) -> Callable[[F], F]:  # fmt: skip
    """Make a function available as ``loss.name=NAME``; its keyword parameters become keys of the loss config.

    The function takes logits ``(N, C, *)`` and target ``(N, *)``, int64 in ``[0, C)``, and returns costs that are not
    yet reduced. There are three kinds:

    =========== ============ =======================================================================================
    over        returns      class weights and elements to ignore
    =========== ============ =======================================================================================
    ``element`` ``(N, *)``   both are applied around the function, which knows neither
    ``sample``  ``(N,)``     the function gets ``valid``, and ``class_weights`` if it has a parameter of that name
    ``batch``   scalar       the same
    =========== ============ =======================================================================================

    ``valid`` is ``(N, *)`` bool: which elements count. Where it is False, logits and target have been set to 0, so that
    nothing fails there, and the function must leave the result out. ``class_weights`` is ``(C,)``, float32 at least, or
    None. A function of any kind that has a parameter ``class_counts`` gets the counts of the train split, ``(C,)``
    int64, 0 for a class that never occurs; if that parameter has no default, the loss cannot be built without them. One
    that has ``cosine_scale`` gets that attribute of a model whose logits are cosines times a factor.
    :class:`~arcvae.imbalance.losses.ImbalanceLoss` says how each kind is reduced.

    Args:
        name: How the loss is called.
        over: What one number that the function returns is the cost of.
        fades: For parameters that should change while a loss fades: the value that they move to, linearly, over the
            share of the run that ``loss.fade`` says.
        rules: Ranges of parameters, such as ``{"q": Number(0, 1)}`` (:mod:`arcvae.io.settings`). Otherwise a plain
            annotation, such as ``q: float``, says what a parameter may be.

    Returns:
        A decorator that returns the function as it is.

    Raises:
        ValueError: The name is taken, or the function does not fit the kind.

    Example:
        >>> import torch
        >>> from arcvae.imbalance.losses import make_loss
        >>> with temporary_losses():
        ...     @register_loss("brier")
        ...     def brier(logits, target):
        ...         p = logits.softmax(1)
        ...         return p.square().sum(1) - 2 * p.gather(1, target[:, None])[:, 0] + 1
        ...     make_loss("brier")(torch.zeros(1, 2), torch.tensor([0]))
        tensor(0.5000)
    """

    def add(function: F) -> F:
        if name in _REGISTRY:
            raise ValueError(f"a loss named {name!r} is registered already; choose another name")
        entry = RegisteredLoss(name, function, over, dict(fades or {}), dict(rules or {}))
        if problem := entry.problem():
            raise ValueError(f"loss {name!r} {problem}")
        _REGISTRY[name] = entry
        return function

    return add


def registered_losses() -> Mapping[str, RegisteredLoss]:
    """All registered losses by name."""
    return dict(_REGISTRY)


def find_loss(name: str) -> RegisteredLoss:
    """The loss that is registered under a name.

    Raises:
        ValueError: There is none.
    """
    if name not in _REGISTRY:
        known = ", ".join(sorted(_REGISTRY))
        raise ValueError(f"unknown loss {name!r}{nearest(name, list(_REGISTRY))}; registered are {known}")
    return _REGISTRY[name]


@contextmanager
def temporary_losses() -> Iterator[None]:
    """Forget at the end what is registered inside, for tests and examples."""
    before = dict(_REGISTRY)
    try:
        yield
    finally:
        _REGISTRY.clear()
        _REGISTRY.update(before)


def check_arguments(loss: RegisteredLoss, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a loss, with the defaults of those that are left out.

    Raises:
        ValueError: One that the loss does not take, one outside the range that the loss was registered with, or one
            without a default that is missing.
    """
    parameters = loss.parameters
    if unknown := sorted(set(arguments) - set(parameters)):
        raise ValueError(
            f"loss {loss.name!r} takes no {', '.join(unknown)}{nearest(unknown[0], list(parameters))}; "
            f"its parameters are {', '.join(parameters) or '(none)'}"
        )
    complete = {name: parameter.default for name, parameter in parameters.items()} | dict(arguments)
    if missing := [name for name, value in complete.items() if value is inspect.Parameter.empty]:
        raise ValueError(f"loss {loss.name!r} has no default for {', '.join(missing)}; set loss.{missing[0]}")
    if lines := [line for name, rule in loss.rules.items() if (line := problem_line((name,), complete[name], rule))]:
        raise ValueError(f"loss {loss.name!r}: {lines[0]}")
    return complete


def loss_problems(node: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong with the loss of a config, as far as that depends on which loss it is.

    Args:
        node: ``loss`` of a config, with values of any type.

    Returns:
        A line for each key that is wrong, or missing.
    """
    name = node.get("name")
    if not isinstance(name, str) or name not in _REGISTRY:
        known = sorted(_REGISTRY)
        return {"name": f"loss.name={shown(name)}: choose one of {', '.join(known)}{nearest(str(name), known)}"}
    loss = _REGISTRY[name]
    keys = [key for key in map(str, node) if key not in (*RESERVED, *SUPPLIED) and not key.startswith("_")]
    lines = {}
    for key in keys:
        if key not in loss.parameters:
            takes = ", ".join(loss.parameters) or "(none)"
            near = nearest(key, list(loss.parameters))
            lines[key] = f"unknown key loss.{key}: the parameters of the loss {name} are {takes}{near}"
        elif (rule := loss.rule(key)) and (line := problem_line(("loss", key), node[key], rule)):
            lines[key] = line
    for key, parameter in loss.parameters.items():
        if key not in keys and parameter.default is inspect.Parameter.empty:
            lines[key] = f"loss.{key} is missing, and the loss {name} has no default for it; add +loss.{key}=VALUE"
    weighted, fade = node.get("class_weights") not in (None, "none"), node.get("fade")
    if fade and is_number(fade) and not weighted and not loss.fades:
        lines["fade"] = f"loss.fade={fade:g}: the loss {name} has nothing that fades; set loss.fade=0"
    if weighted and not loss.takes_class_weights:
        weights = shown(node["class_weights"])
        lines["class_weights"] = (
            f"loss.class_weights={weights}: the loss {name} is over a whole {loss.over} and takes no class weights; "
            "set loss.class_weights=none"
        )
    return lines
