"""What pictures show of codes: of packed ones, the latents and not the numbers that they are packed in."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from arcvae.grid.analysis.code_pictures import smooth_numbers, traversals
from arcvae.grid.models.beta_vae import BetaVAE
from arcvae.grid.models.packing import middle_of
from arcvae.grid.models.spatial import SpatialVAE
from tests.grid.test_module import make

LEVELS = 4


@pytest.fixture
def packed() -> SpatialVAE:
    """Two latents in each of eight numbers."""
    return SpatialVAE(latent_dim=8, digits=2, levels=LEVELS, width=8, patch_width=8, blocks=1).eval()


def test_packed_codes_are_shown_by_their_latents_and_what_these_say(packed: SpatialVAE) -> None:
    levels = np.zeros((LEVELS, 16))
    levels[:, 11] = range(LEVELS)  # the second digit of the number z3 takes each level once, all others one alone
    latents = middle_of(torch.from_numpy(levels).float(), LEVELS)
    mu = packed.pack(latents).numpy()
    found, names, nats, heading = smooth_numbers(packed, mu, [2.0] * 8, "test")
    assert np.allclose(found, latents.numpy(), atol=1e-6)
    assert (names[0], names[11], len(names)) == ("z0.1", "z3.2", 16)
    assert nats == pytest.approx([0.0] * 11 + [math.log(LEVELS)] + [0.0] * 4)
    assert heading == "Entropy of each packed latent on test: 1.4 nats, KL of the code 16.0"


def test_other_codes_are_shown_as_they_are() -> None:
    mu, kl = np.ones((3, 4), np.float32), [1.0, 2.0, 3.0, 4.0]
    found, names, nats, heading = smooth_numbers(BetaVAE(latent_dim=4, widths=[4, 4, 4], hidden=8), mu, kl, "val")
    assert found is mu
    assert (names, nats) == (["z0", "z1", "z2", "z3"], kl)
    assert heading == "KL of each latent dimension on val: 10.0 nats per grid in all"


def test_a_row_of_a_traversal_moves_one_packed_latent_through_its_levels(
    packed: SpatialVAE, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[torch.Tensor] = []

    def decoded(_: object, codes: torch.Tensor) -> np.ndarray:
        seen.append(packed.latents(codes))
        return np.zeros((len(codes), 16, 16), np.uint8)

    monkeypatch.setattr("arcvae.grid.analysis.code_pictures.decoded_grids", decoded)
    start = middle_of(torch.ones(16), LEVELS).numpy()
    figure = traversals(make(model=packed), start, [f"n{i}" for i in range(16)], list(map(float, range(16))))
    (latents,) = seen
    row = latents.reshape(16, 9, 16)[0]  # of the latent that says most, the last
    assert len(row[:, 15].unique()) == LEVELS
    assert (row[:, :15] == row[0, :15]).all()
    assert "packed latent" in figure.get_suptitle()
