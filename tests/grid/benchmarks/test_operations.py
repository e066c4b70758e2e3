"""The benchmark: a codec that knows every shape is right, controls are what a brute force says, faults are seen."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from arcvae.grid.benchmarks.operations import CONTROLS, measure_operations
from arcvae.grid.benchmarks.workload import Workload
from arcvae.grid.codec import Codec
from arcvae.grid.models.beta_vae import BetaVAE
from arcvae.grid.operations.pixels import apply

pytestmark = pytest.mark.slow  # the quick tests of the report measure the same once


def rows(measured: dict[str, Any]) -> list[dict[str, Any]]:
    return [*measured["programs"], *measured["chains"]]


def test_a_codec_that_knows_every_shape_is_right(measured: dict[str, Any]) -> None:
    assert measured["main"] == "operation"
    assert measured["plain"]["exact"] == 1
    for row in rows(measured):
        fit = row["figures"]["operation"]["fit"]
        assert fit["exact"] in (1.0, None), row
        assert row["figures"]["source"]["clear"]["exact"] == 1
        assert row["figures"]["pixels"]["fit"] == row["figures"]["target"]["fit"]  # nothing was lost before
    assert sum(row["cases"]["fit"] > 0 for row in rows(measured)) > 0.8 * len(rows(measured))


def test_what_the_oracle_draws_of_whole_objects_is_right_by_construction(measured: dict[str, Any]) -> None:
    assert all(row["figures"]["renderer"]["every"]["exact"] == 1 for row in rows(measured))


def test_doing_nothing_is_right_where_nothing_was_to_be_done(measured: dict[str, Any], work: Workload) -> None:
    for row, cases in zip(measured["programs"], work.single, strict=True):
        same = [
            np.array_equal(work.pool[index], target)
            for index, target, clear in zip(cases.index, cases.target, cases.clear, strict=True)
            if clear
        ]
        assert row["program"] == str(cases.program)
        assert row["cases"]["clear"] == len(same)
        assert row["figures"]["nothing"]["clear"]["exact"] == (np.mean(same) if same else None)
        empty = ~cases.target[cases.clear].any((1, 2))
        assert row["figures"]["black"]["clear"]["exact"] == (empty.mean() if len(empty) else None)


def test_every_figure_has_its_controls_and_json_holds_them(measured: dict[str, Any]) -> None:
    for row in rows(measured):
        assert {"operation", "source", "target", *CONTROLS} == set(row["figures"])
        assert row["seconds"]["operation"] > 0
    assert json.loads(json.dumps(measured)) == measured
    assert len(measured["pictures"]) == 16
    assert all(law["largest"] == 0 for law in measured["residuals"]["operation"])


def test_a_wrong_oracle_would_be_seen(perfect: Codec, work: Workload, monkeypatch: pytest.MonkeyPatch) -> None:
    # Colours that come out wrong: each object counts as one error of colour.
    decode = perfect.decode

    def repainted(*arguments: Any, **options: Any) -> Any:
        grids = decode(*arguments, **options)
        return np.where(grids > 0, grids % 9 + 1, 0).astype(np.uint8)

    monkeypatch.setattr(perfect, "decode", repainted)
    few = Workload(work.pool, work.scenes, work.single[:1], {}, work.lessons)
    (row,) = measure_operations(perfect, few, seconds=0.1, refine=0, seed=0)["programs"]
    cases = work.single[0]
    objects = [len(apply(cases.program, work.scenes[i], work.size)) for i in cases.index[cases.clear]]
    found = row["figures"]["operation"]
    assert found["clear"]["exact"] == 0
    assert found["errors"] == {
        "color": 1000 * sum(objects) / len(objects), "place": 0, "shape": 0, "missing": 0, "added": 0,
    }  # fmt: skip


def test_codes_without_objects_are_operated_on_by_what_is_learned(work: Workload) -> None:
    few = Workload(work.pool, work.scenes, work.single[:3], {}, work.lessons)
    found = measure_operations(Codec(BetaVAE(widths=(8, 8, 8), hidden=16)), few, seconds=0.5, refine=0, seed=0)
    assert found["main"] in ("ridge", "network")
    assert found["limits"] is None
    for row in found["programs"]:
        assert "operation" not in row["figures"]
        assert "errors" in row["figures"][found["main"]]
        assert row["figures"]["renderer"]["every"]["exact"] == 1
        assert "fit" not in row["cases"]
    assert set(found["residuals"]) == {"ridge", "network"}
    assert all(len(laws) == 6 for laws in found["residuals"].values())  # nothing was learned to move by nothing
