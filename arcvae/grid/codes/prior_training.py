"""Training of an autoregressive prior on the codes of a corpus."""

from __future__ import annotations

import logging
import math
from typing import Any

import torch
from lightning.pytorch import LightningDataModule, LightningModule, Trainer
from torch import Tensor

from arcvae.errors import NonFiniteError
from arcvae.grid.codes.prior import CodePrior
from arcvae.grid.codes.sampling import posterior_latents
from arcvae.grid.models.base import GridModel
from arcvae.training.scheduler import warmup_then_decay

log = logging.getLogger(__name__)


class PriorModule(LightningModule):
    """Trains a prior with Lightning: its loss is the negative log-likelihood of the codes of grids, in nats.

    Args:
        prior: Trained in place.
        model: Encodes the grids; neither trained nor moved.
        lr: Peak of the learning rate, which follows a short warm-up and a cosine.
        seed: Seed of the posterior samples.
    """

    def __init__(self, prior: CodePrior, model: GridModel, lr: float, seed: int = 0) -> None:
        super().__init__()
        self.prior, self.lr = prior, lr
        self._model = [model]  # in a list, it is not a submodule
        self._generator = torch.Generator().manual_seed(seed)
        self.nats: list[float] = []
        """Mean negative log-likelihood of a code of the validation split after each epoch."""
        self.best: dict[str, Tensor] = {}
        """Weights of the prior after the best of these epochs."""
        self._costs: list[Tensor] = []

    def tokens(self, grids: Tensor) -> Tensor:
        """Tokens of grids ``(N, S, S)``: of a sample of the posterior of each."""
        with torch.autocast(self.device.type, enabled=False):  # as the encoder computes everywhere else
            latents = posterior_latents(self._model[0], grids, device=self.device, generator=self._generator)
        return self.prior.quantizer.tokens(latents).to(self.device)

    def training_step(self, grids: Tensor, batch_idx: int) -> Tensor:
        """Mean negative log-likelihood of the codes of a batch."""
        cost = -self.prior.log_prob(self.tokens(grids)).mean()
        self.log("nats", cost, prog_bar=True, batch_size=len(grids))
        return cost

    def validation_step(self, grids: Tensor, batch_idx: int) -> None:
        """Collect the negative log-likelihood of each code, in float32 whatever precision trains."""
        with torch.autocast(self.device.type, enabled=False):
            self._costs.append(-self.prior.log_prob(self.tokens(grids)).cpu().double())

    def on_validation_epoch_end(self) -> None:
        """Log the mean and keep the weights of the best epoch."""
        nats = torch.cat(self._costs).mean().item()
        self._costs = []
        if not math.isfinite(nats):
            raise NonFiniteError(f"a code costs {nats} nats after epoch {self.current_epoch + 1}; lower prior.lr")
        log.info("Epoch %d: a code of val costs %.2f nats", self.current_epoch + 1, nats)
        if nats < min(self.nats, default=math.inf):
            self.best = {name: tensor.detach().clone() for name, tensor in self.prior.state_dict().items()}
        self.nats.append(nats)

    def configure_optimizers(self) -> Any:
        """AdamW with a learning rate that changes with every step."""
        optimizer = torch.optim.AdamW(self.prior.parameters(), self.lr, betas=(0.9, 0.98), weight_decay=0.05)
        steps, epochs = int(self.trainer.estimated_stepping_batches), self.trainer.max_epochs or 1
        schedule = warmup_then_decay(optimizer, steps, epochs, warmup_epochs=0.5, warmup_share=0.05)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def train_prior(
    prior: CodePrior, model: GridModel, data: LightningDataModule, *, trainer: Trainer, lr: float, seed: int
) -> list[float]:
    """Train a prior in place, on the codes of batches such as its model was trained on.

    Args:
        prior: Newly initialised.
        model: Encodes the grids; in evaluation mode.
        data: Batches of grids ``(N, S, S)``.
        trainer: Without a sanity check, which would count as an epoch.
        lr: Peak of the learning rate.
        seed: Seed of the posterior samples.

    Returns:
        Mean negative log-likelihood in nats of a code of the validation split after each epoch. The prior keeps the
        weights of the best epoch.

    Raises:
        NonFiniteError: Training diverged.
    """
    module = PriorModule(prior, model, lr, seed)
    trainer.fit(module, datamodule=data)
    prior.load_state_dict(module.best)
    prior.eval()
    return module.nats


def independent_nats(train: Tensor, val: Tensor, levels: int) -> float:
    """Mean negative log-likelihood, in nats, of the codes of ``val`` if latents were independent of each other.

    Each latent has the frequencies of its tokens in ``train``; one is added to every count, so that a token that never
    occurred is not impossible. This is what a trained prior has to beat.

    Args:
        train: Tokens, ``(N, groups, channels)``.
        val: Tokens, ``(M, groups, channels)``.
        levels: Size of the vocabulary.

    Example:
        >>> tokens = torch.tensor([[[0]], [[0]], [[1]]])  # frequencies (2 + 1) / 5 and (1 + 1) / 5
        >>> round(independent_nats(tokens, tokens[:1], 2), 4)  # -log 0.6
        0.5108
    """
    latents = train[0].numel()
    bins = train.flatten(1) + levels * torch.arange(latents)  # (N, L)
    counts = torch.bincount(bins.flatten(), minlength=latents * levels).view(latents, levels) + 1
    costs = math.log(len(train) + levels) - counts.double().log()
    return costs.gather(1, val.flatten(1).T).sum(0).mean().item()
