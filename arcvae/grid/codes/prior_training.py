"""Training of a prior on the codes of a corpus."""

from __future__ import annotations

import logging
import math
from typing import Any

import torch
from lightning.pytorch import LightningDataModule, LightningModule, Trainer
from torch import Tensor, nn

from arcvae.errors import NonFiniteError
from arcvae.grid.codes.prior import CodePrior
from arcvae.grid.codes.sampling import posterior_latents
from arcvae.training.scheduler import warmup_then_decay

log = logging.getLogger(__name__)


class PriorModule(LightningModule):
    """What Lightning needs to train a prior: the cost of codes, in nats, of grids that an encoder encodes.

    Args:
        prior: Trained in place.
        encoder: Grids to mu and logvar; stays as it is.
        lr: Peak of the learning rate, which follows a short warm-up and a cosine.
        seed: Seed of the noise of the codes.
    """

    def __init__(self, prior: CodePrior, encoder: nn.Module, lr: float, seed: int = 0) -> None:
        super().__init__()
        self.prior, self.lr = prior, lr
        self._encoder = [encoder]  # in a list it is no part of this module, and is neither trained nor moved
        self._noise = torch.Generator().manual_seed(seed)
        self.nats: list[float] = []
        """Mean cost of a code of the validation split after each epoch."""
        self.best: dict[str, Tensor] = {}
        """Weights of the prior after the epoch with the lowest cost."""
        self._costs: list[Tensor] = []

    def symbols(self, grids: Tensor) -> Tensor:
        """Grids ``(N, S, S)`` as symbols of their codes, a sample of the posterior each."""
        with torch.autocast(self.device.type, enabled=False):  # as the encoder computes everywhere else
            latents = posterior_latents(self._encoder[0], grids, device=self.device, generator=self._noise)
        return self.prior.alphabet.symbols(latents).to(self.device)

    def training_step(self, grids: Tensor, batch_idx: int) -> Tensor:
        """Mean nats of a code of the batch."""
        cost = self.prior.nats(self.symbols(grids)).mean()
        self.log("nats", cost, prog_bar=True, batch_size=len(grids))
        return cost

    def validation_step(self, grids: Tensor, batch_idx: int) -> None:
        """Keep the cost of every code, in float32 whatever precision trains."""
        with torch.autocast(self.device.type, enabled=False):
            self._costs.append(self.prior.nats(self.symbols(grids)).cpu().double())

    def on_validation_epoch_end(self) -> None:
        """Say what a code costs now, and keep the best weights."""
        nats = torch.cat(self._costs).mean().item()
        self._costs = []
        if not math.isfinite(nats):
            raise NonFiniteError(f"a code costs {nats} nats after epoch {self.current_epoch + 1}; lower prior.lr")
        log.info("Epoch %d: a code of val costs %.2f nats", self.current_epoch + 1, nats)
        if nats < min(self.nats, default=math.inf):
            self.best = {name: tensor.detach().clone() for name, tensor in self.prior.state_dict().items()}
        self.nats.append(nats)

    def configure_optimizers(self) -> Any:
        """AdamW; the schedule moves with every step."""
        optimizer = torch.optim.AdamW(self.prior.parameters(), self.lr, betas=(0.9, 0.98), weight_decay=0.05)
        steps, epochs = int(self.trainer.estimated_stepping_batches), self.trainer.max_epochs or 1
        schedule = warmup_then_decay(optimizer, steps, epochs, warmup_epochs=0.5, warmup_share=0.05)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def train_prior(
    prior: CodePrior, encoder: nn.Module, data: LightningDataModule, *, trainer: Trainer, lr: float, seed: int
) -> list[float]:
    """Train a prior in place, on batches as its model was trained on.

    Args:
        prior: New.
        encoder: Grids to mu and logvar, in evaluation mode.
        data: Batches of grids ``(N, S, S)``.
        trainer: Says for how many epochs, and where; without sanity check.
        lr: Peak of the learning rate.
        seed: Seed of the noise of the codes.

    Returns:
        Mean nats of a code of the validation split after each epoch. The prior keeps the weights of the best one.

    Raises:
        NonFiniteError: Training diverged.
    """
    module = PriorModule(prior, encoder, lr, seed)
    trainer.fit(module, datamodule=data)
    prior.load_state_dict(module.best)
    prior.eval()
    return module.nats


def independent_nats(train: Tensor, val: Tensor, levels: int) -> float:
    """Mean nats of the codes of ``val`` under the frequency of each symbol in ``train``, latent by latent.

    One is added to every count, so that what never occurred is not impossible.

    Args:
        train: Symbols, ``(N, places, channels)``.
        val: Symbols, ``(M, places, channels)``.
        levels: How many symbols there are.

    Example:
        >>> symbols = torch.tensor([[[0]], [[0]], [[1]]])  # frequencies (2 + 1) / 5 and (1 + 1) / 5
        >>> round(independent_nats(symbols, symbols[:1], 2), 4)  # -log 0.6
        0.5108
    """
    latents = train[0].numel()
    bins = train.flatten(1) + levels * torch.arange(latents)  # (N, L)
    counts = torch.bincount(bins.flatten(), minlength=latents * levels).view(latents, levels) + 1
    costs = math.log(len(train) + levels) - counts.double().log()
    return costs.gather(1, val.flatten(1).T).sum(0).mean().item()
