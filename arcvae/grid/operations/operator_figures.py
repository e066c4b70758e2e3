"""Making the operators of a model, and how exact operations are with them and by drawings."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from tqdm.contrib.logging import logging_redirect_tqdm

from arcvae.errors import CheckpointError
from arcvae.grid.codec import Codec
from arcvae.grid.codes.operator_files import save_operators
from arcvae.grid.corpus.data import GridDataModule
from arcvae.grid.models.base import GridModel
from arcvae.grid.models.objects import ObjectsVAE
from arcvae.grid.operations.by_codes import VIA
from arcvae.grid.operations.drawings import draw, hidden, objects_of
from arcvae.grid.operations.operator_training import OperatorSettings, train_operators
from arcvae.grid.operations.pixels import apply
from arcvae.grid.operations.program import Program, Step
from arcvae.training.hardware import flush_denormals, keep_freed_memory
from arcvae.training.report import table

log = logging.getLogger("arcvae")

CASES: Final = (
    "scale(2, objects=smallest)", "scale(3, objects=smallest)", "scale(0.5)", "symmetrize(axis='x')", "symmetrize()",
    "union()", "union(align=True)", "intersection(align=True)", "difference(align=True)",
)  # fmt: skip
"""What is measured: every operation that has an operator."""


def make_operators(
    model: GridModel, data: GridDataModule, settings: Mapping[str, Any], training: OperatorSettings, folder: Path
) -> dict[str, Any]:
    """Train the operators of a model, measure them on val and test, and write ``operators.safetensors``.

    Args:
        model: Trained.
        data: Corpus whose shapes they learn from.
        settings: ``seed`` and ``limit`` of ``conf/operate.yaml``.
        training: How they are trained.
        folder: Existing folder.

    Returns:
        ``training`` (seconds, parameters, and what :func:`~arcvae.grid.operations.operator_training.train_operators`
        tells) and, for each split, ``operations``: what :func:`operator_figures` returns.

    Raises:
        CheckpointError: A model whose codes are not made of objects.
        DataError: A corpus without objects.
        NonFiniteError: Training diverged.
    """
    if not isinstance(model, ObjectsVAE):
        raise CheckpointError("operators are for models whose codes are objects; train one with model=objects")
    flush_denormals()
    keep_freed_memory()
    started = time.perf_counter()
    train, val = data.splits["train"], data.splits["val"]
    with logging_redirect_tqdm():
        operators, exact = train_operators(model, train, val, training, settings["seed"])
    save_operators(folder / "operators.safetensors", operators, model)
    parameters = sum(parameter.numel() for parameter in operators.parameters())
    seconds = time.perf_counter() - started
    log.info("Trained %s parameters in %.0f s", f"{parameters:,}", seconds)
    codec, found = Codec(model, operators=operators), {}
    for split in ("val", "test"):
        if data.size(split):
            found[split] = operator_figures(codec, data.splits[split][: settings["limit"]].numpy())
            log.info("\nExact grids, %s\n%s", split, _table(found[split]))
    return {
        "training": {"seconds": seconds, "parameters": parameters, "exact_on_val": exact},
        "operations": found,
    }


def _table(figures: Mapping[str, Mapping[str, float]]) -> str:
    """A line for each operation, a column for each way."""
    columns = {
        heading: {case: row.get(name, math.nan) for case, row in figures.items()}
        for heading, name in (("via codes", "codes"), ("via pixels", "pixels"), ("nothing", "nothing"))
    }
    return table(columns, list(figures))


def operator_figures(codec: Codec, grids: NDArray[np.uint8]) -> dict[str, dict[str, float]]:
    """Share of grids that operations change exactly, by operation.

    Args:
        codec: With operators.
        grids: ``(N, H, W)``; those without an object, and those in which the operation takes a cell out of sight (out
            of the grid, or under another object), are left out.

    Returns:
        For each of :data:`CASES`: ``grids``, how many there were; the shares ``pixels`` and ``codes`` of those that
        are decoded exactly after the operation by either way, and ``nothing``, that of those that stay as they are;
        ``pixels_seconds`` and ``codes_seconds``, how long the operation took.
    """
    size = (grids.shape[1], grids.shape[2])
    scenes = [objects_of(grid) for grid in grids]
    codes, found = codec.codes(grids), {}
    for case in CASES:
        (step,) = Program.parse(case).steps
        after = [apply(Program([step]), scene, size) for scene in scenes]
        shown = [index for index, scene in enumerate(after) if scenes[index] and not hidden(scene, size)]
        figures: dict[str, float] = {"grids": len(shown)}
        if shown:
            wanted = np.stack([draw(after[index], size) for index in shown])
            for via in VIA:
                program, started = Program([Step(step.name, **dict(step.arguments), via=via)]), time.perf_counter()
                changed = program(codes[shown], max_objects=_ROOM * codes.slots)
                figures[f"{via}_seconds"] = time.perf_counter() - started
                figures[via] = _equal(codec.decode(changed), wanted)
            figures["nothing"] = _equal(grids[shown], wanted)
        found[case] = figures
    return found


def _equal(found: NDArray[np.uint8], wanted: NDArray[np.uint8]) -> float:
    """Share of grids ``(N, H, W)`` that are equal."""
    same: NDArray[np.bool_] = found == wanted
    return float(same.all((1, 2)).mean())


_ROOM: Final = 4
"""Slots for each object: drawings that are too large for one are cut into three parts at most."""
