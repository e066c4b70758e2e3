"""Losses for imbalanced classes, and the registry that makes a loss one word in the config.

A registered loss says what *one* element costs. Class weights and the reduction are applied around it,
in one place, so that no loss can forget them.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Reduction = Literal["sum", "mean"]
REDUCTIONS: tuple[str, ...] = get_args(Reduction)

ElementLoss = Callable[..., Tensor]
_REGISTRY: dict[str, ElementLoss] = {}


def register_loss(name: str) -> Callable[[ElementLoss], ElementLoss]:
    """Make ``f(logits, target, **parameters)`` available as ``loss.name=NAME``.

    The function takes logits ``(N, C, *)`` and target ``(N, *)`` int64 in ``[0, C)`` and returns the cost of
    each element, ``(N, *)`` in nats, neither weighted nor reduced.

    Raises:
        ValueError: The name is taken.

    Example:
        >>> @register_loss("brier")
        ... def brier(logits, target):
        ...     p = logits.softmax(1)
        ...     return p.square().sum(1) - 2 * p.gather(1, target[:, None])[:, 0] + 1
        >>> make_loss("brier")(torch.zeros(1, 2), torch.tensor([0]))
        tensor(0.5000)
        >>> _ = _REGISTRY.pop("brier")
    """

    def add(function: ElementLoss) -> ElementLoss:
        if name in _REGISTRY:
            raise ValueError(f"a loss named {name!r} is registered already")
        _REGISTRY[name] = function
        return function

    return add


def registered_losses() -> Mapping[str, ElementLoss]:
    """All registered losses by name."""
    return dict(_REGISTRY)


@register_loss("cross_entropy")
def cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """``-log p_t`` of each element, in nats.

    Args:
        logits: ``(N, C, *)``.
        target: ``(N, *)``, int64 in ``[0, C)``.

    Returns:
        ``(N, *)``, >= 0, in float32 at least.
    """
    return F.cross_entropy(_at_least_float32(logits), target, reduction="none")


@register_loss("focal")
def focal(
    logits: Tensor, target: Tensor, *, gamma: float = 2.0, alpha: float | Sequence[float] | None = None
) -> Tensor:
    """``-a_t (1 - p_t)^gamma log p_t`` of each element, in nats.

    Args:
        logits: ``(N, C, *)``.
        target: ``(N, *)``, int64 in ``[0, C)``.
        gamma: Focusing parameter, >= 0. Zero gives cross-entropy exactly.
        alpha: None, one factor for all classes, or one per class.

    Returns:
        ``(N, *)``, >= 0, in float32 at least. The gradient is finite for any finite logits and any gamma.

    References:
        Lin et al. 2017, equation 5. https://arxiv.org/abs/1708.02002

    Example:
        >>> focal(torch.zeros(1, 2), torch.tensor([0]), gamma=2.0)  # (1/2)^2 log 2
        tensor([0.1733])
    """
    loss = cross_entropy(logits, target)
    if gamma != 0:
        # 1 - p_t without cancellation. Its power has an infinite slope at 0 for gamma < 1, where -log p_t is 0
        # as well and 0 * inf would be NaN: below the smallest normal number the clamp stops the gradient.
        miss = -torch.expm1(-loss)
        loss = loss * miss.clamp_min(torch.finfo(loss.dtype).tiny).pow(gamma)
    if alpha is None:
        return loss
    factor = torch.as_tensor(alpha, dtype=loss.dtype, device=loss.device)
    return loss * (factor if factor.ndim == 0 else factor[target])


def _at_least_float32(logits: Tensor) -> Tensor:
    return logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits


class ImbalanceLoss(nn.Module):
    """A registered loss, weighted by class and reduced to nats per sample.

    ``sum`` adds up the elements of a sample (one, for a target of shape ``(N,)``) and averages over the batch, so
    that a KL in nats per sample stands beside it on the same scale. ``mean`` is the plain mean over all elements:
    *not* divided by the sum of the weights, as torch's weighted mean is. It makes any term beside it stronger by the
    number of elements of a sample.

    With ``fade`` above 0, class weights and focusing are a way to start, not what is asked for in the end: over that
    share of the run, the weights go to 1 (``w ** emphasis``) and gamma to 0. Rare classes are found early, and the
    trained model predicts true frequencies.

    Build one with :func:`make_loss`.
    """

    class_weights: Tensor | None

    def __init__(
        self,
        element_loss: ElementLoss,
        class_weights: Tensor | None,
        reduction: Reduction,
        settings: Mapping[str, object] | None = None,
        fade: float = 0.0,
    ) -> None:
        super().__init__()
        self.element_loss, self.settings = element_loss, dict(settings or {})
        self.reduction = reduction
        self.fade = fade
        self.progress = 1.0
        """Share of the run that is done, in [0, 1]; training sets it before each step if the loss fades."""
        # Not in the state dict: the weights belong to the corpus, and a checkpoint carries them by name.
        self.register_buffer("class_weights", class_weights, persistent=False)

    @property
    def emphasis(self) -> float:
        """How much of weights and focus is left, from 1 to 0; 1 throughout for a loss that does not fade."""
        return max(0.0, 1 - self.progress / self.fade) if self.fade else 1.0

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """
        Args:
            logits: ``(N, C, *)``.
            target: ``(N, *)``, any integer type, in ``[0, C)``.

        Returns:
            Scalar, in nats per sample (``sum``) or per element (``mean``).
        """
        target = target.long()
        settings, emphasis = self.settings, self.emphasis
        if emphasis < 1 and isinstance(gamma := settings.get("gamma"), int | float):
            settings = settings | {"gamma": gamma * emphasis}
        loss = self.element_loss(logits, target, **settings)  # (N, *)
        if self.class_weights is not None and emphasis:
            loss = loss * self.class_weights.to(loss.dtype).pow(emphasis)[target]
        return loss.mean() if self.reduction == "mean" else loss.sum() / len(loss)


def make_loss(
    name: str,
    *,
    class_weights: Tensor | Sequence[float] | None = None,
    reduction: Reduction = "sum",
    fade: float = 0.0,
    **parameters: object,
) -> ImbalanceLoss:
    """Build a registered loss.

    Args:
        name: A registered name: ``cross_entropy``, ``focal``, or your own (:func:`register_loss`).
        class_weights: One weight per class, ``(C,)``, or None; see :func:`arcvae.imbalance.weights.class_weights`.
        reduction: ``"sum"`` over the elements of a sample, or ``"mean"``; see :class:`ImbalanceLoss`.
        fade: Share of a run, in [0, 1], over which class weights go to 1 and ``gamma`` to 0; 0 = they stay.
        **parameters: What the loss itself takes, for example ``gamma``.

    Raises:
        ValueError: Unknown name or reduction, or a parameter that the loss does not take.

    Example:
        >>> loss = make_loss("focal", gamma=0.0, class_weights=[1.0, 3.0])
        >>> loss(torch.zeros(2, 2), torch.tensor([0, 1]))  # (1 + 3) log 2 over 2 samples
        tensor(1.3863)
    """
    if name not in _REGISTRY:
        raise ValueError(f"unknown loss {name!r}; registered are {', '.join(sorted(_REGISTRY))}")
    if reduction not in REDUCTIONS:
        raise ValueError(f"unknown reduction {reduction!r}; choose one of {', '.join(REDUCTIONS)}")
    function = _REGISTRY[name]
    taken = list(inspect.signature(function).parameters)[2:]
    if unknown := sorted(set(parameters) - set(taken)):
        raise ValueError(
            f"loss {name!r} takes no {', '.join(unknown)}; its parameters are {', '.join(taken) or '(none)'}"
        )
    weights = None if class_weights is None else torch.as_tensor(class_weights, dtype=torch.float32)
    if fade and "gamma" in taken:
        parameters.setdefault("gamma", inspect.signature(function).parameters["gamma"].default)
    return ImbalanceLoss(function, weights, reduction, parameters, fade)
