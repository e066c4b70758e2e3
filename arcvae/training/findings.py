"""Faults of a model in words: the evidence, the likely cause, and the remedy."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One fault of a model; as text, a line."""

    name: str
    evidence: str
    cause: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.name.upper()}: {self.evidence}. Cause: {self.cause}. Remedy: {self.remedy}."


def mode_collapse(share: float, recall: float, accuracy: float, weight_ratio: float | None) -> Finding:
    """The finding that a model predicts the majority class almost everywhere.

    Args:
        share: Share of the predictions that are the majority class, in [0, 1].
        recall: Recall of all other classes, in [0, 1].
        accuracy: Share of correct predictions, in [0, 1].
        weight_ratio: Largest class weight over the smallest, or None for a loss without weights.
    """
    cause = "the loss has no class weights, so the majority class outvotes all others"
    remedy = "weight the classes (loss=option_b), train longer, or lower optimizer.lr"
    if weight_ratio is not None:
        cause = f"class weights are on (ratio {weight_ratio:.0f} : 1), so the objective or the step size is at fault"
        remedy = "lower optimizer.lr, train longer, or raise the weight ratio (loss.class_weights=inverse)"
    return Finding(
        "mode collapse",
        f"{100 * share:.1f} % of the predictions are the majority class and the recall of the others is {recall:.3f}; "
        f"the accuracy of {accuracy:.3f} is that of the trivial predictor",
        cause,
        remedy,
    )
