"""What every model is asked: the same for the same seed, from the right splits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from arcvae.errors import DataError
from arcvae.grid.benchmarks.programs import DEPTHS, SINGLE
from arcvae.grid.benchmarks.workload import Workload, lessons_of, workload
from arcvae.grid.corpus.files import read_corpus
from tests.grid.operations.scenes import scenes


def test_cases_are_of_the_test_split_and_lessons_of_the_others(work: Workload, corpus: Path) -> None:
    splits = read_corpus(corpus)
    assert np.array_equal(work.pool, splits.test)
    assert np.array_equal(work.lessons.source, np.concatenate([splits.train[:10], splits.val[:2]]))
    assert work.lessons.train == 10
    assert set(work.lessons.targets) == {str(program.steps[0]) for program in SINGLE}
    moved = work.lessons.targets["translate(dy=1)"]
    assert np.array_equal(moved[:, 1:], work.lessons.source[:, :-1])


def test_every_program_has_its_cases_and_chains_their_depth(work: Workload) -> None:
    assert {cases.program for cases in work.single} > set(SINGLE)
    assert all(cases.every.sum() == 4 for cases in work.single)
    assert {(kind, depth) for kind in ("all", "exact") for depth in DEPTHS} == set(work.chains)
    for (_, depth), several in work.chains.items():
        assert [len(cases.program) for cases in several] == [depth] * 3
        assert all(cases.every.sum() == 2 for cases in several)


def test_one_call_after_another_computes_once(work: Workload, corpus: Path) -> None:
    assert workload(str(corpus), 4, 3, 6, 10, 0) is work


def test_no_chains_and_no_objects(corpus: Path, tmp_path: Path) -> None:
    assert workload(str(corpus), 1, 0, 1, 2, 0).chains == {}
    np.savez(tmp_path / "black.npz", **{name: np.zeros((3, 16, 16), np.uint8) for name in ("train", "val", "test")})  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"black\.npz: test holds no grid of two objects"):
        workload(str(tmp_path / "black.npz"), 1, 0, 1, 2, 0)


def test_lessons_hold_each_step_once() -> None:
    found = lessons_of(scenes(4, seed=1), 3, (SINGLE[0], SINGLE[0], SINGLE[1]))
    assert list(found.targets) == [str(SINGLE[0]), str(SINGLE[1])]
    assert found.train == 3
