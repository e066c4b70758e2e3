"""The reference architecture, and encoder and decoder on their own."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from arcvae.grid.models.beta_vae import BetaVAE, ConvDecoder, ConvEncoder


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
