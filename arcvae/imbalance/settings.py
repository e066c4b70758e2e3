"""Settings of the loss, and of the class weights that it is given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, get_args

from arcvae.io.settings import Choice, ListOf, Number, OneOf, Rule, Settings, Text, is_number, value_at

WeightMethod = Literal["none", "inverse", "sqrt_inverse", "balanced", "effective_number"]
METHODS: Final[tuple[str, ...]] = get_args(WeightMethod)
"""How class weights are made; see :func:`arcvae.imbalance.weights.class_weights`."""
Reduction = Literal["sum", "mean"]
REDUCTIONS: Final[tuple[str, ...]] = get_args(Reduction)
"""How a loss is reduced; see :class:`arcvae.imbalance.losses.ImbalanceLoss`."""

SAMPLERS: Final[Mapping[str, tuple[float, float]]] = {
    "instance": (1.0, 1.0), "square_root": (0.5, 0.5), "balanced": (0.0, 0.0), "progressive": (1.0, 0.0),
}  # fmt: skip
"""Samplers, with the power of the class counts at the start and at the end; see :mod:`arcvae.imbalance.sampling`."""
DENSE: Final = ("dice", "lovasz", "tversky")
"""Losses that compare regions, and need a target with many elements to a sample."""
COSINES: Final = ("ldam",)
"""Losses whose margins are in units of the cosine between a feature and a class, and that need such logits."""
HEADS: Final = ("linear", "cosine")
"""Last layers of a model; see :mod:`arcvae.imbalance.cosine_head`."""

REBALANCINGS: Final = ("tau_norm", "lws", "crt")
"""Ways to mend the last layer of a trained classifier; see :mod:`arcvae.imbalance.rebalancing`."""

_TAU, _SCALE = Number(-10, 10), Number(0, 1e6, above=True)
PARAMETERS: Final[Mapping[str, Mapping[str, Rule]]] = {
    "poly1": {"epsilon": Number(-1, 1e3)},
    "generalized_ce": {"q": Number(0, 1)},
    "label_smoothing": {"epsilon": Number(0, 1)},
    "logit_adjusted": {"tau": _TAU},
    "vs": {"g": Number(0, 10), "tau": _TAU},
    "ldam": {"m": Number(0, 2)},
    "tversky": {"a": Number(0, 1e3), "b": Number(0, 1e3, above=True), "scale": _SCALE},
    "dice": {"scale": _SCALE},
    "lovasz": {"scale": _SCALE},
}
"""Ranges that the losses of arcvae register with; stated here because whoever checks a config does without torch."""

_FACTOR = Number(0, 1e6)


def alpha_problem(alpha: Any, num_classes: int) -> str | None:
    """What is wrong with the factors of a focal loss for so many classes, or None.

    Args:
        alpha: None, one factor for all classes, or a list.
        num_classes: C.

    Example:
        >>> alpha_problem([1.0, 2.0], 10)
        'loss.alpha has 2 values for 10 classes; give one number, or one for each of the classes'
    """
    if not isinstance(alpha, list) or len(alpha) == num_classes:
        return None
    return (
        f"loss.alpha has {len(alpha)} values for {num_classes} classes; give one number, or one for each of the classes"
    )


def defer_problem(defer: float, fade: float) -> str | None:
    """What is wrong with class weights that are to come late, and perhaps to go early, or None.

    Example:
        >>> defer_problem(0.8, 0.5)
        'loss.defer=0.8 begins with class weights when loss.fade=0.5 has ended them; set loss.fade=0'
    """
    if not 0 <= defer <= 1:
        return f"defer must lie in [0, 1], got {defer}"
    if not (defer and fade):
        return None
    return f"loss.defer={defer:g} begins with class weights when loss.fade={fade:g} has ended them; set loss.fade=0"


def check_defer(config: Mapping[str, Any]) -> list[str]:
    """What is deferred must be there, and must not fade as well."""
    defer, fade = value_at(config, "loss.defer"), value_at(config, "loss.fade")
    if not is_number(defer) or not 0 < defer <= 1:  # reported by its rule
        return []
    if value_at(config, "loss.class_weights") == "none":
        return [f"loss.defer={defer:g} defers class weights, but there are none; set loss.class_weights=balanced"]
    problem = defer_problem(defer, fade) if is_number(fade) else None
    return [problem] if problem else []


def check_cosines(config: Mapping[str, Any]) -> list[str]:
    """A loss with margins between cosines needs a model that has them; what a model of the user has, it says itself."""
    name, model = value_at(config, "loss.name"), config.get("model")
    if name not in COSINES or not isinstance(model, Mapping) or model.get("head") == "cosine":
        return []
    if not (target := str(model.get("_target_"))).startswith("arcvae."):
        return []
    if "head" in model:
        return [f"loss.name={name} has margins between cosines, and the head is linear; set model.head=cosine"]
    return [f"loss.name={name} has margins between cosines, which {target} does not give; use loss=vs"]


def check_supplied(config: Mapping[str, Any]) -> list[str]:
    """A value for what the task and its corpus supply would be overruled in silence."""
    corpus, loss = "the task and its corpus", config.get("loss")
    supplied = {"class_counts": corpus, "ignore_index": corpus, "cosine_scale": "the model"}
    given = [key for key in supplied if isinstance(loss, Mapping) and key in loss]
    return [f"loss.{key} comes from {supplied[key]}; leave it out" for key in given]


SETTINGS: Final = Settings(
    rules={
        "loss.name": Text(),
        "loss.gamma": Number(0, 10),
        "loss.alpha": OneOf((_FACTOR, ListOf(_FACTOR, shortest=1)), optional=True),
        "loss.class_weights": Choice(METHODS),
        "loss.smoothing": Number(0, 1e6, above=True),
        "loss.effective_beta": Number(0, 0.999999999),
        "loss.reduction": Choice(REDUCTIONS),
        "loss.fade": Number(0, 1),
        "loss.defer": Number(0, 1),
    },
    checks=(check_supplied, check_defer, check_cosines),
    builds=("arcvae.imbalance.losses.make_loss",),
    named=PARAMETERS,
    inspectors={"arcvae.imbalance.losses.make_loss": "arcvae.imbalance.registry.loss_problems"},
)
"""What any loss is made with. How many factors ``loss.alpha`` needs, the task knows."""
