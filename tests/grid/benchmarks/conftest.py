"""A small corpus of scenes, what the benchmark asks on it, and a codec that knows every shape that comes of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from arcvae.grid.benchmarks.operations import measure_operations
from arcvae.grid.benchmarks.workload import Workload, workload
from arcvae.grid.codec import Codec
from tests.conftest import shared
from tests.grid.operations.scenes import knowing, scenes


def make(folder: Path) -> None:
    """Grids of up to four objects, none of which touch: 30 to learn from, 10 to choose by, 40 to be tested on."""
    parts = zip(("train", "val", "test"), (30, 10, 40), strict=True)
    np.savez(folder / "scenes.npz", **{name: scenes(count, seed) for seed, (name, count) in enumerate(parts)})  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file."""
    return shared(tmp_path_factory, "scenes", make) / "scenes.npz"


@pytest.fixture(scope="session")
def work(corpus: Path) -> Workload:
    """Four cases of each program, and three chains of each depth."""
    return workload(str(corpus), 4, 3, 6, 10, 0)


@pytest.fixture(scope="session")
def perfect(work: Workload) -> Codec:
    """A codec that knows the shapes of all grids and of all that the programs make of them."""
    several = [cases for kinds in work.chains.values() for cases in kinds]
    return knowing(work.pool, *dict.fromkeys(cases.program for cases in (*work.single, *several)))


@pytest.fixture(scope="session")
def measured(perfect: Codec, work: Workload) -> dict[str, object]:
    """The figures of that codec."""
    return measure_operations(perfect, work, seconds=0.5, refine=0, seed=0)
