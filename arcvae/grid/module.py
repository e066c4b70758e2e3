"""The LightningModule of the grid task: a beta-VAE, trained by reconstruction plus beta times KL."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from arcvae.grid.elbo import BetaSchedule, free_bits
from arcvae.grid.models.base import GridModel
from arcvae.imbalance.losses import ImbalanceLoss
from arcvae.training.module import ImbalanceModule, StepOutput
from arcvae.training.task import Task


class GridModule(ImbalanceModule):
    """Loss = R + beta * KL, both in nats per grid when the reconstruction is a sum over cells.

    It is a bound on the log-likelihood of a grid only if R is cross-entropy without class weights, and beta 1; the
    likelihood of any model is measured after training (:mod:`arcvae.grid.analysis.likelihood`).

    Training decodes a sample of the posterior, evaluation its mean.

    Args:
        task: See :class:`ImbalanceModule`.
        model: Encoder and decoder.
        loss: Reconstruction loss R.
        optimizer: See :class:`ImbalanceModule`.
        scheduler: See :class:`ImbalanceModule`.
        beta: Schedule, with its free bits; beta follows the clock.
        seed: Seed of the posterior samples.
    """

    part_names = ("reconstruction", "kl")
    fitted = "reconstruction"

    def __init__(
        self,
        task: Task[Any, Any],
        model: GridModel,
        loss: ImbalanceLoss,
        optimizer: Callable[[Iterable[nn.Parameter]], Optimizer] | None,
        scheduler: Callable[[Optimizer, int, int], LRScheduler] | None = None,
        *,
        beta: BetaSchedule,
        seed: int = 0,
    ) -> None:
        vectors = ("kl_per_dim", "code_variance") if model.digits > 1 else ("kl_per_dim",)
        super().__init__(
            task,
            loss,
            optimizer,
            scheduler,
            num_classes=model.num_colors,
            seed=seed,
            vector_sizes=dict.fromkeys(vectors, len(model.kl_names)),
        )
        # Channels last in memory: 1.3 times faster to train on a CPU, and an argmax over colours 8 times.
        self.model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.schedule = beta

    @property
    def beta(self) -> float:
        """Beta at the present time; at its end for a module that is not being trained."""
        return self.schedule(self.clock.epoch)

    @property
    def ramp_epochs(self) -> float:
        """Epochs in which beta or the loss still changes by plan."""
        return max(self.schedule.ramp_epochs, super().ramp_epochs)

    @property
    def beta_per_grid(self) -> float:
        """Beta against a reconstruction in nats per grid: a mean over cells makes it as many times stronger."""
        return self.beta * self._cells_of_a_mean

    @property
    def largest_beta_per_grid(self) -> float:
        """:attr:`beta_per_grid` at the top of the schedule."""
        return self.schedule.maximum * self._cells_of_a_mean

    def beta_per_grid_of(self, beta: float | None) -> float:
        """:attr:`beta_per_grid` of a ``beta``; if that is None, of the present time."""
        return self.beta_per_grid if beta is None else beta * self._cells_of_a_mean

    @property
    def _cells_of_a_mean(self) -> int:
        return self.model.grid_size**2 if self.loss.means_over_elements else 1

    def step(self, batch: Tensor, stage: str) -> StepOutput:
        """Batch: grids ``(N, S, S)``, any integer type."""
        encoder, decoder = self.model.encoder, self.model.decoder
        if stage == "train":
            encoder, decoder = self.model.latent_networks()
            self.step_scalars |= {"beta": self.beta, "beta_per_grid": self.beta_per_grid}
        mu, logvar = encoder(batch)
        mu, logvar = mu.float(), logvar.float()  # (N, K D); the KL does not survive half precision
        z = self.model.sample_posterior(mu, logvar, self.model.training_noise(mu)) if stage == "train" else mu
        logits = decoder(z)  # (N, C, S, S)
        reconstruction = self.loss(logits, batch)
        kl_per_dim = self.model.kl(mu, logvar).mean(0).view(-1, len(self.model.kl_names)).sum(0)  # (D,)
        loss = reconstruction + self.beta * free_bits(kl_per_dim, self.schedule.free_nats)
        parts = {"reconstruction": reconstruction, "kl": kl_per_dim.sum()}
        vectors = {"kl_per_dim": kl_per_dim}
        if "code_variance" in self.vector_names:
            vectors["code_variance"] = mu.var(0, correction=0).view(-1, len(self.model.kl_names)).mean(0)  # (D,)
        return StepOutput(loss, logits, batch, parts, vectors)
