"""A model as the benchmark sees it: its limits, its ways, and what it makes of a grid before any network."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from arcvae.grid.benchmarks.subject import Limits, Subject
from arcvae.grid.codec import Codec
from arcvae.grid.codes.object_codes import ObjectCodes
from arcvae.grid.models.beta_vae import BetaVAE
from arcvae.grid.models.objects import ObjectsVAE
from arcvae.grid.models.spatial import SpatialVAE
from arcvae.grid.operations.drawings import draw, objects_of
from arcvae.grid.operations.program import OPERATIONS, Program
from tests.grid.operations.scenes import SIZE, knowing, scenes


def test_limits_are_those_of_the_model() -> None:
    assert Subject(Codec(ObjectsVAE(slots=3, frame=12, max_cells=40, width=16))).limits == Limits(3, 12, 40)
    assert Subject(Codec(BetaVAE(widths=(8, 8, 8), hidden=16))).limits is None


def test_latents_of_packed_codes_are_their_digits() -> None:
    subject = Subject(Codec(SpatialVAE(latent_dim=8, digits=2)))
    grids = scenes(3, seed=1)
    latents = subject.encode(grids)
    assert latents.shape == (3, 16)
    assert np.array_equal(subject.decode(latents, SIZE), subject.codec.reconstruct(grids))
    assert subject.decode(np.full_like(latents, np.nan), SIZE).shape == (3, 16, 16)


def test_objects_are_parsed_as_they_are_and_cut_where_they_do_not_fit() -> None:
    grids = scenes(6, seed=3)
    subject = Subject(knowing(grids))
    assert [set(scene) for scene in subject.parsed(grids)] == [set(objects_of(grid)) for grid in grids]
    large = np.zeros((1, 16, 16), dtype=np.uint8)
    large[0, 2:5, 1:11] = 4  # 30 cells, ten wide
    (parts,) = subject.parsed(large)
    assert len(parts) == 2
    assert np.array_equal(draw(parts, SIZE), large[0])


def test_objects_without_a_slot_are_not_parsed() -> None:
    grid = np.zeros((1, 16, 16), dtype=np.uint8)
    for index in range(4):
        grid[0, 2 * index, : index + 2] = 1 + index
    subject = Subject(Codec(ObjectsVAE(slots=2, width=16)))
    assert [found.color for found in subject.parsed(grid)[0]] == [3, 4]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        subject.encode(grid)


def test_ways_are_what_operations_offer(monkeypatch: pytest.MonkeyPatch) -> None:
    subject = Subject(knowing(scenes(3, seed=1)))
    program = Program.parse("translate(dy=1) | scale(2)")
    assert subject.ways(program, refine=0) == {"operation": program}
    assert str(subject.ways(program, refine=5)["refined"]) == "translate(dy=1) | scale(2, refine=5)"
    assert list(subject.ways(Program.parse("rotate(90)"), refine=5)) == ["operation"]

    def unchanged(codes: ObjectCodes, via: str = "pixels") -> ObjectCodes:
        del via
        return codes

    monkeypatch.setitem(OPERATIONS, "group", unchanged)
    step = Program.parse("group()")
    assert list(subject.ways(step, refine=0)) == ["operation"]  # a model without operators
    subject.codec.operators = object()  # type: ignore[attr-defined]
    assert str(subject.ways(step, refine=0)["via codes"]) == "group(via='codes')"
    assert list(subject.ways(Program.parse("rotate(90)"), refine=0)) == ["operation"]
