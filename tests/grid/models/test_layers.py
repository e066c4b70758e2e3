"""First and last layers of the models of grids."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from arcvae.grid.models.layers import color_logits, one_hot, scale_like_prior


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.int32])
def test_one_hot_equals_torch(dtype: torch.dtype) -> None:
    grids = torch.randint(10, (3, 5, 5)).to(dtype)
    expected = nn.functional.one_hot(grids.long(), 10).permute(0, 3, 1, 2).float()
    assert torch.equal(one_hot(grids, 10), expected)


@pytest.mark.parametrize(("dtype", "ignored"), [(torch.uint8, 255), (torch.uint8, 10), (torch.int64, -100)])
def test_one_hot_of_an_ignored_cell_is_zero_in_all_planes(dtype: torch.dtype, ignored: int) -> None:
    grids = torch.randint(10, (3, 5, 5)).to(dtype)
    planes = one_hot(grids, 10)
    grids[:, 2] = ignored
    padded = one_hot(grids, 10)
    assert not padded[:, :, 2].any()
    planes[:, :, 2] = 0
    assert torch.equal(padded, planes)


def test_colors_start_from_the_share_of_the_background_in_every_cell_of_a_block() -> None:
    layer = color_logits(3, 10, 0.9)
    scores = nn.functional.pixel_shuffle(layer(torch.zeros(1, 3, 2, 2)), 2)  # (1, 10, 4, 4)
    shares = scores.softmax(1)
    torch.testing.assert_close(shares[:, 0], torch.full((1, 4, 4), 0.9))
    torch.testing.assert_close(shares[:, 1:], torch.full((1, 9, 4, 4), 0.1 / 9))


@pytest.mark.parametrize("layer", [nn.Linear(64, 500), nn.Conv2d(64, 500, 1)])
def test_first_codes_of_normalised_features_have_the_scale_of_the_prior(layer: nn.Linear | nn.Conv2d) -> None:
    scale_like_prior(layer)
    features = nn.functional.layer_norm(torch.randn(500, 64), (64,))
    codes = layer(features if isinstance(layer, nn.Linear) else features[:, :, None, None])
    assert codes.std().item() == pytest.approx(1, abs=0.05)
