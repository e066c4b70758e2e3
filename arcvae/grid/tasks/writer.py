"""Making a set of tasks with a model, and one task for whoever wants to see one."""

from __future__ import annotations

import logging
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
from tqdm import tqdm

from arcvae.errors import CheckpointError, ConfigError, DataError
from arcvae.grid.codec import Codec
from arcvae.grid.codes.object_prior import ObjectPrior
from arcvae.grid.corpus.files import read_corpus
from arcvae.grid.models.objects import ObjectsVAE
from arcvae.grid.tasks.collection import make_collection
from arcvae.grid.tasks.folder import INDEX, replay_folder, write_tasks
from arcvae.grid.tasks.inputs import Pool
from arcvae.grid.tasks.make import Maker, Place
from arcvae.grid.tasks.pictures import sheet, spread
from arcvae.grid.tasks.solver import solve_rates
from arcvae.grid.tasks.statistics import describe, table
from arcvae.grid.tasks.task import Task
from arcvae.io.files import sha256, write_json
from arcvae.training.plots import draw_picture

log = logging.getLogger("arcvae")

_DRAWN: Final = 1500
"""Grids whose objects inputs are made of."""
_SHOWN: Final = 24
"""Tasks in the picture."""


def make_task(codec: Codec, depth: int = 2, objects: int = 3, seed: int = 0, corpus: str | None = None) -> Task:
    """One task; the same one that ``python -m arcvae.tasks`` makes first of this depth and number of objects.

    Args:
        codec: Of a model of objects, as ``arcvae.load("atomic-objects")`` gives it.
        depth: Steps of its program, n >= 1.
        objects: Objects of each input, k, from 1 to the slots of the model.
        seed: Another seed makes another task.
        corpus: File that inputs are made of; None: the prior of the model.

    Raises:
        CheckpointError: A model without objects, or without a prior.
        ConfigError: More objects than slots.
        DataError: A corpus that cannot be read, or without objects that fit.
    """
    maker = _maker(codec, corpus, objects, (codec.grid_size, codec.grid_size), seed, (2, 5))
    return maker.make([Place(depth, objects, 0)], Counter())[0]


def write_set(
    codec: Codec,
    folder: Path,
    *,
    corpus: str | None,
    num_tasks: int,
    max_depth: int,
    max_objects: int,
    min_demonstrations: int,
    max_demonstrations: int,
    grid_size: int,
    seed: int,
    workers: int,
    solver: int,
) -> dict[str, Any]:
    """Make a set of tasks and write it, with its statistics and a picture.

    Args:
        codec: Of a model of objects.
        folder: An existing folder without tasks.
        corpus: File that inputs are made of; None: the prior of the model.
        num_tasks: How many.
        max_depth: Steps of the longest programs.
        max_objects: Most objects of an input.
        min_demonstrations: Fewest pairs to show, beside that of the test.
        max_demonstrations: Most.
        grid_size: Side of the grids.
        seed: The same seed makes the same tasks.
        workers: Processes.
        solver: Tasks of each depth and number of objects that the reference solver tries.

    Returns:
        Figures for the record: ``tasks_sha256`` of the index, and ``seconds``.

    Raises:
        CheckpointError: A model without objects, or without a prior.
        ConfigError: More objects than slots.
        DataError: A corpus that cannot be read, or without objects that fit.
        FileSystemError: A file cannot be written.
    """
    started = time.perf_counter()
    numbers = (min_demonstrations, max_demonstrations)
    maker = _maker(codec, corpus, max_objects, (grid_size, grid_size), seed, numbers)
    with _bar("Tasks", num_tasks) as report:
        made = make_collection(maker, num_tasks, max_depth, max_objects, workers, report)
    found = describe(made.tasks, made.reasons)
    seconds = {"making": time.perf_counter() - started}
    if solver:
        tried = sum(min(solver, count) for count in found["cells"].values())
        with _bar("Solver", tried) as report:
            found["solved"] = solve_rates(codec, made.tasks, solver, report)
        seconds["solving"] = time.perf_counter() - started - seconds["making"]
    write_tasks(folder, made.tasks)
    write_json(folder / "statistics.json", found)
    title = f"{_SHOWN} of {num_tasks:,} tasks: two demonstrations and the test, inputs above outputs"
    draw_picture(folder, "tasks", lambda: sheet(spread(made.tasks, _SHOWN), title))
    log.info("%s", table(found))
    return {"tasks_sha256": sha256((folder / INDEX).read_bytes()), "seconds": seconds}


def replay_set(folder: str) -> int:
    """Make every output of a folder of tasks again, in pixels; returns how many tasks there are.

    Raises:
        DataError: One of them does not replay; see :func:`arcvae.grid.tasks.folder.replay_folder`.
    """
    with _bar("Replay", None) as report:
        return replay_folder(folder, report)


@contextmanager
def _bar(name: str, total: int | None) -> Iterator[Callable[[int], object]]:
    with tqdm(
        total=total,
        desc=name,
        unit="task",
        file=sys.stderr,
        dynamic_ncols=True,
        leave=False,
        mininterval=1,
        disable=None,
    ) as bar:
        yield bar.update


def _maker(
    codec: Codec, corpus: str | None, objects: int, size: tuple[int, int], seed: int, demonstrations: tuple[int, int]
) -> Maker:
    """What makes tasks with a model, whose limits are those of the objects."""
    model = codec.model
    if not isinstance(model, ObjectsVAE):
        raise CheckpointError(f"{codec.path} has codes without objects; tasks need a model of objects (atomic-objects)")
    codec.require("encoder", "make tasks")
    codec.require("decoder", "make tasks")
    if not 1 <= objects <= model.slots:
        raise ConfigError(f"max_objects={objects} must be 1 to {model.slots}, the slots of {codec.path}")
    if corpus is None:
        if not isinstance(codec.code_prior, ObjectPrior):
            raise CheckpointError(
                f"{codec.path} comes without a prior; make one with arcvae.sample prior=objects and set prior_path, "
                f"or set corpus to a file of grids"
            )
        grids = codec.sample(_DRAWN, seed)
    else:
        train = read_corpus(corpus).train
        grids = train[np.random.default_rng(seed).permutation(len(train))[:_DRAWN]]
    try:
        pool = Pool.of(grids, size, model.frame.size, model.encoder.max_cells)
    except ValueError as error:
        raise DataError(f"{corpus or codec.path}: {error}") from error
    return Maker(codec, pool, seed, demonstrations)
