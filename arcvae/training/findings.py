"""Faults of a model in words: the evidence, the likely cause, and the remedy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from arcvae.training.course import Course

MISCALIBRATED = 0.1
"""An expected calibration error above this is a finding."""
LOST_SHARE = 0.05
"""A share of classes of the split with a recall of zero above this is a finding."""
NAMED = 5
"""Of so many classes the names are given."""


@dataclass(frozen=True)
class Finding:
    """One fault of a model; as text, a line."""

    name: str
    evidence: str
    cause: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.name.upper()}: {self.evidence}. Cause: {self.cause}. Remedy: {self.remedy}."


def diagnosis(findings: Sequence[Finding | Mapping[str, Any]]) -> str:
    """Findings for the terminal, three lines each, or that there are none.

    Args:
        findings: As they are, or as records keep them.

    Example:
        >>> print(diagnosis([Finding("omission", "half is missing", "few steps", "train longer")]))
        OMISSION: half is missing
          cause   few steps
          remedy  train longer
        >>> diagnosis([])
        'Diagnosis: nothing stands out'
    """
    known: list[Mapping[str, Any]] = [
        vars(finding) if isinstance(finding, Finding) else finding for finding in findings
    ]
    if not known:
        return "Diagnosis: nothing stands out"
    lines = (
        f"{one['name'].upper()}: {one['evidence']}\n  cause   {one['cause']}\n  remedy  {one['remedy']}"
        for one in known
    )
    return "\n".join(lines)


def merged(findings: Sequence[Finding]) -> list[Finding]:
    """Findings with the same cause and remedy as one."""
    groups: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.cause, finding.remedy), []).append(finding)
    return [
        Finding(" and ".join(one.name for one in group), "; ".join(one.evidence for one in group), *shared)
        for shared, group in groups.items()
    ]


def mode_collapse(share: float, recall: float, accuracy: float, course: Course) -> Finding:
    """The finding that a model predicts the majority class almost everywhere.

    Args:
        share: Share of the predictions that are the majority class, in [0, 1].
        recall: Recall of all other classes, in [0, 1].
        accuracy: Share of correct predictions, in [0, 1].
        course: How it was trained.
    """
    cause = f"{course.unweighted}, so the majority class outvotes all others"
    remedy = course.weigh("loss=option_b")
    if course.favouring:
        cause = f"rare classes are favoured by {course.favouring}, so the objective or the step is at fault"
        remedy = f"lower optimizer.lr, {_more(course)}train longer"
    if found := course.cause():
        cause, remedy = found.text, found.remedy
    return Finding(
        "mode collapse",
        f"{100 * share:.1f} % of the predictions are the majority class and the recall of the others is {recall:.3f}; "
        f"the accuracy of {accuracy:.3f} is that of the trivial predictor",
        cause,
        remedy,
    )


def lost_classes(recalls: Sequence[float], course: Course) -> list[Finding]:
    """Whether classes are never found, with their names.

    Args:
        recalls: Of each class, NaN for those that the split lacks.
        course: How the model was trained, with names and counts of the classes.
    """
    there = [index for index, recall in enumerate(recalls) if recall == recall]
    lost = [index for index in there if recalls[index] == 0]
    if len(lost) <= LOST_SHARE * len(there):
        return []
    names, counts = course.class_names, course.class_counts
    if len(counts) == len(recalls):
        lost.sort(key=lambda index: -counts[index])
    shown = [
        (names[index] if len(names) == len(recalls) else f"class {index}")
        + (f" ({counts[index]})" if len(counts) == len(recalls) else "")
        for index in lost[:NAMED]
    ]
    more = f" and {len(lost) - NAMED} rarer ones" if len(lost) > NAMED else ""
    cause = f"{course.unweighted}, so rare classes hardly count"
    remedy = f"{course.weigh('loss.class_weights=sqrt_inverse')}, or decide with logit adjustment"
    if course.favouring:
        cause = f"too few examples of them, in spite of {course.favouring}"
        remedy = f"gather more of them, {_more(course)}train longer"
    if found := course.cause():
        cause, remedy = found.text, found.remedy
    evidence = f"{len(lost)} of {len(there)} classes are never found: {', '.join(shown)}{more}"
    if shown and "(" in shown[0]:
        evidence += "; in brackets what the train split has of them"
    return [Finding("lost classes", evidence, cause, remedy)]


def miscalibration(error: float | None, course: Course) -> list[Finding]:
    """Whether probabilities are far from frequencies.

    Args:
        error: Expected calibration error of all decisions at the plain argmax, in [0, 1]; None if it is not known.
        course: How the model was trained.
    """
    if error is None or not error > MISCALIBRATED:
        return []
    cause = "the model has learned the train split by heart, or its classes are other ones in this split"
    remedy = "train for fewer epochs or on more data, and read its probabilities as scores only"
    if course.loss == "focal" and not course.faded:
        cause = "the focal loss flattens probabilities"
        remedy = "train with loss=cross_entropy, or read its probabilities as scores only"
    if course.favouring:
        cause = f"the probabilities of rare classes are raised by {course.favouring}"
        remedy = "decide with logit adjustment" + (f" (tuned: tau {course.tau:g})" if course.tau else "")
        remedy += ", or weight less (loss.class_weights=none)" if course.weights else ""
    if found := course.cause():
        cause, remedy = found.text, found.remedy
    evidence = f"confidence and accuracy differ by {error:.3f} on average (expected calibration error)"
    return [Finding("miscalibration", evidence, cause, remedy)]


def _more(course: Course) -> str:
    """How to favour rare classes still more, between other remedies: class weights that are all that does so."""
    return "or " if course.corrected else "raise the weight ratio (loss.class_weights=inverse), or "


def too_short(course: Course) -> list[Finding]:
    """Whether a model without another fault of that cause was still becoming better when its run ended."""
    said = course.improving()
    return [Finding("too short", said, f"the run ended after {course.length}", course.longer())] if said else []
