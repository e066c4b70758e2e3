"""Drawing grids from a model, and scoring what was drawn."""

from __future__ import annotations

import io
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from arcvae.grid.analysis.pictures import mosaic
from arcvae.grid.analysis.validity import Reference
from arcvae.grid.codec import Codec
from arcvae.grid.codes.sources import CodeSource, MixturePrior, NormalPrior
from arcvae.grid.corpus.data import GridDataModule
from arcvae.grid.models.base import GridModel
from arcvae.io.files import write_atomic
from arcvae.training.plots import draw_picture
from arcvae.training.report import table

log = logging.getLogger("arcvae")

_COLUMNS: Final = (
    "valid", "objects_js", "sizes_js", "colors_js", "colored_cells", "novel", "distinct", "pair_distance",
)  # fmt: skip
_PICTURED: Final = 64
"""Grids in the picture."""
_FEW: Final = 0.5
"""Share of valid grids below which another prior is named."""


def draw_grids(
    model: GridModel,
    data: GridDataModule,
    settings: Mapping[str, Any],
    source: CodeSource,
    folder: Path,
    adjustment: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Decode codes from a source, and write ``samples.npz`` and ``samples.png``.

    Args:
        model: Trained.
        data: Corpus that the grids are compared with.
        settings: ``num_samples``, ``seed`` and ``max_objects`` (see :class:`Reference`) of ``conf/sample.yaml``.
        source: Where the codes are from.
        folder: Existing folder.
        adjustment: Logit adjustment to decode with, or None for the plain argmax.

    Returns:
        ``fit`` (how a prior was trained, if one was), ``scores`` of the samples, of real grids and of empty ones, and
        ``real_grids``, how many of these there were.
    """
    count, seed = settings["num_samples"], settings["seed"]
    device = next(model.parameters()).device
    codes, fit = source.draw(model, data, count, seed, folder, device)
    grids = Codec(model, logit_adjustment=adjustment).decode(codes, "argmax" if adjustment is None else "adjusted")
    real = data.splits["test" if data.size("test") else "val"].numpy()
    real = real[np.random.default_rng(seed).permutation(len(real))[:count]]
    reference = Reference.of(data.splits["train"].numpy(), settings["max_objects"])
    sets = {"samples": grids, "real": real, "all-background": np.zeros_like(grids)}
    scores = {name: reference.score(found, seed) for name, found in sets.items()}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, samples=grids, z=codes)
    write_atomic(folder / "samples.npz", buffer.getvalue())
    valid = f"{100 * scores['samples']['valid']:.0f} % of {count} valid"
    title = f"{min(count, _PICTURED)} samples from {source.description}; {valid}"
    draw_picture(folder, "samples", lambda: mosaic(grids[:_PICTURED], 8, title))
    log.info("\n%s", table(scores, _COLUMNS))
    log.info("real: %d grids of another split, scored the same way: a floor for the distances (*_js)", len(real))
    if isinstance(source, NormalPrior | MixturePrior) and scores["samples"]["valid"] < _FEW:
        better = "autoregressive" if model.slots is None else "objects"
        log.info(
            "Few are valid: codes do not follow %s; a prior that learns them is prior=%s", source.description, better
        )
    return {"fit": fit, "scores": scores, "real_grids": len(real)}
