"""Refined codes: closer to the grids, never further away, and still codes."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from arcvae.grid.codes.refinement import refine
from arcvae.grid.models.base import GridModel
from arcvae.grid.models.packing import BOUND
from arcvae.grid.models.spatial import SpatialVAE


def colorful(latent_dim: int, digits: int = 1) -> SpatialVAE:
    """An untrained model whose decoder draws something, instead of the background everywhere."""
    torch.manual_seed(0)
    vae = SpatialVAE(latent_dim, width=8, patch_width=16, digits=digits)
    _, decoder = vae.latent_networks()
    last = decoder.get_submodule("convolutions")[-2]  # type: ignore[index]
    with torch.no_grad():
        last.weight.mul_(100)
        last.bias.zero_()
    return vae.eval()


@torch.no_grad()
def cost(vae: SpatialVAE, z: Tensor, grids: Tensor) -> Tensor:
    return nn.functional.cross_entropy(vae.decoder(z), grids.long(), reduction="none").sum((1, 2))


@pytest.mark.parametrize(("latent_dim", "digits", "moves"), [(48, 1, 8), (16, 3, 1)])
def test_codes_that_are_a_few_moves_away_are_found(latent_dim: int, digits: int, moves: int) -> None:
    vae = colorful(latent_dim, digits)
    step = vae.latent_steps()[0][0].item()
    generator = torch.Generator().manual_seed(0)
    right = vae.latents(torch.randn(100, latent_dim, generator=generator))
    with torch.no_grad():
        grids = vae.decoder(vae.pack(right)).argmax(1).to(torch.uint8)
    start = right.clone()
    start[:, 3] += moves * step * right[:, 3].sign().neg()  # inwards, where there is room for packed ones
    start[:, 12] += moves * step * right[:, 12].sign().neg()
    z = vae.pack(start)
    given = z.clone()
    found = refine(vae, z, grids, 30)
    assert torch.equal(z, given)
    assert (cost(vae, found, grids) <= cost(vae, z, grids) + 1e-3).all()
    with torch.no_grad():
        before, after = ((vae.decoder(codes).argmax(1) != grids).sum().item() for codes in (z, found))
    assert after < before / 4  # downhill; uphill, about as many cells stay wrong


def test_a_round_is_one_move_of_one_latent_that_lowers_the_cost() -> None:
    vae = colorful(16, 3)
    right = vae.latents(torch.randn(50, 16, generator=torch.Generator().manual_seed(0)))
    with torch.no_grad():
        grids = vae.decoder(vae.pack(right)).argmax(1)
    start = right.clone()
    start[:, [2, 9]] -= 0.5 * right[:, [2, 9]].sign()
    z = vae.pack(start)
    found = refine(vae, z, grids, 1)
    moves = vae.latents(found) - vae.latents(z)
    changed = moves.abs() > 1e-3
    assert changed.sum(1).max().item() == 1
    assert (changed.any(1) == (cost(vae, found, grids) < cost(vae, z, grids))).all()
    torch.testing.assert_close(moves[changed].abs(), torch.full((int(changed.sum()),), 0.5))
    # Most often it is one of the two moves that undo the change.
    assert changed[:, [2, 9]].any(1).float().mean().item() > 0.6


def test_codes_of_grids_that_are_right_stay_as_they_are() -> None:
    vae = colorful(16, 2)
    z = torch.randn(5, 16)
    with torch.no_grad():
        grids = vae.decoder(z).argmax(1)
    assert torch.equal(refine(vae, z, grids, 5), z)  # not even rounded
    assert refine(vae, z, 9 - grids, 0) is z
    assert refine(vae, z[:0], grids[:0], 5).shape == (0, 16)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_refining_works_in_inference_mode_and_in_double_precision(dtype: torch.dtype) -> None:
    vae = colorful(16, 8).to(dtype)
    grids = torch.randint(10, (6, 16, 16), dtype=torch.uint8)
    with torch.inference_mode():
        z, _ = vae.encoder(grids)
        found = refine(vae, z, grids, 2)
    assert found.dtype == dtype
    assert (cost(vae, found, grids) < cost(vae, z, grids)).any()


def test_negative_rounds_are_refused() -> None:
    with pytest.raises(ValueError, match="0 rounds or more, got -1"):
        refine(colorful(16), torch.zeros(1, 16), torch.zeros(1, 16, 16), -1)


def test_refined_packed_codes_hold_levels_within_bounds() -> None:
    vae = colorful(16, 8)
    grids = torch.randint(10, (20, 16, 16), dtype=torch.uint8)
    with torch.no_grad():
        z, _ = vae.encoder(grids)
    found = refine(vae, z, grids, 20, batch_size=7)
    assert (cost(vae, found, grids) < cost(vae, z, grids)).all()
    latents = vae.latents(found)
    assert latents.abs().max().item() < BOUND
    levels = (latents + BOUND - 0.25) / 0.5
    torch.testing.assert_close(levels, levels.round(), atol=1e-4, rtol=0)
    # What was searched is what the code says: packing did not change the latents that were kept.
    moves = (latents - vae.latents(z)).abs() / 0.5
    assert moves.sum(1).max().item() <= 20 + 1e-3


def test_parameters_and_gradients_of_the_decoder_are_left_alone() -> None:
    vae = colorful(16)
    before = {name: tensor.clone() for name, tensor in vae.state_dict().items()}
    with torch.no_grad():
        refine(vae, torch.randn(2, 16), torch.randint(10, (2, 16, 16)), 2)
    assert all(torch.equal(tensor, before[name]) for name, tensor in vae.state_dict().items())
    assert all(p.grad is None for p in vae.parameters())


class Cells(nn.Module):
    """Two cells of two colours; each latent is the logit of colour 1 in a cell of its own."""

    def forward(self, z: Tensor) -> Tensor:
        return torch.stack([torch.zeros_like(z), z], 1)[:, :, None]  # (N, 2, 1, 2)


class TwoCells(GridModel):
    def __init__(self, steps: tuple[float, float], limit: float = 9.0) -> None:
        super().__init__(latent_dim=2, num_colors=2, grid_size=1)
        self.encoder, self.decoder = nn.Identity(), Cells()
        self.steps = torch.tensor(steps, dtype=torch.float64), torch.full((2,), limit, dtype=torch.float64)

    def latent_steps(self) -> tuple[Tensor, Tensor]:
        return self.steps


def test_each_latent_moves_by_a_step_of_its_own() -> None:
    # Both cells are wrong at first. A row would move by whole cells, a shape by fractions, a colour not at all.
    z, grids = torch.tensor([[-0.6, -0.6]]), torch.ones(1, 1, 2, dtype=torch.long)
    # The slopes are equal: the longer step lowers the cost more.
    torch.testing.assert_close(refine(TwoCells((0.5, 1.0)), z, grids, 1), torch.tensor([[-0.6, 0.4]]))
    torch.testing.assert_close(refine(TwoCells((1.0, 0.5)), z, grids, 1), torch.tensor([[0.4, -0.6]]))
    moves = (refine(TwoCells((0.5, 1.0)), z, grids, 10) - z) / torch.tensor([0.5, 1.0])
    torch.testing.assert_close(moves, moves.round())
    assert (moves >= torch.tensor([2, 1])).all()  # enough for both cells to be right
    assert refine(TwoCells((0.0, 1.0)), z, grids, 10)[0, 0].item() == pytest.approx(-0.6)


class Window(nn.Module):
    """Two cells of two colours, of which both are of colour 1 where a single latent is in (0.03, 0.07)."""

    def forward(self, z: Tensor) -> Tensor:
        scores = torch.cat([z - 0.03, 0.07 - z], 1)  # (N, 2)
        return torch.stack([torch.zeros_like(scores), scores], 1)[:, :, None]


class OneNumber(GridModel):
    def __init__(self, levels: int | None) -> None:
        super().__init__(latent_dim=1, num_colors=2, grid_size=1)
        self.encoder, self.decoder, self.levels = nn.Identity(), Window(), levels

    def latents(self, z: Tensor) -> Tensor:
        return z

    def pack(self, latents: Tensor) -> Tensor:
        return latents

    def latent_networks(self) -> tuple[nn.Module, nn.Module]:
        return self.encoder, self.decoder

    def latent_steps(self) -> tuple[Tensor, Tensor]:
        return torch.tensor([0.25]), torch.tensor([9.0])


@pytest.mark.parametrize(("levels", "found"), [(None, 0.0375), (8, 0.1)])
def test_steps_are_halved_when_none_helps_unless_latents_are_levels(levels: int | None, found: float) -> None:
    # -0.4, -0.15 and 0.1 are as near as whole steps come; half a step leads away, a quarter into the window.
    z, grids = torch.tensor([[-0.4]]), torch.ones(1, 1, 2, dtype=torch.long)
    assert refine(OneNumber(levels), z, grids, 20).item() == pytest.approx(found)


def test_no_latent_moves_beyond_its_limit() -> None:
    # The second cell stays wrong, so the search goes on: -0.6, -0.35, -0.1, 0.15, 0.4, and 0.65 is too far. Shorter
    # steps end at the limit.
    z, grids = torch.tensor([[-0.6, -0.6]]), torch.ones(1, 1, 2, dtype=torch.long)
    found = refine(TwoCells((0.25, 0.0), limit=0.5), z, grids, 20)
    torch.testing.assert_close(found, torch.tensor([[0.5, -0.6]]), atol=0.25 / 64, rtol=0)
    assert refine(TwoCells((0.25, 0.0), limit=9.0), z, grids, 20)[0, 0].item() == pytest.approx(-0.6 + 20 * 0.25)


class Top(nn.Module):
    """The upper rows of what a decoder draws."""

    def __init__(self, decoder: nn.Module, rows: int) -> None:
        super().__init__()
        self.decoder, self.rows = decoder, rows

    def forward(self, z: Tensor) -> Tensor:
        logits: Tensor = self.decoder(z)[:, :, : self.rows]
        return logits


@pytest.mark.parametrize("ignored", [255, 10])
def test_ignored_cells_change_nothing(ignored: int) -> None:
    # The same search on grids of 11 x 16 cells without padding. Counted, the padding would lead it elsewhere or fail.
    whole, cropped = colorful(32), colorful(32)
    cropped.decoder = Top(cropped.decoder, 11)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        right = torch.randn(40, 32, generator=generator)
        grids = whole.decoder(right).argmax(1).to(torch.uint8)
    z = right + 0.25 * torch.randint(-2, 3, right.shape, generator=generator)
    padded = grids.clone()
    padded[:, 11:] = ignored
    found = refine(whole, z, padded, 10, ignore_index=ignored)
    torch.testing.assert_close(found, refine(cropped, z, grids[:, :11], 10))
    assert not torch.allclose(found, refine(whole, z, grids, 10))
    # A code whose counted cells are right is left alone, whatever the others hold.
    assert torch.equal(refine(whole, right, padded, 10, ignore_index=ignored), right)
