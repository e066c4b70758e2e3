"""Cells of objects: drawn as the decoder draws them, coded one by one, and parted where they do not touch."""

from __future__ import annotations

import numpy as np
import pytest

from arcvae.errors import CheckpointError
from arcvae.grid.codec import Codec
from arcvae.grid.codes.object_codes import ObjectCodes
from arcvae.grid.models.beta_vae import BetaVAE
from arcvae.grid.models.objects import ObjectsVAE
from arcvae.grid.operations.cells import codec_of, coded, components, drawn
from arcvae.grid.operations.drawings import objects_of
from tests.grid.operations.scenes import knowing, scenes


def test_objects_are_drawn_and_coded_where_they_are() -> None:
    grids = scenes(20, seed=0)
    codes = knowing(grids).codes(grids)
    cells = drawn(codes, codes.filled, "test")
    wanted = [sorted(found.cells) for grid in grids for found in objects_of(grid)]
    assert [[tuple(cell) for cell in found.tolist()] for found in cells] == wanted
    # Each by itself again, and moved out of the grid: the same numbers.
    colors = [int(color) for color in codes.color[codes.filled]]
    rows, lost = coded(codes, [found - 100 for found in cells], colors, "test")
    assert set(lost) == {0}
    again = np.concatenate([part for components in rows for part in components])
    again[:, :2] += 100
    np.testing.assert_allclose(again, codes.numbers[codes.filled], atol=1e-5)


def test_some_objects_are_drawn_and_empty_slots_never() -> None:
    grids = scenes(5, seed=1)
    codes = knowing(grids).codes(grids)
    assert drawn(codes, np.zeros_like(codes.filled), "test") == []
    assert len(drawn(codes, np.ones_like(codes.filled), "test")) == codes.filled.sum()


def test_parts_have_a_row_each_and_what_is_too_large_is_counted() -> None:
    codes = ObjectCodes(np.zeros((1, 2, 11), dtype=np.float32), codec=Codec(ObjectsVAE(width=8)))
    apart = np.array([[0, 9], [5, 0], [6, 1]])
    rows, lost = coded(codes, [apart, apart[:0], np.argwhere(np.ones((12, 12)))[1:]], [4, 5, 6], "test")
    assert [len(row) for row in rows] == [2, 0, 0]
    assert [component[:, :3].tolist() for component in rows[0]] == [[[0, 9, 4]], [[5.5, 0.5, 4]]]
    assert lost == [0, 0, 1]
    bar = np.argwhere(np.ones((4, 5)))  # 20 cells: one component in two parts of ten
    assert [[len(part) for part in row] for row in coded(codes, [bar], [1], "test")[0]] == [[2]]


def test_components_touch_over_corners_and_are_sorted() -> None:
    cells = np.array([[7, 7], [0, 5], [1, 4], [2, 5], [8, 6], [4, 4], [0, 1_000_000]])
    found = [part.tolist() for part in components(cells)]
    assert found == [[[0, 5], [1, 4], [2, 5]], [[0, 1_000_000]], [[4, 4]], [[7, 7], [8, 6]]]
    assert components(cells[:0]) == []


def test_codes_without_a_codec_of_objects_are_refused() -> None:
    numbers = np.ones((1, 1, 11), dtype=np.float32)
    for codec in (None, "a codec", Codec(BetaVAE(latent_dim=3, widths=[4, 4, 4], hidden=8))):
        with pytest.raises(ValueError, match=r"^test draws shapes and needs a codec; take the codes from codec\.codes"):
            codec_of(ObjectCodes(numbers, codec=codec), "test")
    half = ObjectCodes(numbers, codec=Codec(ObjectsVAE(width=8), part="encoder"))
    with pytest.raises(CheckpointError, match="holds only the encoder and cannot draw"):
        drawn(half, half.filled, "draw")
