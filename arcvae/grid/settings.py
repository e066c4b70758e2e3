"""Settings of the grid task: grids, models, beta, pictures, priors, and what evaluation and sampling ask of codes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from arcvae.grid.corpus.files import GENERATOR_VERSION
from arcvae.imbalance.settings import alpha_problem
from arcvae.io.settings import Choice, Fixed, Flag, ListOf, Number, Settings, Text, is_count, is_number, value_at

PRIOR_HEADS: Final = 4
"""Heads of attention of an autoregressive prior, which share its width."""

_KIND = Choice(("atomic", "simplified"))
_GRIDS = Number(10, 1e8, integer=True)
_SIZE = Number(8, 32, integer=True)
_FEWEST, _MOST = Number(0, 128, integer=True), Number(1, 128, integer=True, optional=True)
_WIDTH = Number(1, 65536, integer=True)
_EPOCHS = Number(0, 1e6)
_EPOCH = Number(0, 1e6, above=True)
_BETA = Number(0, 100)


def phases_problem(first: float, second: float) -> str | None:
    """What is wrong with the epochs at which the first two phases of a three-phase beta end, or None.

    Example:
        >>> phases_problem(30, 10)
        'beta.first=30 must lie above 0 and below beta.second=10'
    """
    return None if 0 < first < second else f"beta.first={first:g} must lie above 0 and below beta.second={second:g}"


def prior_width_problem(width: int) -> str | None:
    """What is wrong with the width of an autoregressive prior, or None.

    Example:
        >>> prior_width_problem(10)
        'prior.width=10 must be divisible by 4, the heads of attention'
    """
    if width % PRIOR_HEADS == 0:
        return None
    return f"prior.width={width} must be divisible by {PRIOR_HEADS}, the heads of attention"


def check_phases(config: Mapping[str, Any]) -> list[str]:
    """The phases of beta follow one another."""
    first, second = value_at(config, "beta.first"), value_at(config, "beta.second")
    # An end that is not above 0 is reported by its rule.
    problem = phases_problem(first, second) if is_number(first) and is_number(second) and first > 0 else None
    return [problem] if problem else []


def check_prior(config: Mapping[str, Any]) -> list[str]:
    """The heads of attention share the width of a prior."""
    width = value_at(config, "prior.width")
    problem = prior_width_problem(width) if is_count(width) else None
    return [problem] if problem else []


def check_alpha(config: Mapping[str, Any]) -> list[str]:
    """A factor for each colour."""
    colors = value_at(config, "model.num_colors")
    problem = alpha_problem(value_at(config, "loss.alpha"), colors) if is_count(colors) else None
    return [problem] if problem else []


SETTINGS: Final = Settings(
    rules={
        "num_grids": _GRIDS,
        "writer.kind": _KIND,
        "writer.num_grids": _GRIDS,
        "grid_size": _SIZE,
        "writer.grid_size": _SIZE,
        "min_objects": _FEWEST,
        "writer.min_objects": _FEWEST,
        "max_objects": _MOST,
        "writer.max_objects": _MOST,
        "importance_samples": Number(1, 1000, integer=True, optional=True),
        "refine": Number(0, 10_000, integer=True, optional=True),
        "prior.components": Number(1, 10_000, integer=True),
        "prior.path": Text(optional=True),
        "prior.temperature": Number(1e-3, 100),
        "prior.max_epochs": Number(1, 1e6, integer=True),
        "prior.batch_size": Number(1, 65536, integer=True),
        "prior.lr": Number(0, 1, above=True),
        "prior.augment": Flag(),
        "prior.width": Number(4, 4096, integer=True),
        "prior.layers": Number(1, 64, integer=True),
        "data.kind": _KIND,
        "data.num_grids": _GRIDS,
        "data.generator_version": Number(1, GENERATOR_VERSION, integer=True),
        "data.fresh": Flag(),
        "data.symmetries": Flag(),
        "data.permute_colors": Flag(),
        "data.shape_power": Number(0, 1, optional=True),
        "data.shape_mutation": Number(0, 1),
        "data.overfit_grids": Number(0, 65536, integer=True),
        "data.overfit_repeats": Number(1, 1e6, integer=True),
        "model.latent_dim": Number(1, 4096, integer=True),
        "model.num_colors": Fixed(10, "a grid has ten colours"),
        "model.grid_size": Number(1, 1024, integer=True),
        "model.widths": ListOf(_WIDTH, shortest=1),
        "model.hidden": _WIDTH,
        "model.maps": _WIDTH,
        "model.coarse": _WIDTH,
        "model.decoder_width": _WIDTH,
        "model.width": _WIDTH,
        "model.patch_width": _WIDTH,
        "model.blocks": Number(0, 64, integer=True),
        "model.digits": Number(1, 24, integer=True),
        "model.levels": Number(2, 2**24, integer=True),
        "model.slots": Number(1, 64, integer=True),
        "model.shape_numbers": Number(8, 64, integer=True),
        "model.frame": Number(2, 32, integer=True),
        "model.max_cells": Number(1, 256, integer=True),
        "model.encoder_blocks": Number(0, 64, integer=True),
        "model.decoder_blocks": Number(0, 64, integer=True),
        "beta.free_nats": _BETA,
        "beta.maximum": _BETA,
        "beta.middle": _BETA,
        "beta.hold": _EPOCHS,
        "beta.ramp": _EPOCHS,
        "beta.first": _EPOCH,
        "beta.second": _EPOCH,
        "beta.period": _EPOCH,
        "beta.ramp_share": Number(0, 1, above=True),
        "callbacks.*.num_grids": Number(1, 1000, integer=True),
        "callbacks.*.num_samples": Number(1, 1000, integer=True),
        "callbacks.*.num_codes": Number(1, 1e6, integer=True),
    },
    checks=(check_phases, check_prior, check_alpha),
    builds=(
        "arcvae.grid.models.",
        "arcvae.grid.corpus.data.GridDataModule",
        "arcvae.grid.corpus.files.make_corpus",
        "arcvae.grid.task.GridTask",
        "arcvae.grid.elbo.",
        "arcvae.grid.callbacks.",
        "arcvae.grid.codes.sources.",
    ),
    lower_is_better=("reconstruction", "kl"),
    former={
        "callbacks.beta_annealing": "is gone: beta follows the epochs of any run; leave this override out",
        "prior.name": "is gone: prior=NAME chooses a prior",
    },
)
"""What belongs to grids and their codes."""
