"""The reference architecture, and encoder and decoder on their own."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from arcvae.grid.models import MODELS
from arcvae.grid.models.beta_vae import BetaVAE, ConvDecoder, ConvEncoder
from arcvae.grid.models.separable import SeparableVAE


def test_reference_architecture_has_its_parameter_count() -> None:
    # Encoder: conv 2,912 + 18,496 + 73,856, dense 262,272, heads 2 x 1,290 = 360,116.
    # Decoder: dense 1,408 + 264,192, transposed 131,136 + 32,800, conv 2,890 = 432,426.
    vae = BetaVAE(latent_dim=10)
    assert sum(p.numel() for p in vae.encoder.parameters()) == 360_116
    assert sum(p.numel() for p in vae.decoder.parameters()) == 432_426


def test_reference_layers_in_order() -> None:
    vae = BetaVAE()
    convolutions = [m for m in vae.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
    found = [(m.in_channels, m.out_channels, m.kernel_size[0], m.stride[0]) for m in convolutions]
    encoder, decoder = (
        [(10, 32, 3, 1), (32, 64, 3, 2), (64, 128, 3, 2)],
        [(128, 64, 4, 2), (64, 32, 4, 2), (32, 10, 3, 1)],
    )
    assert found == encoder + decoder
    activations = [m for m in vae.modules() if not list(m.children()) and not list(m.parameters())]
    assert {type(m) for m in activations} == {nn.ReLU, nn.Flatten, nn.Unflatten}


@pytest.mark.parametrize(
    ("latent", "size", "widths", "batch"),
    [(1, 16, [8, 8, 8], 1), (33, 8, [4, 6], 3), (5, 12, [4, 4, 4], 2), (2, 7, [3], 2)],
)
def test_other_sizes_give_codes_and_logits_of_the_right_shape(
    latent: int, size: int, widths: list[int], batch: int
) -> None:
    grids = torch.randint(10, (batch, size, size), dtype=torch.uint8)
    encoder = ConvEncoder(latent, grid_size=size, widths=widths, hidden=8)
    decoder = ConvDecoder(latent, grid_size=size, widths=widths, hidden=8)
    mu, logvar = encoder(grids)
    assert mu.shape == logvar.shape == (batch, latent)
    assert decoder(mu).shape == (batch, 10, size, size)


def test_grid_that_cannot_be_halved_is_refused() -> None:
    with pytest.raises(ValueError, match="grid of size 10 cannot be halved 2 times"):
        BetaVAE(grid_size=10)


@pytest.mark.parametrize("name", MODELS)
def test_every_parameter_gets_a_gradient(name: str) -> None:
    vae = MODELS[name]()
    mu, logvar = vae.encoder(torch.randint(10, (64, 16, 16)))
    (vae.decoder(mu + logvar).square().mean()).backward()
    assert [name for name, p in vae.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_separable_model_starts_from_the_share_of_the_background() -> None:
    shares = SeparableVAE()(torch.randint(10, (20, 16, 16))).softmax(1).mean((0, 2, 3))
    assert shares[0].item() == pytest.approx(0.93, abs=0.03)
    assert shares[1:].std().item() < 0.01


def test_separable_maps_are_outer_products_of_the_profiles() -> None:
    decoder = SeparableVAE(maps=3, coarse=2).decoder
    seen = []
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


@pytest.mark.parametrize(("latent", "size"), [(1, 16), (32, 8)])
def test_separable_model_of_other_sizes(latent: int, size: int) -> None:
    vae = SeparableVAE(latent, grid_size=size, widths=[4, 4], hidden=8, maps=2, coarse=2, decoder_width=4)
    assert vae(torch.zeros(3, size, size, dtype=torch.uint8)).shape == (3, 10, size, size)
    with pytest.raises(ValueError, match="cannot be divided by 4"):
        SeparableVAE(grid_size=10, widths=[4, 4])


def test_whole_model_works_in_double_precision() -> None:
    vae = BetaVAE(widths=[4, 4, 4], hidden=8).double()
    assert vae(torch.zeros(1, 16, 16, dtype=torch.uint8)).dtype == torch.float64
