"""Settings of the grid task: grids, models, beta, pictures, priors, and what evaluation and sampling ask of codes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from arcvae.imbalance.settings import HEADS, alpha_problem
from arcvae.io.settings import Choice, Fixed, Flag, ListOf, Number, Settings, Text, is_count, is_number, value_at

GENERATOR_VERSION: Final = 2
"""Part of the name of a generated corpus, and of the config: a change of what a seed gives must change it."""
WHOLE_MODEL: Final = "vae_best"
"""Name of the export with encoder and decoder, beside those of each alone."""
PRIOR_HEADS: Final = 4
"""Heads of attention of an autoregressive prior, which share its width."""

PATCH: Final = 4
"""Side of the patches that latents of a spatial model belong to, in cells."""
MAX_CODES: Final = 2**24
"""Values of one number that float32 tells apart."""
GENERATED_SIZE: Final = 16
"""Side of the grids of a corpus that is made for a run."""

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


def halving_problem(grid_size: int, widths: Sequence[int]) -> str | None:
    """What is wrong with a grid that convolutions are to halve once for each width after the first, or None.

    Example:
        >>> halving_problem(30, (8, 8, 8))
        'a grid of size 30 cannot be halved 2 times, once per width in (8, 8, 8); take a multiple of 4, or fewer widths'
    """
    halvings = len(widths) - 1
    if halvings >= 0 and grid_size > 0 and grid_size % 2**halvings == 0:
        return None
    remedy = f"; take a multiple of {2**halvings}, or fewer widths" if halvings >= 0 else ""
    return f"a grid of size {grid_size} cannot be halved {halvings} times, once per width in {widths}{remedy}"


def coarse_problem(grid_size: int) -> str | None:
    """What is wrong with a grid of which a map is made that is four times coarser, or None."""
    return f"a grid of size {grid_size} cannot be divided by 4, as the coarse map needs" if grid_size % 4 else None


def patches_problem(latents: int, grid_size: int) -> str | None:
    """What is wrong with L latents that are to be distributed over the patches of a grid, or None.

    Example:
        >>> patches_problem(80, 16), patches_problem(64, 30)
        (None, 'a grid of size 30 cannot be divided into patches of 4 x 4 cells')
    """
    patches = (grid_size // PATCH) ** 2
    if grid_size % PATCH or not patches:
        return f"a grid of size {grid_size} cannot be divided into patches of {PATCH} x {PATCH} cells"
    if latents % patches == 0 and latents:
        return None
    return (
        f"{latents} latents (latent_dim times digits) cannot be distributed evenly over {patches} patches; "
        f"take a multiple of {patches}, or model=separable"
    )


def precision_problem(digits: int, levels: int) -> str | None:
    """What is wrong with numbers of K digits in base B, or None: float32 must tell all of them apart."""
    if levels < 2:
        return f"a digit needs 2 levels at least, got levels={levels}"
    if levels**digits <= MAX_CODES:
        return None
    return (
        f"digits={digits} with levels={levels} make {levels}^{digits} codes of each number, more than the 2^24 that "
        "float32 tells apart; lower one of them"
    )


def model_problems(model: Any) -> list[str]:
    """What is wrong with the sizes of a model of arcvae's that depend on one another, a line each.

    Each is asked of the models that have its keys, and by their constructors as well.

    Args:
        model: ``model`` of a config, with values of any type.
    """
    if not isinstance(model, Mapping) or not str(model.get("_target_")).startswith("arcvae.grid.models."):
        return []
    keys = ("grid_size", "latent_dim", "digits", "levels", "frame")
    size, dim, digits, levels, frame = (  # 0 for what is not there, or has a problem of its own
        max(0, value) if isinstance(value, int) and is_count(value) else 0 for value in map(model.get, keys)
    )
    found: list[str | None] = []
    if size and isinstance(widths := model.get("widths"), list) and widths:
        found.append(halving_problem(size, widths))
    if size and "maps" in model:
        found.append(coarse_problem(size))
    if size and dim and digits and "patch_width" in model:
        found.append(patches_problem(dim * digits, size))
    lines = [f"model.grid_size={size}: {problem}" for problem in found if problem]
    # Beyond these their rules speak; a single digit is not packed.
    if 1 < digits <= 24 and levels > 1 and (problem := precision_problem(digits, levels)):
        lines.append(f"model.{problem}")
    if frame and frame % 2:
        lines.append(f"model.frame={frame} must be even: half of it lies on each side of a centre")
    return lines


def check_model(config: Mapping[str, Any]) -> list[str]:
    """The sizes of a model go together, and are those of the corpus where that is yet to be made."""
    found = model_problems(config.get("model"))
    data, size = config.get("data"), value_at(config, "model.grid_size")
    made = isinstance(data, Mapping) and str(data.get("_target_")).startswith("arcvae.grid.") and not data.get("path")
    if made and is_count(size) and size != GENERATED_SIZE:
        found.append(f"model.grid_size={size} but a corpus without data.path has {GENERATED_SIZE}; set it to that")
    return found


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


def check_sampler(config: Mapping[str, Any]) -> list[str]:
    """Grids that are made for a step cannot be drawn from the train split as well."""
    sampler, power = value_at(config, "data.sampler"), value_at(config, "data.shape_power")
    if sampler in (None, "instance"):
        return []
    fresh = value_at(config, "data.fresh") is True
    if not fresh and power is None:
        return []
    made = "data.fresh=true" if fresh else f"data.shape_power={power}"
    return [
        f"data.sampler={sampler} draws grids of the train split, but {made} makes new ones; set data.sampler=instance"
    ]


def check_demonstrations(config: Mapping[str, Any]) -> list[str]:
    """The fewest demonstrations of a task are not more than the most."""
    fewest, most = config.get("min_demonstrations"), config.get("max_demonstrations")
    if isinstance(fewest, int) and isinstance(most, int) and fewest > most:
        return [f"min_demonstrations={fewest} must be at most max_demonstrations={most}"]
    return []


SETTINGS: Final = Settings(
    rules={
        "num_tasks": Number(1, 1e6, integer=True),
        "max_depth": Number(1, 9, integer=True),
        "min_demonstrations": Number(1, 10, integer=True),
        "max_demonstrations": Number(1, 10, integer=True),
        "solver": Number(0, 1000, integer=True),
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
        "study.measure.what": Choice(("operations", "transforms")),
        "study.measure.path": Text(optional=True),
        "study.measure.limit": Number(1, 1e6, integer=True),
        "study.measure.chains": Number(0, 1000, integer=True),
        "study.measure.chain_grids": Number(1, 1e6, integer=True),
        "study.measure.pairs": Number(1, 1e6, integer=True),
        "study.measure.seconds": Number(0, 1e6, above=True),
        "study.measure.refine": Number(0, 10_000, integer=True),
        "study.measure.seed": Number(0, 2**32 - 1, integer=True),
        "prior.components": Number(1, 10_000, integer=True),
        "prior.path": Text(optional=True),
        "prior.temperature": Number(1e-3, 100),
        "prior.max_epochs": Number(1, 1e6, integer=True),
        "prior.batch_size": Number(1, 65536, integer=True),
        "prior.lr": Number(0, 1, above=True),
        "prior.augment": Flag(),
        "prior.width": Number(4, 4096, integer=True),
        "prior.layers": Number(1, 64, integer=True),
        "operators.steps": Number(1, 1e7, integer=True),
        "operators.batch_size": Number(1, 65536, integer=True),
        "operators.lr": Number(0, 1, above=True),
        "operators.examples": Number(10, 1e7, integer=True),
        "operators.mutated": Number(0, 1),
        "operators.width": Number(1, 4096, integer=True),
        "operators.blocks": Number(0, 64, integer=True),
        "data.kind": _KIND,
        "data.num_grids": _GRIDS,
        "data.generator_version": Number(1, GENERATOR_VERSION, integer=True),
        "data.fresh": Flag(),
        "data.symmetries": Flag(),
        "data.permute_colors": Flag(),
        "data.shape_power": Number(0, 1, optional=True),
        "data.shape_mutation": Number(0, 1),
        "data.shape_changes": Number(0, 1),
        "data.overfit_grids": Number(0, 65536, integer=True),
        "data.overfit_repeats": Number(1, 1e6, integer=True),
        "model.latent_dim": Number(1, 4096, integer=True),
        "model.num_colors": Fixed(10, "a grid has ten colours"),
        "model.grid_size": Number(1, 1024, integer=True),
        "model.widths": ListOf(_WIDTH, shortest=1, longest=32),
        "model.hidden": _WIDTH,
        "model.head": Choice(HEADS),
        "model.scale": Number(0, 1000, above=True),
        "model.maps": _WIDTH,
        "model.coarse": _WIDTH,
        "model.decoder_width": _WIDTH,
        "model.depth": Number(0, 64, integer=True),
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
        "model.mean_share": Number(0, 1),
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
    checks=(check_phases, check_prior, check_alpha, check_sampler, check_model, check_demonstrations),
    builds=(
        "arcvae.grid.models.",
        "arcvae.grid.corpus.data.GridDataModule",
        "arcvae.grid.corpus.files.make_corpus",
        "arcvae.grid.task.GridTask",
        "arcvae.grid.elbo.",
        "arcvae.grid.callbacks.",
        "arcvae.grid.codes.sources.",
        "arcvae.grid.operations.operator_training.OperatorSettings",
        "arcvae.grid.tasks.writer.",
    ),
    lower_is_better=("reconstruction", "kl"),
    schedules=("beta",),
    cosmetic=("snapshots", "code_pictures"),
    versions=("data.generator_version",),
    former={
        "callbacks.beta_annealing": "is gone: beta follows the epochs of any run; leave this override out",
        "prior.name": "is gone: prior=NAME chooses a prior",
    },
)
"""What belongs to grids and their codes."""
