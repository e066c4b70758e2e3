"""Settings of the loss, and of the class weights that it is given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, get_args

from arcvae.io.settings import Choice, ListOf, Number, OneOf, Settings, Text

WeightMethod = Literal["none", "inverse", "sqrt_inverse", "balanced", "effective_number"]
METHODS: Final[tuple[str, ...]] = get_args(WeightMethod)
"""How class weights are made; see :func:`arcvae.imbalance.weights.class_weights`."""
Reduction = Literal["sum", "mean"]
REDUCTIONS: Final[tuple[str, ...]] = get_args(Reduction)
"""How a loss is reduced; see :class:`arcvae.imbalance.losses.ImbalanceLoss`."""

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


def check_supplied(config: Mapping[str, Any]) -> list[str]:
    """A value for what the task and its corpus supply would be overruled in silence."""
    loss = config.get("loss")
    given = [key for key in ("class_counts", "ignore_index") if isinstance(loss, Mapping) and key in loss]
    return [f"loss.{key} comes from the task and its corpus; leave it out" for key in given]


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
    },
    checks=(check_supplied,),
    builds=("arcvae.imbalance.losses.make_loss",),
    inspectors={"arcvae.imbalance.losses.make_loss": "arcvae.imbalance.registry.loss_problems"},
)
"""What any loss is made with. How many factors ``loss.alpha`` needs, the task knows."""
