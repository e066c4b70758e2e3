"""Metrics of scores rather than decisions: how high each class stands where it is right."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, Final

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.functional.classification import multiclass_auroc, multiclass_average_precision

RANKING: Final = ("auroc", "cmap", "cmap5", "top5_accuracy")
"""Names of the scalars that :func:`ranking_metrics` returns."""
_FEW: Final = 5
"""Samples of a class that ``cmap5`` asks for, and classes among which ``top5_accuracy`` looks for the right one."""


def ranking_metrics(scores: Tensor, target: Tensor) -> dict[str, Tensor]:
    """Metrics that follow from the scores of all samples. A class without samples has none, and is in no mean.

    Args:
        scores: ``(N, C)``, logits or log-probabilities, finite.
        target: ``(N,)``, in [0, C).

    Returns:
        Float64 in [0, 1], NaN where there is nothing to average: ``cmap``, the mean over classes of the average
        precision of the class's probability; ``cmap5``, the same over classes with at least five samples; ``auroc``,
        the mean area under the ROC curve of each class against all others; ``top5_accuracy``, the share of samples
        whose class is among the five with the highest scores. Also ``per_class_ap``, ``(C,)``.

    References:
        Rauch et al. 2024, "BirdSet", on cmAP. https://arxiv.org/abs/2403.10380

    Example:
        >>> found = ranking_metrics(torch.tensor([[2.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 1, 1]))
        >>> {name: round(found[name].item(), 4) for name in ("auroc", "cmap")}  # ap of class 0: 1, of class 1: 1
        {'auroc': 1.0, 'cmap': 1.0}
    """
    target, classes = target.long(), scores.shape[1]
    shares = scores.double().softmax(1).nan_to_num(0.0)  # a model that has failed is told so elsewhere
    counts = torch.bincount(target, minlength=classes)
    nan = torch.full((classes,), torch.nan, dtype=torch.float64)
    ap, area = (_per_class(figure, shares, target) for figure in (multiclass_average_precision, multiclass_auroc))
    # torchmetrics gives an absent class an area of 0, which its means count.
    ap = torch.where(counts > 0, ap, nan)
    area = torch.where((counts > 0) & (counts < len(target)), area, nan)
    # By rank, where equals stand in the middle of their places: constant scores are no hit by chance of sorting.
    own = scores.gather(1, target[:, None])  # (N, 1)
    above, equal = (scores > own).sum(1), (scores == own).sum(1)
    hits = ((_FEW - above) / equal).clamp(0, 1)
    return {
        "auroc": area.nanmean(),
        "cmap": ap.nanmean(),
        "cmap5": torch.where(counts >= _FEW, ap, nan).nanmean(),
        "top5_accuracy": hits.double().mean(),
        "per_class_ap": ap,
    }


def _per_class(figure: Callable[..., Tensor], shares: Tensor, target: Tensor) -> Tensor:
    """A figure of torchmetrics for each class, ``(C,)``, without its warnings of absent classes."""
    classes = shares.shape[1]
    if not len(target):
        return torch.full((classes,), torch.nan, dtype=torch.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return figure(shares, target, classes, average="none")


class RankingMetrics(Metric):
    """:func:`ranking_metrics` over batches and processes; keeps the scores of all samples.

    Example:
        >>> metrics = RankingMetrics()
        >>> metrics.update(torch.tensor([[2.0, 0.0], [1.0, 0.0]]), torch.tensor([0, 1]))
        >>> metrics.update(torch.tensor([[0.0, 1.0]]), torch.tensor([1]))
        >>> metrics.compute()["top5_accuracy"].item()
        1.0
    """

    full_state_update = False
    scores: list[Tensor] | Tensor
    targets: list[Tensor] | Tensor

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.add_state("scores", [], dist_reduce_fx="cat")
        self.add_state("targets", [], dist_reduce_fx="cat")

    def update(self, logits: Tensor, target: Tensor) -> None:
        """Add a batch: logits ``(N, C)``, and classes ``(N,)``."""
        assert isinstance(self.scores, list)
        assert isinstance(self.targets, list)
        self.scores.append(logits.float())
        self.targets.append(target)

    def compute(self) -> dict[str, Tensor]:
        """Metrics of all samples since the last reset."""
        scores, targets = (torch.cat(part) if isinstance(part, list) else part for part in (self.scores, self.targets))
        return ranking_metrics(scores.cpu(), targets.cpu())
