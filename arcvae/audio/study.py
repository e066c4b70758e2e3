"""What evaluation adds for clips: a last layer that is mended for rare species, measured and left as a classifier."""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from arcvae.audio.corpus.data import AudioDataModule
from arcvae.audio.module import AudioModule
from arcvae.errors import ConfigError, DataError
from arcvae.imbalance.confusion import classification_metrics, confusion_matrix
from arcvae.imbalance.rebalancing import Head, rebalance

log = logging.getLogger("arcvae")


def study(
    module: AudioModule, data: AudioDataModule, split: str, *, limit: int, seed: int, rebalancing: str
) -> dict[str, Any]:
    """Mend the last layer of a classifier and measure it.

    Args:
        module: Trained.
        data: A corpus with train and val splits.
        split: The one to measure on.
        limit: Clips of it.
        seed: Of all random draws.
        rebalancing: One of :data:`~arcvae.imbalance.settings.REBALANCINGS`.

    Returns:
        ``rebalanced``: metrics of the split at the plain argmax; ``rebalancing``: how the layer was chosen;
        ``exports``: state dict of the mended ``classifier``.

    Raises:
        ConfigError: A last layer that is not linear.
        DataError: No train split, or no val split.
    """
    head = module.model.head
    if not isinstance(head, nn.Linear):
        raise ConfigError(
            f"rebalance={rebalancing} is for a linear last layer, and this model has {type(head).__name__}; "
            "train one with model.head=linear loss=cross_entropy"
        )
    for name in ("train", "val"):
        if not data.size(name):
            raise DataError(f"{data.corpus_path}: {name} is empty, and rebalance={rebalancing} needs it")
    train, val = (features(module, data.evaluation_loader(name)) for name in ("train", "val"))
    test = features(module, data.evaluation_loader(split, limit))
    before = Head(head.weight.detach().cpu(), head.bias.detach().cpu())

    def metrics(decisions: Tensor, labels: Tensor) -> dict[str, Tensor]:
        return classification_metrics(confusion_matrix(decisions, labels, module.num_classes), module.task.background)

    metric = module.task.adjustment_metric
    found = rebalance(rebalancing, before, train, val, lambda *pair: float(metrics(*pair)[metric]), seed)
    results = module.task.rename(
        {name: v.tolist() for name, v in metrics(found.head(test[0]).argmax(1), test[1]).items()}
    )
    mended = copy.deepcopy(module.model)
    mended.head.load_state_dict({"weight": found.head.weight, "bias": found.head.bias})
    what = {"method": rebalancing, "setting": found.setting, f"val_{metric}": found.score, "before": found.before}
    log.info(
        "Rebalanced by %s (%s %g): val %s %.4f, before %.4f", rebalancing,
        "tau" if rebalancing == "tau_norm" else "steps", found.setting, metric, found.score, found.before,
    )  # fmt: skip
    results |= module.task.further_results(results, module)
    return {"rebalanced": results, "rebalancing": what, "exports": {"classifier": mended.state_dict()}}


@torch.no_grad()
def features(module: AudioModule, loader: Iterable[Any]) -> tuple[Tensor, Tensor]:
    """What goes into the last layer for each clip, ``(N, F)``, and the labels ``(N,)`` int64, both on the CPU."""
    kept: list[Tensor] = []
    hook = module.model.head.register_forward_pre_hook(lambda _, given: kept.append(given[0].float().cpu()))
    labels = []
    try:
        for clips, label in loader:
            module.model(clips.to(module.device))
            labels.append(label.long().cpu())
    finally:
        hook.remove()
    return torch.cat(kept), torch.cat(labels)
