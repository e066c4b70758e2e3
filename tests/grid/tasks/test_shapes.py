"""Shapes as rows of bits against the same done with NumPy."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from arcvae.grid.tasks.shapes import Shape, canvas, cells_of, flipped, pieces, scaled, symmetric, turned, with_margin

MASKS = st.integers(1, 2**20 - 1).map(
    lambda bits: np.array([bits >> i & 1 for i in range(20)], dtype=bool).reshape(4, 5)
)


def shape_of(mask: NDArray[np.bool_]) -> Shape:
    return Shape(mask.shape[1], tuple(sum(1 << int(c) for c in np.flatnonzero(row)) for row in mask))


def mask_of(shape: Shape) -> NDArray[np.bool_]:
    return np.array([[bool(row >> c & 1) for c in range(shape.width)] for row in shape.rows])


@settings(max_examples=60, deadline=None)
@given(MASKS)
def test_shapes_turn_and_scale_as_masks_do(mask: NDArray[np.bool_]) -> None:
    shape = shape_of(mask)
    assert [*cells_of(shape)] == [tuple(cell) for cell in np.argwhere(mask).tolist()]
    for quarters in range(4):
        assert np.array_equal(mask_of(turned(shape, quarters)), np.rot90(mask, quarters))
    assert np.array_equal(mask_of(flipped(shape, True)), np.flipud(mask))
    assert np.array_equal(mask_of(symmetric(shape, False)), mask | np.fliplr(mask))
    double = mask_of(scaled(shape, 2))
    assert np.array_equal(double, np.kron(mask, np.ones((2, 2), dtype=bool))[: len(double), : double.shape[1]])
    wide = np.pad(mask, 1)
    assert np.array_equal(mask_of(with_margin(shape)), ndimage.binary_dilation(wide, np.ones((3, 3))))


@settings(max_examples=60, deadline=None)
@given(MASKS, st.integers(-6, 9), st.integers(-6, 9))
def test_a_canvas_is_clipped(mask: NDArray[np.bool_], top: int, left: int) -> None:
    wanted = sum(
        1 << int((top + r) * 7 + left + c) for r, c in np.argwhere(mask) if 0 <= top + r < 6 and 0 <= left + c < 7
    )
    assert canvas(shape_of(mask), top, left, (6, 7)) == wanted


@settings(max_examples=60, deadline=None)
@given(MASKS)
def test_pieces_are_connected_components(mask: NDArray[np.bool_]) -> None:
    labels, count = ndimage.label(mask, np.ones((3, 3)))
    parts = pieces(canvas(shape_of(mask), 0, 0, (4, 6)), 6)  # the last column stays free
    found = [frozenset((r + y, c + x) for r, c in cells_of(shape)) for shape, y, x in parts]
    wanted = [frozenset(map(tuple, np.argwhere(labels == label + 1).tolist())) for label in range(count)]
    assert found == sorted(wanted, key=min)
    assert all(shape.rows[0] and shape.rows[-1] for shape, _, _ in parts)
