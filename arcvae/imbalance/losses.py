"""Losses for imbalanced classes, and what is applied around each of them: class weights, a mask, the reduction.

These are applied in one place, so that no loss can forget them. A loss is chosen by its name; see
:func:`~arcvae.imbalance.registry.register_loss` for how to add one. Those that come with arcvae stand in a module for
each family: of elements, of elements corrected by class frequencies, of overlapping regions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from arcvae.imbalance.element_losses import (
    at_least_float32,
    cross_entropy,
    focal,
    generalized_ce,
    label_smoothing,
    poly1,
)
from arcvae.imbalance.long_tail_losses import balanced_softmax, ldam, logit_adjusted, vs
from arcvae.imbalance.masking import valid_elements, valid_samples
from arcvae.imbalance.overlap_losses import dice, lovasz, tversky
from arcvae.imbalance.registry import (
    RegisteredLoss,
    check_arguments,
    find_loss,
    register_loss,
    registered_losses,
    temporary_losses,
)
from arcvae.imbalance.settings import REDUCTIONS, Reduction, defer_problem

__all__ = [
    "ImbalanceLoss",
    "balanced_softmax",
    "cross_entropy",
    "dice",
    "focal",
    "generalized_ce",
    "label_smoothing",
    "ldam",
    "logit_adjusted",
    "lovasz",
    "make_loss",
    "poly1",
    "register_loss",
    "registered_losses",
    "temporary_losses",
    "tversky",
    "vs",
]


class ImbalanceLoss(nn.Module):
    """A registered loss, weighted by class, without the elements to ignore, and reduced to one number.

    What the reduction means depends on what the loss is over:

    =========== ============================================== ========================================
    over        ``sum``                                        ``mean``
    =========== ============================================== ========================================
    ``element`` sum over the elements of a sample, mean over   mean over all elements
                the samples
    ``sample``  mean over the samples                          the same
    ``batch``   the number that the loss returns               the same
    =========== ============================================== ========================================

    ``sum`` gives a loss over elements in nats per sample, the scale of a KL beside it. ``mean`` is *not* divided by the
    sum of the weights, as torch's weighted mean is; it makes any term beside it stronger by the number of elements of
    a sample. Elements to ignore are neither summed nor counted, nor is a sample in which all are ignored. A batch in
    which nothing counts costs 0, unless a loss over batches says otherwise. In a run of several processes, a batch is
    what one of them sees.

    With ``fade`` above 0, class weights and focusing are how training starts, not its final objective: over that share
    of the run the weights go to 1 (``w ** emphasis``), and the parameters that were registered as fading go to their
    final values (gamma of the focal loss to 0). Rare classes are found early, and the trained model predicts true
    frequencies.

    With ``defer`` above 0 it is the other way round: class weights are left out until that share of the run is done
    (deferred re-weighting, Cao et al. 2019, section 3.3, https://arxiv.org/abs/1906.07413). Features are learned from
    the frequencies as they are, and only the decision is corrected.

    Build one with :func:`make_loss`, which has the arguments.
    """

    class_weights: Tensor | None
    class_counts: Tensor | None

    def __init__(
        self,
        registered: RegisteredLoss,
        arguments: Mapping[str, Any],
        *,
        class_weights: Tensor | None = None,
        class_counts: Tensor | None = None,
        reduction: Reduction = "sum",
        fade: float = 0.0,
        defer: float = 0.0,
        cosine_scale: float | None = None,
        ignore_index: int | None = None,
    ) -> None:
        super().__init__()
        self.registered, self.arguments = registered, dict(arguments)
        self.reduction, self.fade, self.defer, self.ignore_index = reduction, fade, defer, ignore_index
        self.cosine_scale = cosine_scale
        self.progress = 1.0
        """Share of the run that is done, in [0, 1]; training sets it before each step, for what changes over a run."""
        # Not in the state dict: they belong to the corpus, and a checkpoint has them under names of its own.
        self.register_buffer("class_weights", class_weights, persistent=False)
        self.register_buffer("class_counts", class_counts, persistent=False)

    @property
    def emphasis(self) -> float:
        """How much of weights and focusing is left, from 1 to 0; always 1 for a loss that does not fade."""
        return max(0.0, 1 - self.progress / self.fade) if self.fade else 1.0

    @property
    def changes_until(self) -> float:
        """Share of the run after which the loss stays as it is, in [0, 1]."""
        return max(self.fade, self.defer)

    @property
    def means_over_elements(self) -> bool:
        """Whether it is a mean over elements: of losses over samples and batches ``reduction`` changes nothing."""
        return self.reduction == "mean" and self.registered.over == "element"

    def _weights(self, dtype: torch.dtype) -> Tensor | None:
        """The class weights ``(C,)`` of this moment of a run, or None."""
        if self.class_weights is None or not self.emphasis or self.progress < self.defer:
            return None
        return self.class_weights.to(dtype).pow(self.emphasis)

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """The cost of a batch.

        Args:
            logits: ``(N, C, *)``.
            target: ``(N, *)``, any integer type, in ``[0, C)`` but for elements to ignore.

        Returns:
            Scalar; in nats per sample (``sum``) or per element (``mean``) if the loss itself is in nats.

        Raises:
            ValueError: The loss function returned another shape than its kind has.
        """
        target = target.long()
        valid = None
        if self.ignore_index is not None:
            valid = valid_elements(target, self.ignore_index)
            # Values that any loss can compute with, and through which no gradient flows.
            target = target.masked_fill(~valid, 0)
            logits = logits.masked_fill(~valid.unsqueeze(1), 0.0)
        if self.registered.over == "element":
            return self._reduced(self._element_costs(logits, target), valid)
        every = torch.ones_like(target, dtype=torch.bool) if valid is None else valid
        costs = self._costs(at_least_float32(logits), target, valid=every)
        if self.registered.over == "batch":
            return costs
        return _mean(costs, None if valid is None else valid_samples(valid))

    def _element_costs(self, logits: Tensor, target: Tensor) -> Tensor:
        """``(N, *)``, weighted by class."""
        costs = self._costs(logits, target)
        weights = self._weights(costs.dtype)
        return costs if weights is None else costs * weights[target]

    def _costs(self, logits: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
        """What the function returns, given all that it has a parameter for."""
        registered, emphasis = self.registered, self.emphasis
        arguments = dict(self.arguments)
        if emphasis < 1:
            for name, end in registered.fades.items():
                arguments[name] = end + (arguments[name] - end) * emphasis
        if "valid" in registered.supplied:
            arguments["valid"] = valid
        if "class_counts" in registered.supplied:
            arguments["class_counts"] = self.class_counts
        if "cosine_scale" in registered.supplied:
            arguments["cosine_scale"] = self.cosine_scale
        if "class_weights" in registered.supplied:
            arguments["class_weights"] = self._weights(logits.dtype)
        costs = registered.function(logits, target, **arguments)
        shape = {"element": target.shape, "sample": target.shape[:1], "batch": ()}[registered.over]
        if costs.shape != shape:
            raise ValueError(
                f"loss {registered.name!r} is registered over={registered.over!r} and must return the shape "
                f"{tuple(shape)} for this batch, but returned {tuple(costs.shape)}"
            )
        return costs

    def _reduced(self, costs: Tensor, valid: Tensor | None) -> Tensor:
        """One number from the costs of elements ``(N, *)``."""
        if self.reduction == "mean":
            return _mean(costs, valid)
        if valid is None:
            return costs.sum() / len(costs)
        return costs.masked_fill(~valid, 0.0).sum() / valid_samples(valid).sum().clamp_min(1)


def _mean(costs: Tensor, valid: Tensor | None) -> Tensor:
    """Mean of those that count, 0 if none does."""
    return costs.mean() if valid is None else costs.masked_fill(~valid, 0.0).sum() / valid.sum().clamp_min(1)


def make_loss(
    name: str,
    *,
    class_weights: Tensor | Sequence[float] | None = None,
    class_counts: Tensor | Sequence[int] | None = None,
    reduction: Reduction = "sum",
    fade: float = 0.0,
    defer: float = 0.0,
    cosine_scale: float | None = None,
    ignore_index: int | None = None,
    **parameters: object,
) -> ImbalanceLoss:
    """Build a registered loss.

    Args:
        name: A registered name, such as ``cross_entropy`` or ``logit_adjusted``, or one of your own
            (:func:`~arcvae.imbalance.registry.register_loss`).
        class_weights: One weight per class, ``(C,)``, or None; see :func:`arcvae.imbalance.weights.class_weights`.
        class_counts: Elements of each class in the train split, ``(C,)``, or None; only losses that ask for them use
            them.
        reduction: ``"sum"`` or ``"mean"``; see :class:`ImbalanceLoss`.
        fade: Share of a run, in [0, 1], over which class weights go to 1 and parameters such as ``gamma`` to their
            final values; 0 = they stay.
        defer: Share of a run, in [0, 1], that is done before class weights count; 0 = from the first step on.
        cosine_scale: What the cosines are multiplied by that the logits are made of, or None for other logits; only
            losses that ask for it use it.
        ignore_index: Target value of elements that do not count, such as padding, or None.
        **parameters: What the loss itself takes, for example ``gamma``.

    Raises:
        ValueError: Unknown name or reduction; a parameter that the loss does not take, or lacks; class weights for a
            loss that takes none; no class counts for a loss that needs them, or no cosines; weights that shall both
            fade and be deferred.

    Example:
        >>> loss = make_loss("focal", gamma=0.0, class_weights=[1.0, 3.0])
        >>> loss(torch.zeros(2, 2), torch.tensor([0, 1]))  # (1 + 3) log 2 over 2 samples
        tensor(1.3863)
    """
    loss = find_loss(name)
    if reduction not in REDUCTIONS:
        raise ValueError(f"unknown reduction {reduction!r}; choose one of {', '.join(REDUCTIONS)}")
    arguments = check_arguments(loss, parameters)
    _require_schedule(loss, arguments, fade, defer)
    if class_weights is not None and not loss.takes_class_weights:
        raise ValueError(
            f"loss {name!r} is over a whole {loss.over} and takes no class weights; set class_weights=none"
        )
    _require_supplied(loss, class_counts, cosine_scale)
    return ImbalanceLoss(
        loss,
        arguments,
        class_weights=None if class_weights is None else torch.as_tensor(class_weights, dtype=torch.float32),
        class_counts=None if class_counts is None else torch.as_tensor(class_counts, dtype=torch.int64),
        reduction=reduction,
        fade=fade,
        defer=defer,
        cosine_scale=cosine_scale,
        ignore_index=ignore_index,
    )


def _require_supplied(loss: RegisteredLoss, class_counts: object, cosine_scale: float | None) -> None:
    """Refuse a loss that cannot do without what it is not given."""
    if class_counts is None and loss.needs_class_counts:
        raise ValueError(f"loss {loss.name!r} needs to know how often each class occurs; pass class_counts")
    if cosine_scale is None and loss.needs_cosines:
        raise ValueError(
            f"loss {loss.name!r} needs the logits of a cosine head; take a model whose logits are cosines "
            "(model.head=cosine), or from Python pass cosine_scale"
        )


def _require_schedule(loss: RegisteredLoss, arguments: Mapping[str, object], fade: float, defer: float) -> None:
    """Refuse shares of a run that are none, that exclude each other, or that a parameter cannot follow."""
    if not 0 <= fade <= 1:
        raise ValueError(f"fade must lie in [0, 1], got {fade}")
    if problem := defer_problem(defer, fade):
        raise ValueError(problem)
    if fade and (fixed := [name for name in loss.fades if not isinstance(arguments[name], int | float)]):
        raise ValueError(f"{fixed[0]}={arguments[fixed[0]]} cannot fade, because it is not a number; set fade=0")
