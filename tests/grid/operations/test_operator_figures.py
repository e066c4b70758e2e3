"""Figures of operators: shares of exact grids by either way, beside doing nothing."""

from __future__ import annotations

import pytest

from arcvae.grid.operations.operator_figures import CASES, operator_figures
from arcvae.grid.operations.program import Program
from tests.grid.operations.exact import ExactOperators
from tests.grid.operations.scenes import decoded, expected, knowing, scenes


@pytest.mark.slow
def test_exact_operators_are_exact_where_nothing_is_cut_or_in_parts() -> None:
    grids = scenes(40, seed=4, most=1)
    codec = knowing(grids, *map(Program.parse, CASES))
    codec.operators = ExactOperators(codec)
    found = operator_figures(codec, grids)
    assert tuple(found) == CASES
    for case in ("scale(0.5)", "symmetrize(axis='x')", "symmetrize()", "union()", "difference(align=True)"):
        assert found[case]["codes"] == found[case]["pixels"] == 1, case
    # A single object is all of a union; what is twice as large may be too large for a slot, and drawings are cut.
    assert found["union()"]["nothing"] == 1
    assert found["scale(2, objects=smallest)"]["codes"] < found["scale(2, objects=smallest)"]["pixels"]
    changed = sum(scene != after for scene, after in zip(
        expected(Program(), grids), expected(Program.parse("symmetrize()"), grids), strict=True))  # fmt: skip
    kept = 1 - changed / (len(grids) - 1)  # the first grid is empty
    assert found["symmetrize()"]["nothing"] == pytest.approx(kept)
    assert found["symmetrize()"]["grids"] == len(grids) - 1
    assert (decoded(codec.codes(grids)) == grids).all()


def test_grids_without_objects_leave_nothing_to_measure() -> None:
    grids = scenes(5, seed=0)
    codec = knowing(grids)
    codec.operators = ExactOperators(codec)
    assert all(figures == {"grids": 0} for figures in operator_figures(codec, grids[:1]).values())
