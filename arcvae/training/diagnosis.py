"""What went wrong, in words: a finding with its evidence, the likely cause, and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the module itself knows findings
    from arcvae.training.module import Figure, ImbalanceModule

LOPSIDED = 1.5
"""Recall and precision of objects this far apart, with the lower one below one half, are a finding."""

LITTLE = 0.2
"""With recall and precision of objects below this, a model has not learned to paint at all."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a model."""

    name: str
    evidence: str
    cause: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.name.upper()}: {self.evidence}. Cause: {self.cause}. Remedy: {self.remedy}."


def diagnose(
    module: ImbalanceModule, results: Mapping[str, Figure], verdict: Mapping[str, Any], strength: float | None = None
) -> list[Finding]:
    """Findings about a model; an empty list if nothing stands out.

    Args:
        module: The model with its loss; a task adds what it knows with :meth:`ImbalanceModule.further_findings`.
        results: Of a split, at the plain argmax.
        verdict: See :meth:`ImbalanceModule.verdict`.
        strength: Tuned strength of the prior correction, if known.
    """
    weights = module.loss.class_weights
    ratio = None if weights is None else float(weights.max() / weights.min())
    findings = []
    if verdict["mode_collapse"]:
        findings.append(_mode_collapse(module, verdict, results, ratio))
    further = module.further_findings(dict(results))
    recall, precision = results.get("object_recall"), results.get("object_precision")
    if not findings and isinstance(recall, float) and isinstance(precision, float):
        findings += _painting(recall, precision, ratio, strength)
    return findings + further


def _mode_collapse(
    module: ImbalanceModule, verdict: Mapping[str, Any], results: Mapping[str, Figure], ratio: float | None
) -> Finding:
    share, recall = (verdict[name] for name in module.collapse_figures)
    accuracy = results[module.renamed.get("accuracy", "accuracy")]
    cause = "the loss has no class weights, so the majority class outvotes all others"
    remedy = "weight the classes (loss=option_b), train longer, or lower optimizer.lr"
    if ratio is not None:
        cause = f"class weights are on (ratio {ratio:.0f} : 1), so the objective or the step size is at fault"
        remedy = "lower optimizer.lr, train longer, or raise the weight ratio (loss.class_weights=inverse)"
    return Finding(
        "mode collapse",
        f"{100 * share:.1f} % of the predictions name the majority class and the recall of the others is {recall:.3f}; "
        f"the accuracy of {accuracy:.3f} is that of the trivial predictor",
        cause,
        remedy,
    )


def _painting(recall: float, precision: float, ratio: float | None, strength: float | None) -> list[Finding]:
    tuned = "" if not strength else f"; the tuned decision (strength {strength:g}) takes part of it back at no cost"
    if max(recall, precision) < LITTLE:
        return [
            Finding(
                "little learned",
                f"object recall {recall:.3f} and precision {precision:.3f} are both low",
                "too few steps, too high or too low a learning rate, or a model that cannot place objects",
                "train longer; if trainer.max_epochs is ample, see whether trainer=overfit_batch reaches its target",
            )
        ]
    if recall >= LOPSIDED * precision and precision < 0.5:
        smaller = "" if ratio is None else ", or weight less (loss.class_weights=none, or sqrt_inverse for inverse)"
        cause = f"class weights of ratio {ratio:.0f} : 1" if ratio else "a decoder that cannot place edges yet"
        return [
            Finding(
                "over-painting",
                f"object recall {recall:.3f} is high, precision {precision:.3f} low: objects are painted fat",
                f"{cause} make a missed cell cost more than a painted one" if ratio else cause,
                f"train longer{smaller}{tuned}",
            )
        ]
    if precision >= LOPSIDED * recall and recall < 0.5:
        return [
            Finding(
                "omission",
                f"object precision {precision:.3f} is high, recall {recall:.3f} low: objects are left out",
                "a cell is painted only when it is more likely coloured than not, and the code is not sure enough",
                "train longer, enlarge the code (model.latent_dim), or weight the classes (loss=option_b)" + tuned,
            )
        ]
    return []
