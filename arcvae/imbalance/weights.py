"""Class weights from class counts: how much one element of a rare class weighs against one of a common class.

With ``n_c`` the count of class c, C the number of classes that occur, ``N = sum n_c`` and s the smoothing:

==================  =======================================  ===========================
method              weight before scaling                    scale
==================  =======================================  ===========================
inverse             ``N / (C (n_c + s))``                    mean over classes = 1
sqrt_inverse        square root of ``inverse``               mean over classes = 1
balanced            ``N / (C n_c)``                          none: mean over elements = 1
effective_number    ``(1 - b) / (1 - b ** n_c)``             mean over classes = 1
==================  =======================================  ===========================
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from arcvae.imbalance.settings import METHODS, WeightMethod

DEFAULT_SMOOTHING = 1.0
DEFAULT_EFFECTIVE_BETA = 0.999999

Counts = NDArray[np.float64]


def _inverse(counts: Counts, smoothing: float, _: float) -> Counts:
    total: float = counts.sum()
    return total / (len(counts) * (counts + smoothing))


def _sqrt_inverse(counts: Counts, smoothing: float, _: float) -> Counts:
    return np.sqrt(_inverse(counts, smoothing, _))


def _effective_number(counts: Counts, _: float, effective_beta: float) -> Counts:
    if 1.0 - effective_beta == 1.0:  # beta ** n is 0 beside 1: every class has the effective number 1
        warnings.warn(
            f"effective_number with effective_beta={effective_beta:g} means no class weights: all are 1; "
            f"the closer effective_beta is to 1, the more rare classes weigh (default {DEFAULT_EFFECTIVE_BETA:g})",
            stacklevel=3,
        )
        return np.ones_like(counts)
    # expm1 and log1p keep the digits that 1 - beta ** n loses when beta is close to 1.
    log_beta = float(np.log1p(-(1.0 - effective_beta)))
    return (1.0 - effective_beta) / -np.expm1(counts * log_beta)


_RELATIVE: dict[str, Callable[[Counts, float, float], Counts]] = {
    "inverse": _inverse,
    "sqrt_inverse": _sqrt_inverse,
    "effective_number": _effective_number,
}


def class_weights(
    counts: ArrayLike,
    method: WeightMethod,
    *,
    smoothing: float = DEFAULT_SMOOTHING,
    effective_beta: float = DEFAULT_EFFECTIVE_BETA,
) -> NDArray[np.float64] | None:
    """One weight per class, larger for rarer classes.

    See the module for the formulas. A class that never occurs is left out of N, C and the scale, because its huge
    weight would leave next to nothing for the others; it gets the largest weight among them, with a warning.

    Args:
        counts: Elements of each class in the whole train split, ``(C,)``, integers >= 0, at least one > 0.
        method: ``"none"``, ``"inverse"``, ``"sqrt_inverse"``, ``"balanced"`` or ``"effective_number"``.
        smoothing: s, in elements, 0 < s <= 1e6; used by ``inverse`` and ``sqrt_inverse``.
        effective_beta: b of ``effective_number``, 0 <= b < 1. 0 gives every class the weight 1, with a warning.

    Returns:
        ``(C,)`` float64, finite and > 0; ``None`` for ``"none"``.

    Raises:
        ValueError: Unknown method; counts not ``(C,)``, negative, not finite or all zero; a parameter out of range.

    References:
        ``balanced`` is scikit-learn's ``compute_class_weight("balanced")``, after King & Zeng 2001.
        ``effective_number``: Cui et al. 2019, equation 2. https://arxiv.org/abs/1901.05555

    Example:
        >>> class_weights([90, 10], "balanced").round(4)
        array([0.5556, 5.    ])
        >>> class_weights([90, 10], "sqrt_inverse", smoothing=1e-9).round(4)
        array([0.5, 1.5])
    """
    n = _checked(counts, method, smoothing, effective_beta)
    if method == "none":
        return None

    present = n > 0
    seen = n[present]
    if method == "balanced":
        weights = seen.sum() / (len(seen) * seen)
    else:
        weights = _RELATIVE[method](seen, smoothing, effective_beta)
        weights *= len(weights) / weights.sum()

    if not present.all():
        absent = np.flatnonzero(~present).tolist()
        warnings.warn(
            f"class {', '.join(map(str, absent))} never occurs in the train split: "
            f"weighted like the rarest class that does ({weights.max():.5g})",
            stacklevel=2,
        )
    result = np.full(len(n), weights.max())
    result[present] = weights
    return result


def _checked(counts: ArrayLike, method: str, smoothing: float, effective_beta: float) -> Counts:
    """The counts as ``(C,)`` float64; ValueError for arguments of :func:`class_weights` that make no weights."""
    if method not in METHODS:
        raise ValueError(f"unknown class-weight method {method!r}; choose one of {', '.join(METHODS)}")
    n = np.asarray(counts, dtype=np.float64)
    if n.ndim != 1 or not np.isfinite(n).all() or (n < 0).any() or n.sum() <= 0:
        raise ValueError(f"counts must be one finite number >= 0 per class and not all zero, got {counts!r}")
    if not 0 < smoothing <= 1e6:
        raise ValueError(f"smoothing must lie in (0, 1e6], got {smoothing}")
    if not 0 <= effective_beta < 1:
        raise ValueError(f"effective_beta must lie in [0, 1), got {effective_beta}")
    return n


@dataclass(frozen=True)
class ClassWeighting:
    """How the class weights of a loss are made: the part of a loss config that is not the loss itself.

    The fields are named like the config keys, and their defaults are those of :func:`class_weights`; a key that a
    config leaves out therefore means the same as an argument that a caller leaves out.

    Args:
        class_weights: The method; see :func:`class_weights`.
        smoothing: See :func:`class_weights`.
        effective_beta: See :func:`class_weights`.

    Example:
        >>> weighting, rest = ClassWeighting.of({"name": "focal", "class_weights": "balanced", "gamma": 1.0})
        >>> rest
        {'name': 'focal', 'gamma': 1.0}
        >>> weighting.weights([90, 10]).round(4)
        array([0.5556, 5.    ])
    """

    class_weights: WeightMethod = "none"
    smoothing: float = DEFAULT_SMOOTHING
    effective_beta: float = DEFAULT_EFFECTIVE_BETA

    @classmethod
    def of(cls, node: Mapping[str, Any]) -> tuple[Self, dict[str, Any]]:
        """Split a loss config into its class weighting and everything else, in the same order."""
        own = {field.name for field in fields(cls)}
        return (
            cls(**{key: value for key, value in node.items() if key in own}),
            {key: value for key, value in node.items() if key not in own},
        )

    def weights(self, counts: ArrayLike) -> NDArray[np.float64] | None:
        """One weight per class for these counts, ``(C,)``, or None; see :func:`class_weights`."""
        return class_weights(counts, self.class_weights, smoothing=self.smoothing, effective_beta=self.effective_beta)


def analyse_weights(
    counts: ArrayLike, weights: NDArray[np.float64] | None, *, method: str, source: str, unit: str = "elements"
) -> str:
    """The table of class weights that a run prints: method, source, and a line per class.

    Args:
        counts: The counts that the weights were made from, ``(C,)``, at least one > 0.
        weights: ``(C,)``, or None for a loss without weights.
        method: Name of the method; see :func:`class_weights`.
        source: What was counted, for example ``"whole train split, 80,000 samples"``.
        unit: What has been counted, plural.
    """
    n = np.asarray(counts, dtype=np.int64)
    lines = [
        "Class weights",
        f"  method  {method}",
        f"  source  {source}: {n.sum():,} {unit}",
    ]
    if weights is None:
        ratio = f"{n.max() / n[n > 0].min():,.1f}"
        lines.append(f"  weights none; the most frequent class occurs {ratio} times as often as the rarest")
        shown = [""] * len(n)
    else:
        lines.append(
            f"  range   {weights.min():.5f} to {weights.max():.5f}, max/min {weights.max() / weights.min():.4f}"
        )
        shown = [f" {weight:>10.6f}" for weight in weights]
    lines.append(f"  {'class':>5} {unit:>12} {'share':>8}" + ("" if weights is None else f" {'weight':>10}"))
    lines += [
        f"  {c:>5} {count:>12,} {count / n.sum():>8.4f}{weight}"
        for c, (count, weight) in enumerate(zip(n.tolist(), shown, strict=True))
    ]
    return "\n".join(lines)
