"""Training of priors: they learn what there is to learn, and the best epoch counts."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from lightning.pytorch import LightningDataModule, Trainer
from torch import nn
from torch.utils.data import DataLoader

from arcvae.errors import NonFiniteError
from arcvae.grid.codes.prior import CodePrior
from arcvae.grid.codes.prior_training import PriorModule, independent_nats, train_prior
from arcvae.grid.codes.quantization import LatentQuantizer
from arcvae.grid.models.base import GridModel
from arcvae.grid.models.packing import middle_of


class CopyEncoder(nn.Module):
    """Encodes a grid as two latents, both as large as its first cell says."""

    def forward(self, grids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        mu = middle_of(grids[:, 0, :1].float(), 4).expand(-1, 2)
        return mu, torch.full_like(mu, -20.0)


class Copied(GridModel):
    def __init__(self) -> None:
        super().__init__(latent_dim=2, num_colors=4, grid_size=1)
        self.encoder, self.decoder = CopyEncoder(), nn.Identity()


class Grids(LightningDataModule):
    def __init__(self, train: torch.Tensor, val: torch.Tensor) -> None:
        super().__init__()
        self.train, self.val = train, val

    def train_dataloader(self) -> DataLoader[torch.Tensor]:
        return DataLoader(self.train, batch_size=50, shuffle=True)  # type: ignore[arg-type]

    def val_dataloader(self) -> DataLoader[torch.Tensor]:
        return DataLoader(self.val, batch_size=50)  # type: ignore[arg-type]


def quick_trainer(epochs: int, precision: Any = "32-true") -> Trainer:
    return Trainer(
        max_epochs=epochs, accelerator="cpu", precision=precision, logger=False, enable_checkpointing=False,
        enable_model_summary=False, enable_progress_bar=False, num_sanity_val_steps=0,
    )  # fmt: skip


@pytest.mark.slow
def test_training_learns_that_one_latent_repeats_another() -> None:
    # Uniform over 4 symbols, the second place copies the first: log 4 = 1.386 nats a code, twice that if independent.
    grids = torch.randint(0, 4, (2000, 1, 1), dtype=torch.uint8)
    quantizer = LatentQuantizer(groups=2, channels=1, levels=4, bound=2.0, discrete=True)
    prior = CodePrior(quantizer, width=16, layers=1)
    nats = train_prior(prior, Copied(), Grids(grids[:1800], grids[1800:]), trainer=quick_trainer(8), lr=1e-2, seed=0)
    assert len(nats) == 8
    assert nats[-1] == pytest.approx(math.log(4), abs=0.05)
    train, val = (part[:, 0].long().expand(-1, 2)[..., None] for part in (grids[:1800], grids[1800:]))
    assert independent_nats(train, val, 4) == pytest.approx(2 * math.log(4), abs=0.05)
    assert min(nats) == pytest.approx(-prior.log_prob(val).mean().item(), abs=1e-4)
    drawn = prior.sample(500, torch.Generator().manual_seed(0))[..., 0]
    assert (drawn[:, 0] == drawn[:, 1]).float().mean() > 0.97


def test_the_best_epoch_counts_and_is_scored_in_full_precision() -> None:
    # Eight grids for training are learned by heart: what others cost rises again.
    grids = torch.randint(0, 4, (400, 1, 1), dtype=torch.uint8)
    grids[:8] = grids[:8] % 2
    prior = CodePrior(LatentQuantizer(groups=2, channels=1, levels=4, bound=2.0, discrete=True), width=16, layers=1)
    data = Grids(grids[:8], grids[8:])
    nats = train_prior(prior, Copied(), data, trainer=quick_trainer(30, "bf16-mixed"), lr=1e-2, seed=0)
    assert nats[-1] > min(nats) + 0.1
    val = grids[8:, 0].long().expand(-1, 2)[..., None]
    assert min(nats) == pytest.approx(-prior.log_prob(val).mean().item(), abs=1e-5)


def test_training_that_diverges_is_a_fault() -> None:
    grids = torch.randint(0, 4, (100, 1, 1), dtype=torch.uint8)
    prior = CodePrior(LatentQuantizer(groups=2, channels=1, levels=4, bound=2.0, discrete=True), width=16, layers=1)
    data = Grids(grids, grids)
    with pytest.raises(NonFiniteError, match=r"nats after epoch 1; lower prior\.lr"):
        train_prior(prior, Copied(), data, trainer=quick_trainer(2), lr=1e30, seed=0)


def test_independent_cost_is_finite_for_what_never_occurred() -> None:
    train, val = torch.zeros(8, 1, 1, dtype=torch.long), torch.ones(1, 1, 1, dtype=torch.long)
    assert independent_nats(train, val, 2) == pytest.approx(math.log(10))


def test_independent_cost_counts_each_latent_on_its_own() -> None:
    # The first latent is always 0: (4 + 1) / (4 + 2); the second half and half: (2 + 1) / (4 + 2).
    train = torch.tensor([[0, 0], [0, 1], [0, 0], [0, 1]])[..., None]
    expected = -math.log(5 / 6) - math.log(1 / 2)
    assert independent_nats(train, train, 2) == pytest.approx(expected)


def test_the_model_is_neither_trained_nor_part_of_what_is_trained() -> None:
    quantizer = LatentQuantizer(groups=2, channels=1, levels=4, bound=2.0, discrete=True)
    model = Copied()
    module = PriorModule(CodePrior(quantizer, width=16, layers=1), model, lr=1e-2)
    assert not any(isinstance(part, GridModel) for part in module.modules())
    grids = torch.tensor([3, 1], dtype=torch.uint8)[:, None, None]
    assert module.tokens(grids).flatten(1).tolist() == [[3, 3], [1, 1]]
