"""The symmetries of the square against NumPy's own turning, and their action on codes against the laws of a group."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from arcvae.grid.models.dihedral import INVERSE, ORDER, PRODUCT, average_over, frame_of, turn_code, turn_vector, turned
from tests.elsewhere import elsewhere

FRAME = frame_of(8)
EVERY = range(ORDER)


def all_of(g: int, like: Tensor) -> Tensor:
    return torch.full((len(like),), g)


@pytest.fixture
def shapes() -> tuple[Tensor, Tensor]:
    """Random shapes of all parity classes, some of them symmetric."""
    generator = torch.Generator().manual_seed(0)
    parity = torch.randint(4, (60,), generator=generator)
    cells = torch.rand(60, 64, generator=generator) > 0.5
    cells[:10] = True  # full, so symmetric as far as the class is square
    return cells & FRAME.valid[parity], parity


def test_table_of_products_is_that_of_eight_different_turnings() -> None:
    array = np.arange(6).reshape(2, 3)
    assert len({turned(np.arange(4).reshape(2, 2), g).tobytes() for g in EVERY}) == ORDER
    for g in EVERY:
        for h in EVERY:
            assert np.array_equal(turned(turned(array, h), g), turned(array, int(PRODUCT[g, h])))
        assert int(PRODUCT[g, INVERSE[g]]) == 0


@pytest.mark.parametrize("g", EVERY)
def test_vectors_turn_as_cells_do(g: int) -> None:
    array = np.zeros((7, 7), dtype=np.int64)
    array[2, 0] = 1  # one up and three to the left of the centre
    ((row, column),) = np.argwhere(turned(array, g))
    assert turn_vector(torch.tensor([[-1, -3]]), torch.tensor([g])).tolist() == [[row - 3, column - 3]]


@pytest.mark.parametrize("dtype", [torch.int8, torch.int64, torch.float16, torch.float64])
def test_vectors_keep_their_type_and_turn_where_whole_numbers_have_no_product_of_matrices(dtype: torch.dtype) -> None:
    vectors, g = torch.tensor([[3, -2]] * ORDER).to(dtype), torch.arange(ORDER)
    found = turn_vector(vectors, g)
    assert found.dtype == dtype
    assert len({*map(tuple, found.tolist())}) == ORDER
    assert torch.equal(turn_vector(found, INVERSE[g]), vectors)
    with elsewhere() as device:
        assert torch.equal(turn_vector(vectors.to(device), g.to(device)).cpu(), found)


@pytest.mark.parametrize("g", EVERY)
@pytest.mark.parametrize(("height", "width"), [(2, 3), (3, 3), (4, 2), (1, 8), (7, 5)])
def test_turning_on_the_frame_is_turning_the_array_about_its_centre(g: int, height: int, width: int) -> None:
    mask = np.random.default_rng(height * 10 + width).random((height, width)) > 0.4

    def on_frame(part: np.ndarray) -> tuple[Tensor, Tensor]:
        h, w = part.shape
        frame = np.zeros((8, 8), dtype=bool)
        top, left = (8 - h % 2 - h) // 2, (8 - w % 2 - w) // 2
        frame[top : top + h, left : left + w] = part
        return torch.from_numpy(frame.reshape(1, 64)), torch.tensor([2 * (h % 2) + w % 2])

    found = FRAME.turn(*on_frame(mask), torch.tensor([g]))
    expected = on_frame(turned(mask, g))  # type: ignore[arg-type]
    assert torch.equal(found[0], expected[0])
    assert torch.equal(found[1], expected[1])


@pytest.mark.parametrize("numbers", [8, 11, 17])
def test_codes_turn_as_a_group_and_what_is_beyond_full_copies_stays(numbers: int) -> None:
    codes = torch.randn(5, numbers)
    for g in EVERY:
        for h in EVERY:
            twice = turn_code(turn_code(codes, all_of(h, codes)), all_of(g, codes))
            assert torch.equal(twice, turn_code(codes, PRODUCT[g, h].expand(5)))
        after = turn_code(codes, all_of(g, codes))
        fixed = numbers // ORDER * ORDER
        assert torch.equal(after[:, fixed:], codes[:, fixed:])
        assert g == 0 or not torch.equal(after, codes)


def test_number_h_of_the_turned_code_is_number_g_inverse_h() -> None:
    codes = torch.arange(8.0)[None]
    for g in EVERY:
        assert turn_code(codes, torch.tensor([g]))[0].tolist() == [int(PRODUCT[INVERSE[g], h]) for h in EVERY]


def test_canonical_shape_is_the_same_for_all_orientations(shapes: tuple[Tensor, Tensor]) -> None:
    x, parity = shapes
    upright = FRAME.turn(x, parity, FRAME.canonical(x, parity)[0])
    for g in EVERY:
        y, after = FRAME.turn(x, parity, all_of(g, x))
        again = FRAME.turn(y, after, FRAME.canonical(y, after)[0])
        assert torch.equal(again[0], upright[0])
        assert torch.equal(again[1], upright[1])


def test_stabiliser_holds_the_symmetries_that_change_nothing(shapes: tuple[Tensor, Tensor]) -> None:
    x, parity = shapes
    g, stabiliser = FRAME.canonical(x, parity)
    upright, classes = FRAME.turn(x, parity, g)
    assert stabiliser.sum(1).max() == ORDER  # a full square
    for h in EVERY:
        y, after = FRAME.turn(upright, classes, all_of(h, x))
        assert torch.equal(((y == upright).all(1)) & (after == classes), stabiliser[:, h])


def test_average_over_symmetries_is_the_mean_of_the_turned_codes(shapes: tuple[Tensor, Tensor]) -> None:
    _, stabiliser = FRAME.canonical(*shapes)
    codes = torch.randn(len(stabiliser), 11)
    for code, members, found in zip(codes, stabiliser, average_over(codes, stabiliser), strict=True):
        turnings = [turn_code(code[None], torch.tensor([h]))[0] for h in EVERY if members[h]]
        torch.testing.assert_close(found, torch.stack(turnings).mean(0))


@pytest.mark.parametrize("size", [7, 0, -2])
def test_frame_has_an_even_side(size: int) -> None:
    with pytest.raises(ValueError, match="needs an even side"):
        frame_of(size)


def test_frames_have_content_even_if_a_model_without_content_asks_first() -> None:
    frame_of.cache_clear()
    with torch.device("meta"):
        frame = frame_of(8)
    assert frame.valid.sum().item() == 64 + 2 * 56 + 49
    assert frame_of(8) is frame
