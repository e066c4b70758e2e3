"""What is wrong with a model, in words: the evidence, the likely cause, and what to do."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a model."""

    name: str
    evidence: str
    cause: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.name.upper()}: {self.evidence}. Cause: {self.cause}. Remedy: {self.remedy}."


def mode_collapse(share: float, recall: float, accuracy: float, weight_ratio: float | None) -> Finding:
    """The finding that a model names the majority class and hardly anything else.

    Args:
        share: Share of the predictions that name the majority class.
        recall: Recall of all other classes.
        accuracy: Share of elements that are right.
        weight_ratio: Largest class weight over the smallest, or None for a loss without weights.
    """
    cause = "the loss has no class weights, so the majority class outvotes all others"
    remedy = "weight the classes (loss=option_b), train longer, or lower optimizer.lr"
    if weight_ratio is not None:
        cause = f"class weights are on (ratio {weight_ratio:.0f} : 1), so the objective or the step size is at fault"
        remedy = "lower optimizer.lr, train longer, or raise the weight ratio (loss.class_weights=inverse)"
    return Finding(
        "mode collapse",
        f"{100 * share:.1f} % of the predictions name the majority class and the recall of the others is {recall:.3f}; "
        f"the accuracy of {accuracy:.3f} is that of the trivial predictor",
        cause,
        remedy,
    )
