"""Codes of shapes: exact under the symmetries of the square, whatever the weights."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from arcvae.grid.corpus.generator import generate_grids
from arcvae.grid.models.dihedral import ORDER, frame_of, turn_code
from arcvae.grid.models.parsing import find_objects
from arcvae.grid.models.shapes import ShapeDecoder, ShapeEncoder

FRAME = frame_of(8)


@pytest.fixture(scope="module")
def shapes() -> tuple[Tensor, Tensor]:
    objects = find_objects(generate_grids("atomic", 60, seed=1)[0], 10, 8, 15)
    return torch.from_numpy(objects.shapes), torch.from_numpy(objects.parity)


def shaken(network: torch.nn.Module) -> torch.nn.Module:
    """Weights that nobody chose."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return network


@pytest.mark.parametrize("numbers", [8, 11, 16])
@pytest.mark.parametrize("g", range(ORDER))
def test_code_of_a_turned_shape_is_the_turned_code(shapes: tuple[Tensor, Tensor], numbers: int, g: int) -> None:
    encoder = shaken(ShapeEncoder(numbers, FRAME, 32, 1))
    x, parity = shapes
    turning = torch.full_like(parity, g)
    for before, after in zip(encoder(x, parity), encoder(*FRAME.turn(x, parity, turning)), strict=True):
        torch.testing.assert_close(turn_code(before, turning), after)


@pytest.mark.parametrize("numbers", [8, 11, 16])
@pytest.mark.parametrize("g", range(ORDER))
def test_turned_code_draws_the_turned_shape(numbers: int, g: int) -> None:
    decoder = shaken(ShapeDecoder(numbers, FRAME, 32, 1))
    generator = torch.Generator().manual_seed(1)
    codes, parity = torch.randn(50, numbers, generator=generator), torch.randint(4, (50,), generator=generator)
    turning = torch.full_like(parity, g)
    expected, classes = FRAME.turn(decoder(codes, parity), parity, turning)
    found = decoder(turn_code(codes, turning), classes)
    used = FRAME.valid[classes]
    torch.testing.assert_close(found[used], expected[used])


def test_every_parameter_gets_a_gradient(shapes: tuple[Tensor, Tensor]) -> None:
    x, parity = shapes
    encoder, decoder = shaken(ShapeEncoder(8, FRAME, 16, 1)), shaken(ShapeDecoder(8, FRAME, 16, 1))
    mu, logvar = encoder(x, parity)
    (decoder(mu + torch.randn_like(mu) * logvar.exp(), parity).square().sum()).backward()
    for part in (encoder, decoder):
        assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in part.parameters())
