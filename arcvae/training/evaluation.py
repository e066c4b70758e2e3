"""What a trained model scores beyond the plain argmax: the tuned decision, and how sure it may be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from arcvae.imbalance.calibration import Calibration
from arcvae.imbalance.confusion import classification_metrics
from arcvae.imbalance.logit_adjustment import StrengthTuner, corrected, log_prior
from arcvae.imbalance.metrics import ClassificationMetrics
from arcvae.training.module import Figure, ImbalanceModule, StepOutput


def tune_decision(module: ImbalanceModule, loader: Iterable[Any], counts: Iterable[int]) -> dict[str, Any]:
    """Find the prior correction whose decisions score best on the validation split.

    Args:
        module: Trained; the metric is its ``decision_metric``.
        loader: Batches of the validation split; of this process's share, if there are several.
        counts: Elements of each class in the train split, ``(C,)``.

    Returns:
        Plain types, as the exports keep them: ``prior_strength``, ``class_counts``, ``metric``, ``tuned_on``.
    """
    numbers = [int(n) for n in counts]
    tuner = StrengthTuner(log_prior(numbers))
    for output in _outputs(module, loader):
        tuner.update(output.logits, output.target)
    tuner.confusion = _summed(tuner.confusion, module.device)

    def score(confusion: Tensor) -> float:
        return float(classification_metrics(confusion, module.background)[module.decision_metric])

    return {
        "prior_strength": tuner.best(score),
        "class_counts": numbers,
        "metric": module.decision_metric,
        "tuned_on": "val",
    }


@dataclass
class Decided:
    """How the decisions on a split turned out."""

    metrics: ClassificationMetrics
    calibrations: dict[str, Calibration]
    """Of all decisions and, where there is a background, of those for something else ("objects")."""

    def results(self, module: ImbalanceModule) -> dict[str, Figure]:
        """Metrics, under the names that a task gives them, and the calibration errors."""
        return (
            module.named({name: value.tolist() for name, value in self.metrics.compute().items()})
            | self.calibration_errors
        )

    @property
    def calibration_errors(self) -> dict[str, Figure]:
        """Expected calibration error of each kind of decision."""
        prefix = {"all": "", "objects": "object_"}
        return {f"{prefix[name]}calibration_error": found.error for name, found in self.calibrations.items()}


def decide(module: ImbalanceModule, loader: Iterable[Any], strengths: Iterable[float], prior: Tensor) -> list[Decided]:
    """Decide for every element of a split, once for each strength of the prior correction.

    Args:
        module: Trained.
        loader: Batches of the split.
        strengths: 0 is the plain argmax.
        prior: Log priors, ``(C,)``.
    """
    background = module.background
    kinds = ("all",) if background is None else ("all", "objects")
    found = []
    for strength in strengths:
        metrics = ClassificationMetrics(module.num_classes, background).to(module.device)
        found.append((strength, Decided(metrics, {kind: Calibration() for kind in kinds})))
    for output in _outputs(module, loader):
        for strength, decided in found:
            confidence, decision = corrected(output.logits, prior, strength).softmax(1).max(1)
            hit = decision == output.target
            decided.metrics.update(decision, output.target)
            decided.calibrations["all"].update(confidence, hit)
            if background is not None:
                colored = decision != background
                decided.calibrations["objects"].update(confidence[colored], hit[colored])
    for _, decided in found:
        for calibration in decided.calibrations.values():
            for name in ("counts", "confidence", "hits"):
                setattr(calibration, name, _summed(getattr(calibration, name), module.device))
    return [decided for _, decided in found]


def _summed(counts: Tensor, device: torch.device) -> Tensor:
    """The sum over all processes of a run, each of which has seen its own share of the samples."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return counts
    total = counts.to(device)
    torch.distributed.all_reduce(total)
    return total.cpu()


@torch.no_grad()
def _outputs(module: ImbalanceModule, loader: Iterable[Any]) -> Iterator[StepOutput]:
    """The module's outputs for each batch, in evaluation mode and full precision."""
    training = module.training
    module.eval()
    with torch.autocast(module.device.type, enabled=False):
        for batch in loader:
            yield module.step(module.transfer_batch_to_device(batch, module.device, 0), "val")
    module.train(training)
