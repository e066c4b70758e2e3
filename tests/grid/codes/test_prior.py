"""Autoregressive priors: they sum to one, are drawn from as they say, and learn what there is to learn."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import LightningDataModule, Trainer
from torch import nn
from torch.utils.data import DataLoader

from arcvae.errors import CheckpointError, NonFiniteError
from arcvae.grid.codes.prior import Alphabet, CodePrior, load_prior, save_prior
from arcvae.grid.codes.prior_training import independent_nats, train_prior
from arcvae.grid.models.beta_vae import BetaVAE
from arcvae.grid.models.packing import codes_of_latents, latents_of_codes, middle_of
from arcvae.grid.models.spatial import SpatialVAE
from arcvae.io.tensors import load_safetensors, save_safetensors

SMALL = Alphabet(places=2, channels=2, levels=2, bound=2.0, discrete=True)


def packed_model() -> SpatialVAE:
    return SpatialVAE(latent_dim=8, width=8, patch_width=16, digits=4, levels=5)


def prior_of(alphabet: Alphabet, width: int = 8, scale: float = 0.0) -> CodePrior:
    """A small prior; with a scale, one that is far from uniform."""
    prior = CodePrior(alphabet, width=width, layers=1)
    with torch.no_grad():
        for parameter in prior.parameters() if scale else ():
            parameter += scale * torch.randn_like(parameter)
    return prior.eval()


def all_codes(alphabet: Alphabet) -> torch.Tensor:
    """Every code that there is, ``(N, places, channels)``."""
    length = alphabet.places * alphabet.channels
    codes = torch.tensor(list(itertools.product(range(alphabet.levels), repeat=length)))
    return codes.view(-1, alphabet.places, alphabet.channels)


def test_symbols_of_packed_codes_are_their_digits_and_nothing_is_lost() -> None:
    model = packed_model()
    alphabet = Alphabet.of(model)
    latents = 2 * torch.randn(50, 32)
    z = codes_of_latents(model.decoder, latents)
    symbols = alphabet.symbols(latents_of_codes(model.decoder, z))
    assert symbols.shape == (50, 16, 2)
    assert set(symbols.unique().tolist()) == {0, 1, 2, 3, 4}
    again = codes_of_latents(model.decoder, alphabet.latents(symbols, torch.Generator()))
    assert (again == z).all()


def test_symbols_of_a_patch_are_those_of_its_latents() -> None:
    # Latents are a map of channels: number 16 c + p belongs to patch p. The wrong order is that of a plain view.
    latents = torch.zeros(1, 32)
    latents[0, 16 + 3] = 1.9
    symbols = Alphabet.of(packed_model()).symbols(latents)
    assert (symbols == 4).nonzero().tolist() == [[0, 3, 1]]


def test_bins_of_continuous_latents_are_filled_evenly_and_hold_what_is_far_out() -> None:
    alphabet = Alphabet.of(BetaVAE(latent_dim=2, widths=[4, 4, 4], hidden=8))
    latents = torch.tensor([[0.3, -9.0]]).repeat(2000, 1)
    found = alphabet.latents(alphabet.symbols(latents), torch.Generator().manual_seed(0))
    near = found[:, 0]  # 0.3 lies in the bin from 0.25 to 0.3125
    assert 0.25 <= near.min() <= near.max() <= 0.3125
    assert near.mean().item() == pytest.approx(0.28125, abs=0.002)
    assert near.std().item() == pytest.approx(0.0625 / math.sqrt(12), abs=0.001)
    assert -4 <= found[:, 1].min() <= found[:, 1].max() <= -3.9375


def test_scores_depend_on_earlier_symbols_alone() -> None:
    prior = prior_of(Alphabet.of(packed_model()), scale=0.3)
    symbols = torch.randint(0, 5, (3, 16, 2))
    before = prior(symbols).flatten(1, 2)
    for place, channel in ((0, 0), (0, 1), (7, 0), (15, 1)):
        changed = symbols.clone()
        changed[:, place, channel] = (changed[:, place, channel] + 1) % 5
        differs = ((prior(changed).flatten(1, 2) - before).abs().amax((0, 2)) > 1e-5).tolist()
        position = 2 * place + channel
        assert differs == [False] * (position + 1) + [True] * (31 - position)


def test_probabilities_of_all_codes_sum_to_one() -> None:
    probabilities = (-prior_of(SMALL, scale=0.5).nats(all_codes(SMALL))).exp()
    assert probabilities.sum().item() == pytest.approx(1, abs=1e-5)
    assert probabilities.std() > 0.02  # it is not uniform: this would hold for much wrong code


def test_draws_are_as_frequent_as_the_prior_says() -> None:
    prior = prior_of(SMALL, scale=0.5)
    drawn = prior.sample(40_000, torch.Generator().manual_seed(0)).flatten(1)
    frequency = torch.bincount((drawn * torch.tensor([8, 4, 2, 1])).sum(1), minlength=16) / len(drawn)
    # Four standard errors of the rarest and the most frequent ones: 4 sqrt(.25 / 40000) = .01.
    assert frequency.tolist() == pytest.approx((-prior.nats(all_codes(SMALL))).exp().tolist(), abs=0.01)


def test_temperature_sharpens_every_choice() -> None:
    alphabet = Alphabet(places=1, channels=1, levels=3, bound=2.0, discrete=True)
    prior = prior_of(alphabet, scale=0.5)
    scores = -prior.nats(all_codes(alphabet))
    drawn = prior.sample(40_000, torch.Generator().manual_seed(0), temperature=0.5).flatten()
    frequency = torch.bincount(drawn, minlength=3) / len(drawn)
    assert frequency.tolist() == pytest.approx((2 * scores).softmax(0).tolist(), abs=0.01)


def test_the_same_seed_draws_the_same_codes() -> None:
    model = packed_model()
    prior = prior_of(Alphabet.of(model))
    first, again, other = (prior.codes(model.decoder, 6, seed) for seed in (0, 0, 1))
    assert first.shape == (6, 8)
    assert (first == again).all()
    assert (first != other).any()


class Copied(nn.Module):
    """An encoder of two latents, both as large as the first cell of the grid says."""

    def forward(self, grids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        mu = middle_of(grids[:, 0, :1].float(), 4).expand(-1, 2)
        return mu, torch.full_like(mu, -20.0)


class Grids(LightningDataModule):
    def __init__(self, train: torch.Tensor, val: torch.Tensor) -> None:
        super().__init__()
        self.train, self.val = train, val

    def train_dataloader(self) -> DataLoader[torch.Tensor]:
        return DataLoader(self.train, batch_size=50, shuffle=True)  # type: ignore[arg-type]

    def val_dataloader(self) -> DataLoader[torch.Tensor]:
        return DataLoader(self.val, batch_size=50)  # type: ignore[arg-type]


def test_none_one_and_many_codes_can_be_drawn_and_temperature_is_checked() -> None:
    decoder = packed_model().decoder
    prior = prior_of(Alphabet.of(packed_model()))
    for count in (0, 1, 2001):  # more than two batches
        assert prior.codes(decoder, count, 0).shape == (count, 8)
    for temperature in (1e-9, 0.0, -1.0, math.nan):
        with pytest.raises(ValueError, match=r"temperature must be at least 0\.001"):
            prior.sample(1, torch.Generator(), temperature)


def quick_trainer(epochs: int, precision: Any = "32-true") -> Trainer:
    return Trainer(
        max_epochs=epochs, accelerator="cpu", precision=precision, logger=False, enable_checkpointing=False,
        enable_model_summary=False, enable_progress_bar=False, num_sanity_val_steps=0,
    )  # fmt: skip


def test_training_learns_that_one_latent_repeats_another() -> None:
    # Uniform over 4 symbols, the second place copies the first: log 4 = 1.386 nats a code, twice that if independent.
    grids = torch.randint(0, 4, (2000, 1, 1), dtype=torch.uint8)
    alphabet = Alphabet(places=2, channels=1, levels=4, bound=2.0, discrete=True)
    prior = CodePrior(alphabet, width=16, layers=1)
    nats = train_prior(prior, Copied(), Grids(grids[:1800], grids[1800:]), trainer=quick_trainer(8), lr=1e-2, seed=0)
    assert len(nats) == 8
    assert nats[-1] == pytest.approx(math.log(4), abs=0.05)
    train, val = (part[:, 0].long().expand(-1, 2)[..., None] for part in (grids[:1800], grids[1800:]))
    assert independent_nats(train, val, 4) == pytest.approx(2 * math.log(4), abs=0.05)
    assert min(nats) == pytest.approx(prior.nats(val).mean().item(), abs=1e-4)
    drawn = prior.sample(500, torch.Generator().manual_seed(0))[..., 0]
    assert (drawn[:, 0] == drawn[:, 1]).float().mean() > 0.97


def test_the_best_epoch_counts_and_is_scored_in_full_precision() -> None:
    # Eight grids for training are learned by heart: what others cost rises again.
    grids = torch.randint(0, 4, (400, 1, 1), dtype=torch.uint8)
    grids[:8] = grids[:8] % 2
    prior = CodePrior(Alphabet(places=2, channels=1, levels=4, bound=2.0, discrete=True), width=16, layers=1)
    data = Grids(grids[:8], grids[8:])
    nats = train_prior(prior, Copied(), data, trainer=quick_trainer(30, "bf16-mixed"), lr=1e-2, seed=0)
    assert nats[-1] > min(nats) + 0.1
    val = grids[8:, 0].long().expand(-1, 2)[..., None]
    assert min(nats) == pytest.approx(prior.nats(val).mean().item(), abs=1e-5)


def test_training_that_diverges_is_a_fault() -> None:
    grids = torch.randint(0, 4, (100, 1, 1), dtype=torch.uint8)
    prior = CodePrior(Alphabet(places=2, channels=1, levels=4, bound=2.0, discrete=True), width=16, layers=1)
    data = Grids(grids, grids)
    with pytest.raises(NonFiniteError, match=r"nats after epoch 1; lower prior\.lr"):
        train_prior(prior, Copied(), data, trainer=quick_trainer(2), lr=1e30, seed=0)


def test_independent_cost_is_finite_for_what_never_occurred() -> None:
    train, val = torch.zeros(8, 1, 1, dtype=torch.long), torch.ones(1, 1, 1, dtype=torch.long)
    assert independent_nats(train, val, 2) == pytest.approx(math.log(10))


def test_prior_is_the_same_after_saving(tmp_path: Path) -> None:
    model = packed_model()
    prior = prior_of(Alphabet.of(model), scale=0.3)
    save_prior(tmp_path / "prior.safetensors", prior, model)
    again = load_prior(tmp_path / "prior.safetensors", model)
    symbols = torch.randint(0, 5, (3, 16, 2))
    assert (again.nats(symbols) == prior.nats(symbols)).all()
    assert not again.training


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"part": "decoder"}, "is not a prior of codes"),
        ({"format": 2}, "has format 2, this arcvae knows 1; update arcvae"),
        ({"prior": {"width": 8}}, "layers=None"),
        ({"prior": {"width": 10**9, "layers": 1}}, "width=1000000000"),
        ({"prior": {"width": 10, "layers": 1}}, "width=10 must be divisible by 4"),
        ({"prior": {"width": 16, "layers": 1}}, "has shape"),
        ({"decoder_sha256": "0"}, "is the prior of another model"),
    ],
)
def test_files_that_do_not_fit_are_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    model, path = packed_model(), tmp_path / "prior.safetensors"
    save_prior(path, prior_of(Alphabet.of(model)), model)
    tensors, facts = load_safetensors(path)
    save_safetensors(path, tensors, facts | changes)
    with pytest.raises(CheckpointError, match=message):
        load_prior(path, model)


def test_prior_of_another_decoder_is_refused(tmp_path: Path) -> None:
    model = packed_model()
    save_prior(tmp_path / "prior.safetensors", prior_of(Alphabet.of(model)), model)
    with pytest.raises(CheckpointError, match="of another model; train one for this"):
        load_prior(tmp_path / "prior.safetensors", packed_model())
