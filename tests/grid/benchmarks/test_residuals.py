"""Laws of operations: kept by operations on codes of objects, and missed by a planted fault."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcvae.grid.benchmarks.residuals import LAWS, residuals
from arcvae.grid.codec import Codec
from arcvae.grid.operations.program import Program
from tests.grid.operations.scenes import knowing, scenes

GRIDS = scenes(8, seed=2)
Numbers = NDArray[np.float32]


def laws(codec: Codec, fault: float) -> list[dict[str, Any]]:
    codes = codec.codes(GRIDS)

    def run(program: Program) -> Numbers:
        moved = program(codes)
        down = sum(dict(step.arguments).get("dy", 0) == 1 for step in program.steps)
        return moved.replace(row=moved.row + fault * down).flat

    def decode(numbers: Numbers) -> NDArray[np.uint8]:
        return codec.decode(replace(codes, numbers=numbers.reshape(codes.numbers.shape)))

    return residuals(run, decode)


def test_operations_on_codes_of_objects_keep_all_laws() -> None:
    found = laws(knowing(GRIDS), fault=0)
    assert [law["law"] for law in found] == list(LAWS)
    assert all((law["largest"], law["relative"], law["same"]) == (0, 0, 1) for law in found)


def test_a_planted_fault_is_seen_where_it_is() -> None:
    # Down goes two rows instead of one: down and up are no longer inverse, down and right still commute.
    found = {law["law"].partition(":")[0]: law for law in laws(knowing(GRIDS), fault=1)}
    assert found["inverse"]["largest"] == 1
    assert found["inverse"]["relative"] > 0
    assert found["inverse"]["same"] == 1 / 8  # the first grid is empty
    assert found["commutation"]["largest"] == 0
    assert found["closure"]["largest"] == 0


def test_laws_of_steps_without_operators_are_left_out() -> None:
    numbers = np.arange(12, dtype=np.float32).reshape(3, 4)
    known = frozenset({"translate(dy=1)", "translate(dy=-1)"})
    found = residuals(lambda program: numbers + len(program), lambda codes: codes[..., None].astype(np.uint8), known)
    assert [law["law"] for law in found] == ["inverse: down, then up"]
    assert found[0]["largest"] == 2
    spread = np.sqrt(np.square(numbers - numbers.mean(0)).mean())
    assert np.isclose(found[0]["relative"], 2 / spread)
    assert found[0]["same"] == 0
