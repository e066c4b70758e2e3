"""What is wrong with a model of grids: objects painted too large or left out, and a code that says nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from arcvae.training.course import Course
from arcvae.training.findings import Finding

ACTIVE_NATS = 0.05
"""A latent dimension with a mean KL above this carries information."""
ACTIVE_VARIANCE = 0.01
"""A number of a packed code, whose KL is the same for any grid, does if its variance over grids is above this."""
LOPSIDED = 1.5
"""Recall and precision of objects this far apart, with the lower one below one half, are a finding."""
HARDLY_LEARNED = 0.2
"""With recall and precision of objects below this, a model has not learned to paint at all."""
FEW_EXACT = 0.1
"""With fewer exact grids than this share, a run that was too short is told so."""
COLLAPSED = 25.6
"""Beta against nats per grid (0.1 on a mean over 256 cells) at which weighted losses collapsed."""
COLLAPSED_UNWEIGHTED = 1.0
"""The same for unweighted losses, to which objects mean little."""


def active_entries(results: Mapping[str, Any]) -> list[bool] | None:
    """Which entries of the code carry information, by its KL or, of packed codes, its variance; None without either.

    References:
        Burda et al. 2016, section 5.2, for the variance. https://arxiv.org/abs/1509.00519
    """
    packed = "code_variance" in results
    values = results.get("code_variance" if packed else "kl_per_dim")
    return None if values is None else [value > (ACTIVE_VARIANCE if packed else ACTIVE_NATS) for value in values]


def painting(recall: float, precision: float, course: Course) -> list[Finding]:
    """Whether objects are painted too large, left out, or not learned at all.

    Args:
        recall: Of the cells of objects.
        precision: Of the cells of objects.
        course: How the model was trained.
    """
    tuned = "" if not course.tau else f"; logit adjustment (tau {course.tau:g}) undoes part of it at no cost"
    if max(recall, precision) < HARDLY_LEARNED:
        evidence = f"object recall {recall:.3f} and precision {precision:.3f} are both low"
        if found := course.cause():
            return [Finding("little learned", evidence, found.text, found.remedy)]
        return [
            Finding(
                "little learned", evidence,
                "too few steps, too high or too low a learning rate, or a model that cannot place objects",
                "train longer; if trainer.max_epochs is ample, see whether trainer=overfit_batch reaches its target",
            )
        ]  # fmt: skip
    found = course.cause(unfinished=False)
    if recall >= LOPSIDED * precision and precision < 0.5:
        cause, smaller = "a decoder that cannot place edges yet", ""
        if course.weights:
            cause = f"{course.weights} make a missed cell cost more than a painted one"
            smaller = ", or weight less (loss.class_weights=none, or sqrt_inverse for inverse)"
        elif course.by_counts:
            cause = f"loss.name={course.loss} makes a missed cell cost more than a painted one"
        return [
            Finding(
                "over-painting",
                f"object recall {recall:.3f} is high, precision {precision:.3f} low: objects are painted too large",
                found.text if found else cause,
                (found.remedy if found else f"{course.longer()}{smaller}") + tuned,
            )
        ]
    if precision >= LOPSIDED * recall and recall < 0.5:
        cause = "a cell is painted only when it is more likely coloured than not, and the code is not sure enough"
        weigh = "" if course.by_counts else f", or {course.weigh('loss=option_b')}"
        remedy = f"{course.longer()}, enlarge the code (model.latent_dim){weigh}"
        return [
            Finding(
                "omission",
                f"object precision {precision:.3f} is high, recall {recall:.3f} low: objects are left out",
                found.text if found else cause,
                (found.remedy if found else remedy) + tuned,
            )
        ]
    return []


def posterior_collapse(
    evidence: str, course: Course, *, beta: float, largest_beta: float, ramp_epochs: float, mean_reduction: bool
) -> Finding:
    """The finding that a code says nothing.

    A beta with which models collapsed before is to blame, and any other one only where the run was long enough.

    Args:
        evidence: What shows it.
        course: How the model was trained.
        beta: That of the last epoch, against a reconstruction in nats per grid.
        largest_beta: The same at the top of its schedule.
        ramp_epochs: Epochs after which that is reached.
        mean_reduction: Whether the loss is a mean over cells.
    """
    strong = beta >= (COLLAPSED_UNWEIGHTED if course.weight_ratio is None else COLLAPSED)
    epochs = max(1, math.ceil(ramp_epochs))
    slower = f"beta=warmup beta.hold={epochs} beta.ramp={2 * epochs}"
    if found := course.unusual_rate() or (None if strong else course.cause()):
        later = f", and let beta rise later ({slower})" if beta and course.few_steps() else ""
        return Finding("posterior collapse", evidence, found.text, found.remedy + later)
    if not beta:
        cause = "the code costs nothing, so the decoder has not learned to read it yet"
        return Finding("posterior collapse", evidence, cause, course.longer())
    when = f"reached after {ramp_epochs:g} epochs"
    if beta < largest_beta:
        when = f"on its way to {largest_beta:g}"
    # Of a sum, beta is that of the config; what a mean makes of it is 256 times as strong for grids of 16 x 16.
    weaker = "use loss.reduction=sum" if mean_reduction else f"lower beta (beta.maximum={largest_beta / 10:.2g})"
    return Finding(
        "posterior collapse",
        evidence,
        f"a beta of {beta:g} against nats per grid, {when}, costs more than the code has saved by then"
        + (" (a mean over cells makes beta as many times stronger)" if mean_reduction else ""),
        f"{weaker}, give each dimension nats at no cost (beta.free_nats=1), or let beta rise later ({slower})",
    )


def few_exact(exact_match: float, course: Course) -> list[Finding]:
    """Whether a run was so short that hardly a grid is exact, where nothing else stands out.

    Args:
        exact_match: Share of the grids that are right in every cell.
        course: How the model was trained.
    """
    short = course.few_steps()
    if short is None or exact_match >= FEW_EXACT:
        return []
    return [Finding("few exact grids", f"{100 * exact_match:.1f} % of the grids are exact", short.text, short.remedy)]


def worse_than_cells(likelihood: Mapping[str, Any], course: Course, prior: str = "aggregate") -> list[Finding]:
    """Whether a grid costs more bits under the model than cell by cell, without any code.

    Args:
        likelihood: See :func:`arcvae.grid.analysis.study.study`.
        course: How the model was trained.
        prior: The one that can be fitted to its codes.
    """
    ours, alone = likelihood["bits_per_cell"], likelihood["bits_per_cell_of_independent_cells"]
    if not ours - 2 * likelihood["bits_per_cell_standard_error"] > alone:
        return []
    evidence = f"{ours:.3f} bits per cell are more than the {alone:.3f} of independent cells"
    if found := course.cause(unfinished=False):
        return [Finding("no density", evidence, found.text, found.remedy)]
    return [
        Finding(
            "no density",
            evidence,
            "the codes of grids do not follow the prior of the model, or say more than they save",
            f"draw from a prior that was fitted to them (prior={prior} of arcvae.sample), or raise beta.maximum",
        )
    ]
