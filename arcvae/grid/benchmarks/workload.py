"""What every model is asked to do in the benchmark: the same cases of the test split, the same pairs to learn from."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from arcvae.errors import DataError
from arcvae.grid.benchmarks.cases import Cases, collect
from arcvae.grid.benchmarks.programs import DEPTHS, REPEATED, SINGLE, chains
from arcvae.grid.corpus.files import read_corpus
from arcvae.grid.operations.drawings import Drawing, Size, draw, objects_of
from arcvae.grid.operations.pixels import apply
from arcvae.grid.operations.program import Program

log = logging.getLogger(__name__)

Grids = NDArray[np.uint8]

SEARCHED: Final = 10
"""Grids that are looked through for each case that is wanted, at most."""
HELD_OUT: Final = 5
"""One validation pair for so many pairs to learn from."""


@dataclass(frozen=True)
class Lessons:
    """Pairs of grids to learn operators from.

    Attributes:
        source: ``(P + V, H, W)``, P of the train split, then V of the validation split.
        targets: By the text of a step, what it makes of each, ``(P + V, H, W)``.
        train: P.
    """

    source: Grids
    targets: Mapping[str, Grids]
    train: int


@dataclass(frozen=True)
class Workload:
    """Cases and lessons.

    Attributes:
        pool: Grids of the test split that cases are from, ``(N, H, W)``.
        scenes: Their objects.
        single: Cases of each operation with each argument, and of one repeated.
        chains: Cases of several chains each, by ``"all"`` (any operations) or ``"exact"`` (those that need no drawing)
            and depth.
        lessons: Pairs of the steps of all of them.
    """

    pool: Grids
    scenes: tuple[list[Drawing], ...]
    single: tuple[Cases, ...]
    chains: Mapping[tuple[str, int], tuple[Cases, ...]]
    lessons: Lessons

    @property
    def size(self) -> Size:
        """Height and width of the grids."""
        return self.pool.shape[1], self.pool.shape[2]


@lru_cache(maxsize=1)
def workload(path: str, limit: int, chain_count: int, chain_grids: int, pairs: int, seed: int) -> Workload:
    """The cases and lessons of a corpus; those of the last call are kept.

    Args:
        path: Corpus.
        limit: Cases of each program, with hidden cells and again without.
        chain_count: Chains of each depth; 0: none.
        chain_grids: Cases of them together.
        pairs: Grids of the train split to learn from.
        seed: Of the chains.

    Raises:
        DataError: A corpus without a test split, or one of empty grids.
    """
    corpus = read_corpus(path)
    pool = corpus.test[: SEARCHED * limit]
    log.info("Objects of %s test grids, and what the oracle makes of them in pixels", f"{len(pool):,}")
    scenes = tuple(objects_of(grid) for grid in pool)
    if not any(len(scene) > 1 for scene in scenes):
        raise DataError(f"{path}: test holds no grid of two objects to operate on")
    size = (pool.shape[1], pool.shape[2])
    single = tuple(collect(program, scenes, size, limit) for program in (*SINGLE, REPEATED))
    several: dict[tuple[str, int], tuple[Cases, ...]] = {}
    each = -(-chain_grids // max(chain_count, 1))
    for kind in ("all", "exact") if chain_count else ():
        log.info("Chains of %s operations", kind)
        for depth in DEPTHS:
            found = chains(depth, chain_count, scenes, size, seed, exact=kind == "exact")
            # Each chain looks at grids of its own, as far as there are some.
            starts = np.linspace(0, max(0, len(scenes) - SEARCHED * each), chain_count).astype(int).tolist()
            several[kind, depth] = tuple(
                collect(chain, scenes, size, each, start) for chain, start in zip(found, starts, strict=True)
            )
    source = np.concatenate([corpus.train[:pairs], corpus.val[: max(1, pairs // HELD_OUT)]])
    return Workload(pool, scenes, single, several, lessons_of(source, min(pairs, len(corpus.train)), SINGLE))


def lessons_of(source: Grids, train: int, programs: tuple[Program, ...]) -> Lessons:
    """What the steps of programs make of grids ``(P + V, H, W)``, P of them to learn from, by the oracle."""
    log.info("Pairs of %s grids for operators that are learned", f"{len(source):,}")
    scenes = [objects_of(grid) for grid in source]
    size = (source.shape[1], source.shape[2])
    steps = {str(step): step for program in programs for step in program.steps}
    targets = {
        text: np.stack([draw(apply(Program([step]), scene, size), size) for scene in scenes])
        for text, step in steps.items()
    }
    return Lessons(source, targets, train)
