"""What is wrong with a model of grids: objects painted too large or left out, and a code that says nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from arcvae.training.findings import Finding

ACTIVE_NATS = 0.05
"""A latent dimension with a mean KL above this carries information."""
ACTIVE_VARIANCE = 0.01
"""A number of a packed code, whose KL is the same for any grid, does if its variance over grids is above this."""
LOPSIDED = 1.5
"""Recall and precision of objects this far apart, with the lower one below one half, are a finding."""
HARDLY_LEARNED = 0.2
"""With recall and precision of objects below this, a model has not learned to paint at all."""


def active_entries(results: Mapping[str, Any]) -> list[bool] | None:
    """Which entries of the code carry information, by its KL or, of packed codes, its variance; None without either.

    References:
        Burda et al. 2016, section 5.2, for the variance. https://arxiv.org/abs/1509.00519
    """
    packed = "code_variance" in results
    values = results.get("code_variance" if packed else "kl_per_dim")
    return None if values is None else [value > (ACTIVE_VARIANCE if packed else ACTIVE_NATS) for value in values]


def painting(recall: float, precision: float, weight_ratio: float | None, tau: float | None) -> list[Finding]:
    """Whether objects are painted too large, left out, or not learned at all.

    Args:
        recall: Of the cells of objects.
        precision: Of the cells of objects.
        weight_ratio: Largest class weight over the smallest, or None for a loss without weights.
        tau: Tuned strength of logit adjustment, if known.
    """
    tuned = "" if not tau else f"; logit adjustment (tau {tau:g}) undoes part of it at no cost"
    if max(recall, precision) < HARDLY_LEARNED:
        return [
            Finding(
                "little learned",
                f"object recall {recall:.3f} and precision {precision:.3f} are both low",
                "too few steps, too high or too low a learning rate, or a model that cannot place objects",
                "train longer; if trainer.max_epochs is ample, see whether trainer=overfit_batch reaches its target",
            )
        ]
    if recall >= LOPSIDED * precision and precision < 0.5:
        cause, smaller = "a decoder that cannot place edges yet", ""
        if weight_ratio is not None:
            cause = f"class weights of ratio {weight_ratio:.0f} : 1 make a missed cell cost more than a painted one"
            smaller = ", or weight less (loss.class_weights=none, or sqrt_inverse for inverse)"
        return [
            Finding(
                "over-painting",
                f"object recall {recall:.3f} is high, precision {precision:.3f} low: objects are painted too large",
                cause,
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


def posterior_collapse(evidence: str, largest_beta: float, ramp_epochs: float, *, mean_reduction: bool) -> Finding:
    """The finding that a code says nothing.

    Args:
        evidence: What shows it.
        largest_beta: Beta at the top of its schedule, against a reconstruction in nats per grid.
        ramp_epochs: Epochs after which it is reached.
        mean_reduction: Whether the loss is a mean over cells.
    """
    if not largest_beta:
        return Finding(
            "posterior collapse", evidence,
            "the code costs nothing, so the decoder has not learned to read it yet", "train longer",
        )  # fmt: skip
    scale = "use loss.reduction=sum, " if mean_reduction else ""
    return Finding(
        "posterior collapse",
        evidence,
        f"a beta of {largest_beta:g} against nats per grid, reached after {ramp_epochs:g} epochs, costs more than the "
        "code has saved by then",
        f"{scale}lower beta.maximum, raise beta.free_nats, or give objects time to be learned first (beta.hold, "
        "beta.ramp)",
    )
