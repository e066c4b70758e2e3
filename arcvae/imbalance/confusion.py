"""The confusion matrix, and every metric that it determines."""

from __future__ import annotations

import torch
from torch import Tensor

from arcvae.imbalance.masking import valid_elements


def confusion_matrix(prediction: Tensor, target: Tensor, num_classes: int, ignore_index: int | None = None) -> Tensor:
    """Count pairs of target and prediction.

    Args:
        prediction: ``(N, *)``, any integer type, in ``[0, C)``.
        target: The same shape and range, but for elements to ignore.
        num_classes: C.
        ignore_index: Target value of elements that are not counted, such as padding, or None.

    Returns:
        ``(C, C)`` int64; row = target, column = prediction.

    Raises:
        ValueError: A pair lies so far outside the range that it would fall outside the matrix.

    Example:
        >>> confusion_matrix(torch.tensor([0, 1, 1, 1]), torch.tensor([0, 0, 1, -100]), 2, ignore_index=-100)
        tensor([[1, 1],
                [0, 1]])
    """
    prediction, target = prediction.flatten().long(), target.flatten().long()
    if ignore_index is not None:
        valid = valid_elements(target, ignore_index)
        prediction, target = prediction[valid], target[valid]
    pairs = target * num_classes + prediction
    counts = torch.bincount(pairs, minlength=num_classes**2)
    if len(counts) > num_classes**2:
        raise ValueError(f"a target or prediction lies outside [0, {num_classes}); padding needs an ignore_index")
    return counts.view(num_classes, num_classes)


def classification_metrics(confusion: Tensor, background: int | None = None) -> dict[str, Tensor]:
    """Every metric that a confusion matrix determines.

    With rows as targets: ``recall_c = M[c, c] / sum_p M[c, p]``. A class without targets has recall NaN and is
    left out of every mean; a ratio without anything in its denominator is NaN.

    Args:
        confusion: ``(C, C)`` counts, row = target, column = prediction.
        background: The class that stands for "nothing here". When given, the ``object_*`` metrics are micro
            averages over all other classes, where a hit must have the right class.

    Returns:
        Float64 scalars in [0, 1]: ``accuracy``, ``balanced_accuracy`` (mean recall), ``mean_iou``, ``f1_macro``,
        ``f1_weighted``, ``predicted_majority_share`` (share of predictions that name the most frequent target class)
        and, with a background, ``object_recall``, ``object_precision``, ``object_f1``,
        ``predicted_background_share``. Also, ``(C,)`` each: ``per_class_recall``, ``per_class_f1``,
        ``per_class_iou``.

    Example:
        >>> metrics = classification_metrics(torch.tensor([[90, 0], [10, 0]]), background=0)
        >>> {name: round(metrics[name].item(), 2) for name in ("accuracy", "balanced_accuracy", "object_f1")}
        {'accuracy': 0.9, 'balanced_accuracy': 0.5, 'object_f1': 0.0}
    """
    m = confusion.double()
    hits, targets, predictions, total = m.diagonal(), m.sum(1), m.sum(0), m.sum()
    seen = targets > 0
    nan = torch.full_like(hits, torch.nan)
    recall = hits / targets  # 0 / 0 = NaN for a class without targets
    f1 = torch.where(seen, 2 * hits / (targets + predictions), nan)
    iou = torch.where(seen, hits / (targets + predictions - hits), nan)
    metrics = {
        "accuracy": hits.sum() / total,
        "balanced_accuracy": recall.nanmean(),
        "mean_iou": iou.nanmean(),
        "f1_macro": f1.nanmean(),
        "f1_weighted": (f1 * targets)[seen].sum() / total,
        "predicted_majority_share": predictions[targets.argmax()] / total,
        "per_class_recall": recall,
        "per_class_f1": f1,
        "per_class_iou": iou,
    }
    if background is not None:
        object_hits = hits.sum() - hits[background]
        object_targets = total - targets[background]
        object_predictions = total - predictions[background]
        metrics |= {
            "object_recall": object_hits / object_targets,
            "object_precision": object_hits / object_predictions,
            "object_f1": 2 * object_hits / (object_targets + object_predictions),
            "predicted_background_share": predictions[background] / total,
        }
    return metrics
