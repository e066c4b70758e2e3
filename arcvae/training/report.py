"""Results of a trivial predictor, and tables of results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from arcvae.imbalance.logit_adjustment import log_prior
from arcvae.imbalance.metrics import ClassificationMetrics
from arcvae.imbalance.ranking import ranking_metrics
from arcvae.training.module import ImbalanceModule
from arcvae.training.task import Results, Value


def trivial_results(
    target: Tensor, num_classes: int, always: int, background: int | None, ignore_index: int | None = None
) -> Results:
    """Results of predicting one class everywhere.

    Args:
        target: ``(N, *)``, any integer type, N >= 1.
        num_classes: C.
        always: The class that is predicted.
        background: See :class:`ClassificationMetrics`.
        ignore_index: Target value of elements that do not count, or None.
    """
    metrics = ClassificationMetrics(
        num_classes, background, ignore_index=ignore_index, sync_on_compute=False
    )  # every process has all targets
    for part in target.split(1000):
        metrics.update(torch.full_like(part, always), part)
    return {name: value.tolist() for name, value in metrics.compute().items()}


def baseline(module: ImbalanceModule, targets: Tensor, counts: ArrayLike) -> Results:
    """Results of the trivial predictor of a task, under the names of the task.

    It predicts the background everywhere or, where there is none, the most frequent class of the train split.

    Args:
        module: The model that it is compared with.
        targets: ``(N, *)``, any integer type, N >= 1.
        counts: Elements of each class in the train split, ``(C,)``.
    """
    task = module.task
    always = int(np.argmax(counts)) if task.background is None else task.background
    general = trivial_results(targets, module.num_classes, always, task.background, task.ignore_index)
    if task.ranked:  # scores that are the same for every sample: those of the train split
        scores = log_prior(counts).expand(len(targets), -1)
        general |= {name: value.tolist() for name, value in ranking_metrics(scores, targets).items()}
    found = task.rename(general)
    further = task.further_results(found, module) | task.trivial_results(module)
    # It is as confident as the class is frequent in the train split.
    share, accuracy = float(np.asarray(counts)[always] / np.sum(counts)), general["accuracy"]
    assert isinstance(accuracy, float)
    return {**found, **further, "calibration_error": abs(share - accuracy)}


def table(columns: Mapping[str, Mapping[str, Value]], names: Sequence[str]) -> str:
    """Results side by side, a line for each metric.

    Args:
        columns: Results of each column, by its heading.
        names: Metrics to show, in this order; one that a column lacks or that is NaN is shown as a dash.

    Example:
        >>> print(table({"ours": {"object_f1": 0.4}, "trivial": {"object_f1": 0.0}}, ["object_f1"]))
                         ours   trivial
        object_f1      0.4000    0.0000
    """
    width = max(12, *(len(name) for name in names)) + 1
    spans = [max(9, len(heading) + 1) for heading in columns]
    lines = [" " * width + "".join(f"{heading:>{span}}" for heading, span in zip(columns, spans, strict=True))]
    for name in names:
        cells = (_cell(results.get(name)) for results in columns.values())
        lines.append(f"{name:<{width}}" + "".join(f"{cell:>{span}}" for cell, span in zip(cells, spans, strict=True)))
    return "\n".join(lines)


def _cell(value: Value | None) -> str:
    if value is None or isinstance(value, list) or value != value:
        return "—"
    return str(value) if isinstance(value, int) else f"{value:.4f}"
