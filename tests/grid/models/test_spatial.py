"""The spatial model: where its latents live, what they see, and what it refuses."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from arcvae.grid.models.spatial import ChannelNorm, SpatialVAE


@pytest.mark.parametrize(
    ("latents", "size", "message"),
    [
        (15, 16, "15 latents .* evenly over 16 patches; take a multiple of 16"),
        (80, 10, "grid of size 10"),
    ],
)
def test_what_cannot_be_divided_into_patches_is_refused(latents: int, size: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SpatialVAE(latents, grid_size=size)


@pytest.mark.parametrize(("latents", "size", "blocks"), [(9, 12, 0), (16, 16, 2), (28, 8, 1)])
def test_other_sizes_give_codes_and_logits_of_the_right_shape(latents: int, size: int, blocks: int) -> None:
    vae = SpatialVAE(latents, grid_size=size, width=4, patch_width=8, blocks=blocks)
    grids = torch.randint(10, (3, size, size), dtype=torch.uint8)
    mu, logvar = vae.encoder(grids)
    assert mu.shape == logvar.shape == (3, latents)
    assert vae(grids).shape == (3, 10, size, size)


def test_a_latent_is_read_near_its_patch_and_nowhere_else() -> None:
    # Without residual blocks it reaches its patch, the eight around it, and a block of 2 x 2 cells beyond.
    vae = SpatialVAE(16, width=4, patch_width=8, blocks=0)
    z = torch.randn(1, 16)
    moved = z.clone()
    moved[0, 3] += 1  # the patch in the upper right corner
    changed = (vae.decoder(z) != vae.decoder(moved)).any(1)[0]  # (16, 16)
    assert changed[:4, 12:].any()
    assert not changed[10:, :].any()
    assert not changed[:, :6].any()


def test_latents_move_with_the_grid_by_whole_patches() -> None:
    # Far from the edge; latents in another order than rows and columns of patches would not.
    vae = SpatialVAE(128, grid_size=32, width=4, patch_width=8, blocks=0)
    grids = torch.zeros(2, 32, 32, dtype=torch.uint8)
    grids[0, 13:15, 13:15], grids[1, 17:19, 13:15] = 3, 3  # one patch further down
    first, second = vae.encoder(grids)[0].unflatten(1, (2, 8, 8))
    torch.testing.assert_close(first[:, 3, 3], second[:, 4, 3], rtol=1e-4, atol=1e-5)
    assert not torch.allclose(first[:, 3, 3], second[:, 3, 3], atol=1e-2)


def test_channels_of_a_cell_are_normalised_as_layer_norm_does() -> None:
    x = torch.randn(2, 6, 3, 3)
    norm = ChannelNorm(6)
    nn.init.uniform_(norm.weight)
    expected = nn.functional.layer_norm(x[:, :, 1, 2], (6,), norm.weight, norm.bias)
    torch.testing.assert_close(norm(x)[:, :, 1, 2], expected)


def test_first_predictions_have_the_share_of_the_background() -> None:
    shares = SpatialVAE()(torch.randint(10, (20, 16, 16))).softmax(1).mean((0, 2, 3))
    assert shares[0].item() == pytest.approx(0.93, abs=0.03)


def test_latents_of_a_group_are_those_of_its_patch() -> None:
    # A prior reads the 16 patches in rows; the other order of the two, c + 5 g, would mix patches.
    vae = SpatialVAE(80, width=4, patch_width=8, blocks=0)
    assert vae.latent_groups == 16
    z = torch.zeros(1, 80)
    for channel in range(5):
        moved = z.clone()
        moved[0, 16 * channel + 7] = 1  # the patch in row 1, column 3
        changed = (vae.decoder(z) != vae.decoder(moved)).any(1)[0]
        assert changed[4:8, 12:].any()
        assert not changed[:, :6].any()


@pytest.mark.parametrize(("size", "groups"), [(8, 4), (12, 9)])
def test_groups_follow_the_size_of_the_grid(size: int, groups: int) -> None:
    assert SpatialVAE(36, grid_size=size, width=4, patch_width=8).latent_groups == groups
