"""The separable model: its profiles, its first predictions, and the sizes that it takes."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from arcvae.grid.models.separable import SeparableDecoder, SeparableVAE


def test_first_predictions_have_the_share_of_the_background() -> None:
    shares = SeparableVAE()(torch.randint(10, (20, 16, 16))).softmax(1).mean((0, 2, 3))
    assert shares[0].item() == pytest.approx(0.93, abs=0.03)
    assert shares[1:].std().item() < 0.01


def test_maps_are_outer_products_of_the_profiles() -> None:
    decoder = SeparableDecoder(maps=3, coarse=2, hidden=384)
    seen: list[Tensor] = []
    decoder.convolutions[0].register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    z = torch.randn(2, 10)
    decoder(z)
    profiles = decoder.profiles(decoder.trunk(z))  # (2, 2, 3, 16)
    assert seen[0].shape == (2, 4 * 3 + 2, 8, 8)
    products = nn.functional.pixel_shuffle(seen[0][:, : 4 * 3], 2)  # the cells of a block are its channels
    for row, column in ((0, 0), (3, 11), (15, 15)):
        expected = profiles[:, 0, :, row] * profiles[:, 1, :, column]
        torch.testing.assert_close(products[:, :, row, column], expected)
    coarse = seen[0][:, 4 * 3 :]
    assert torch.equal(coarse[:, :, 0, 0], coarse[:, :, 1, 1])
    assert not torch.equal(coarse[:, :, 1, 1], coarse[:, :, 2, 2])


def test_dense_blocks_change_nothing_at_first_and_add_parameters() -> None:
    torch.manual_seed(0)
    flat = SeparableVAE(4, widths=[4, 4], hidden=8, maps=2, coarse=2, decoder_width=4)
    torch.manual_seed(0)
    deep = SeparableVAE(4, widths=[4, 4], hidden=8, maps=2, coarse=2, decoder_width=4, depth=2)
    # For each block two layers with biases and a normalisation, and a last one; in the encoder and in the decoder.
    added = 2 * (2 * (2 * (8 * 8 + 8) + 16) + 16)
    counts = [sum(parameter.numel() for parameter in vae.parameters()) for vae in (flat, deep)]
    assert counts[1] - counts[0] == added
    before = nn.Linear(4, 8)(torch.randn(3, 4))
    blocks = nn.Sequential(*deep.decoder.trunk[3:])
    torch.testing.assert_close(blocks(before), nn.functional.layer_norm(before, (8,)))
    deep.decoder(torch.randn(3, 4)).sum().backward()
    assert deep.decoder.trunk[3].change[3].weight.grad.abs().sum() > 0  # and they learn


@pytest.mark.parametrize(("latent", "size"), [(1, 16), (32, 8)])
def test_other_sizes_give_logits_of_the_right_shape(latent: int, size: int) -> None:
    vae = SeparableVAE(latent, grid_size=size, widths=[4, 4], hidden=8, maps=2, coarse=2, decoder_width=4)
    assert vae(torch.zeros(3, size, size, dtype=torch.uint8)).shape == (3, 10, size, size)


def test_grid_that_cannot_be_divided_by_4_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be divided by 4"):
        SeparableVAE(grid_size=10, widths=[4, 4])


def test_first_codes_have_the_scale_of_the_prior_and_the_same_noise_everywhere() -> None:
    mu, logvar = SeparableVAE().encoder(torch.randint(10, (200, 16, 16)))
    assert 0.5 < mu.std().item() < 1.5
    assert (logvar == logvar[0]).all()
