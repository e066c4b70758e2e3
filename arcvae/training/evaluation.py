"""Evaluating a trained model: logit adjustment, metrics at any strength of it, calibration, and a verdict."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

import torch
from torch import Tensor

from arcvae.imbalance.calibration import Calibration, Reliability
from arcvae.imbalance.confusion import classification_metrics
from arcvae.imbalance.logit_adjustment import adjust_logits, log_prior
from arcvae.imbalance.masking import valid_elements
from arcvae.imbalance.metrics import ClassificationMetrics
from arcvae.imbalance.ranking import RankingMetrics
from arcvae.imbalance.tau_tuner import TauTuner
from arcvae.imbalance.temperature import fit_temperature, spread
from arcvae.training.course import Course
from arcvae.training.findings import Finding, merged, too_short
from arcvae.training.module import ImbalanceModule, StepOutput
from arcvae.training.task import Results

_ELEMENTS: Final = 20_000
"""Elements of each batch that a temperature is fitted to, at most."""


def tune_adjustment(module: ImbalanceModule, loader: Iterable[Any], counts: Iterable[int]) -> dict[str, Any]:
    """Choose the tau of the logit adjustment with the best predictions on the validation split.

    In a distributed run every process has to call this with its share of the split; all get the same result.

    Args:
        module: Trained; the metric is the ``adjustment_metric`` of its task.
        loader: Batches of the validation split.
        counts: Elements of each class in the train split, ``(C,)``.

    Returns:
        Plain types, as the exports keep them: ``tau``, ``class_counts``, ``metric``, ``tuned_on``.
    """
    numbers, task = [int(n) for n in counts], module.task

    def score(confusion: Tensor) -> float:
        return float(classification_metrics(confusion, task.background)[task.adjustment_metric])

    tuner = TauTuner(log_prior(numbers), score, ignore_index=task.ignore_index).to(module.device)
    for output in _outputs(module, loader):
        tuner.update(output.logits, output.target)
    return {"tau": tuner.compute(), "class_counts": numbers, "metric": task.adjustment_metric, "tuned_on": "val"}


def tune_temperature(module: ImbalanceModule, loader: Iterable[Any]) -> float:
    """The temperature at which the model is as sure of the validation split as it is right about it.

    Args:
        module: Trained.
        loader: Batches of the validation split; of each, some thousand elements at even distances are looked at.
    """
    logits, targets = [], []
    for output in _outputs(module, loader):
        classes, target = output.logits.movedim(1, -1).flatten(0, -2), output.target.flatten()
        if module.task.ignore_index is not None:
            valid = valid_elements(target, module.task.ignore_index)
            classes, target = classes[valid], target[valid]
        some = spread(len(target), _ELEMENTS).to(target.device)
        logits.append(classes[some].float().cpu())
        targets.append(target[some].cpu())
    return fit_temperature(torch.cat(logits), torch.cat(targets))


class Rule(NamedTuple):
    """How logits become decisions.

    Args:
        tau: Strength of the logit adjustment; 0 is the plain argmax.
        temperature: What logits are divided by, which changes how sure a decision is.
    """

    tau: float = 0.0
    temperature: float = 1.0


@dataclass(frozen=True)
class Decided:
    """Decisions on a split compared with its targets, over all processes of a distributed run."""

    found: Results
    """The metrics of :class:`~arcvae.imbalance.metrics.ClassificationMetrics`, and those of the order of scores if the
    task is ranked, under their general names."""
    confusion: Tensor
    """``(C, C)`` int64 on the CPU, row = target, column = decision; of this process alone."""
    calibrations: dict[str, Reliability]
    """Of all decisions (``"all"``) and, where there is a background, of those for any other class (``"objects"``)."""

    def results(self, module: ImbalanceModule) -> Results:
        """Metrics under the names of the task, further results that it computes from them, and calibration errors."""
        found = module.task.rename(self.found)
        return found | module.task.further_results(found, module) | self.calibration_errors

    @property
    def calibration_errors(self) -> Results:
        """Expected calibration error of each kind of decision."""
        prefix = {"all": "", "objects": "object_"}
        return {f"{prefix[name]}calibration_error": found.error for name, found in self.calibrations.items()}


class _Decisions:
    """Accumulates the decisions of one rule."""

    def __init__(self, module: ImbalanceModule, log_prior: Tensor, rule: Rule) -> None:
        task = module.task
        self.background, self.ignore_index = task.background, task.ignore_index
        self.log_prior, self.rule = log_prior, rule
        self.metrics = ClassificationMetrics(module.num_classes, task.background, ignore_index=task.ignore_index)
        self.metrics.to(module.device)
        self.ranking = RankingMetrics().to(module.device) if task.ranked else None
        kinds = ("all",) if task.background is None else ("all", "objects")
        self.calibrations = {kind: Calibration().to(module.device) for kind in kinds}

    def update(self, logits: Tensor, target: Tensor) -> None:
        logits = adjust_logits(logits, self.log_prior, self.rule.tau) / self.rule.temperature
        if self.ranking is not None:
            self.ranking.update(logits, target)
        confidence, decision = logits.softmax(1).max(1)
        hit, valid = decision == target, valid_elements(target, self.ignore_index)
        self.metrics.update(decision, target)
        self.calibrations["all"].update(confidence, hit, valid)
        if self.background is not None:
            self.calibrations["objects"].update(confidence, hit, valid & (decision != self.background))

    def result(self) -> Decided:
        ranking = {} if self.ranking is None else self.ranking.compute()
        return Decided(
            found={name: value.tolist() for name, value in {**self.metrics.compute(), **ranking}.items()},
            confusion=self.metrics.confusion.cpu(),
            calibrations={kind: calibration.compute() for kind, calibration in self.calibrations.items()},
        )


def decide(module: ImbalanceModule, loader: Iterable[Any], rules: Iterable[Rule], log_prior: Tensor) -> list[Decided]:
    """Classify every element of a split, once by each rule.

    In a distributed run every process has to call this with its share of the split; all get the same metrics.

    Args:
        module: Trained.
        loader: Batches of the split.
        rules: How to decide.
        log_prior: ``(C,)``, nats; see :func:`arcvae.imbalance.logit_adjustment.log_prior`.
    """
    found = [_Decisions(module, log_prior, rule) for rule in rules]
    for output in _outputs(module, loader):
        for decisions in found:
            decisions.update(output.logits, output.target)
    return [decisions.result() for decisions in found]


def assess(
    module: ImbalanceModule, results: Mapping[str, Any], course: Course | None = None
) -> tuple[dict[str, Any], list[Finding]]:
    """The verdict of the task on results at the plain argmax, and its findings.

    Args:
        module: With the loss that it was trained with.
        results: Results of a split.
        course: How the model was trained; what the module knows of it is filled in.
    """
    loss, task = module.loss, module.task
    weights = loss.class_weights
    ratio = None if weights is None else float(weights.max() / weights.min()) ** loss.emphasis
    course = replace(
        course or Course(), weight_ratio=ratio, faded=not loss.emphasis, loss=loss.registered.name,
        by_counts="class_counts" in loss.registered.supplied, fitted=module.fitted,
    )  # fmt: skip
    verdict = task.verdict(results, module)
    found = merged(task.findings(results, module, verdict, course))
    if not any(one.cause.startswith("too short") for one in found):
        found += too_short(course)
    return verdict, found


@torch.no_grad()
def _outputs(module: ImbalanceModule, loader: Iterable[Any]) -> Iterator[StepOutput]:
    """The module's outputs for each batch, in evaluation mode and full precision."""
    training = module.training
    module.eval()
    with torch.autocast(module.device.type, enabled=False):
        for batch in loader:
            yield module.step(module.transfer_batch_to_device(batch, module.device, 0), "val")
    module.train(training)
