"""The grid task: a beta-VAE, trained by reconstruction plus beta times KL."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from arcvae.grid.elbo import BetaSchedule, free_bits, gaussian_kl
from arcvae.grid.models.beta_vae import BetaVAE
from arcvae.grid.models.packing import digits_of, networks_of_latents
from arcvae.imbalance.losses import ImbalanceLoss
from arcvae.training.diagnosis import Finding
from arcvae.training.module import Figure, ImbalanceModule, StepOutput

ACTIVE_NATS = 0.05
"""A latent dimension with a mean KL above this carries information."""
ACTIVE_VARIANCE = 0.01
"""A number of a packed code, whose KL is the same for any grid, does if its variance over grids is above this."""
COLLAPSED = 25.6
"""Effective beta (0.1 on a mean over 256 cells) at which weighted losses collapsed."""
COLLAPSED_UNWEIGHTED = 1.0
"""Effective beta at which unweighted losses, to which objects mean little, collapsed."""


class GridModule(ImbalanceModule):
    """Loss = R + beta * KL, both in nats per grid when the reconstruction is summed over cells.

    Training decodes a sample of the posterior, evaluation its mean.

    Args:
        model: Encoder and decoder.
        loss: Reconstruction loss R.
        optimizer: See :class:`ImbalanceModule`.
        scheduler: See :class:`ImbalanceModule`.
        beta: Schedule, with its free bits; the ``BetaAnnealing`` callback follows it. Without the callback beta
            stays at its end.
        seed: Seed of the posterior samples.
    """

    part_names = ("reconstruction", "kl")
    derived_names = ("active_dims", "beta")
    renamed = {"accuracy": "pixel_accuracy"}
    trivial_name = "all-background"
    collapse_figures = ("predicted_background_share", "object_recall")
    decision_metric = "object_f1"
    headline = (
        "pixel_accuracy", "object_recall", "object_precision", "object_f1", "balanced_accuracy", "mean_iou",
        "exact_match", "kl", "active_dims",
    )  # fmt: skip

    def __init__(
        self,
        model: BetaVAE,
        loss: ImbalanceLoss,
        optimizer: Callable[[Iterable[nn.Parameter]], Optimizer] | None,
        scheduler: Callable[[Optimizer, int, int], LRScheduler] | None = None,
        *,
        beta: BetaSchedule,
        seed: int = 0,
    ) -> None:
        packed = digits_of(model.encoder) > 1
        super().__init__(
            loss,
            optimizer,
            scheduler,
            num_classes=model.num_colors,
            background=0,
            seed=seed,
            vector_sizes=dict.fromkeys(
                ("kl_per_dim", "code_variance") if packed else ("kl_per_dim",), model.latent_dim
            ),
        )
        # Channels last in memory: 1.3 times faster to train on a CPU, and an argmax over colours 8 times.
        self.model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.schedule = beta
        self.ramp_epochs = beta.ramp_epochs
        self.beta = beta(math.inf)

    @property
    def effective_beta(self) -> float:
        """Beta against a reconstruction in nats per grid: a mean over cells makes it as many times stronger."""
        return self.beta * self._cells_of_a_mean

    @property
    def largest_effective_beta(self) -> float:
        """Effective beta at the top of the schedule."""
        return self.schedule.maximum * self._cells_of_a_mean

    @property
    def _cells_of_a_mean(self) -> int:
        return self.model.grid_size**2 if self.loss.reduction == "mean" else 1

    def step(self, batch: Tensor, stage: str) -> StepOutput:
        """Batch: grids ``(N, S, S)``, any integer type."""
        encoder, decoder = self.model.encoder, self.model.decoder
        if stage == "train":
            encoder, decoder = networks_of_latents(encoder, decoder)
        mu, logvar = encoder(batch)
        mu, logvar = mu.float(), logvar.float()  # (N, K D); the KL does not survive half precision
        z = mu + torch.randn_like(mu) * (0.5 * logvar).exp() if stage == "train" else mu
        logits = decoder(z)  # (N, C, S, S)
        reconstruction = self.loss(logits, batch)
        kl_per_dim = gaussian_kl(mu, logvar).mean(0).view(-1, self.model.latent_dim).sum(0)  # (D,)
        loss = reconstruction + self.beta * free_bits(kl_per_dim, self.schedule.free_nats)
        parts = {"reconstruction": reconstruction, "kl": kl_per_dim.sum()}
        vectors = {"kl_per_dim": kl_per_dim}
        if "code_variance" in self.vector_names:
            vectors["code_variance"] = mu.var(0, correction=0).view(-1, self.model.latent_dim).mean(0)  # (D,)
        return StepOutput(loss, logits, batch, parts, vectors)

    def derive(self, results: dict[str, Figure]) -> dict[str, Figure]:
        # Burda et al. 2016, section 5.2, tell active dimensions by the variance of the mean code.
        packed = "code_variance" in results
        values = results["code_variance" if packed else "kl_per_dim"]
        threshold = ACTIVE_VARIANCE if packed else ACTIVE_NATS
        assert isinstance(values, list)
        return {"active_dims": sum(value > threshold for value in values), "beta": self.beta}

    def trivial(self) -> dict[str, Figure]:
        """The code of a predictor that looks at nothing."""
        return {"kl": 0.0, "kl_per_dim": [0.0] * self.model.latent_dim, "active_dims": 0}

    def verdict(self, results: dict[str, Figure]) -> dict[str, Any]:
        """Mode collapse, and posterior collapse: fewer than half of the dimensions carry information."""
        active = results["active_dims"]
        assert isinstance(active, int)
        return super().verdict(results) | {
            "posterior_collapse": 2 * active < self.model.latent_dim,
            "active_dims": active,
            "latent_dim": self.model.latent_dim,
        }

    def notes(self) -> list[str]:
        """How strong the KL is, and a warning where that strength ended badly before."""
        cells = self.model.grid_size**2
        effective = self.largest_effective_beta
        schedule = type(self.schedule).__name__
        lines = [
            f"KL weight: beta up to {self.schedule.maximum:g} ({schedule}) against a {self.loss.reduction} over "
            f"{cells} cells: effective beta {effective:g} against nats per grid"
        ]
        free = self.schedule.free_nats * self.model.latent_dim
        if free:
            lines.append(f"KL floor: {free:g} nats per grid cost nothing; dimensions count as active at that already")
        limit = COLLAPSED_UNWEIGHTED if self.loss.class_weights is None else COLLAPSED
        if effective >= limit and not free:
            lines.append(
                f"WARNING: runs with an effective beta of {limit:g} collapsed before; lower beta.maximum"
                + (" or use loss.reduction=sum" if self.loss.reduction == "mean" else "")
            )
        return lines

    def further_findings(self, results: dict[str, Figure]) -> list[Finding]:
        """Posterior collapse, with the strength of the KL that caused it."""
        active, kl = results["active_dims"], results["kl"]
        assert isinstance(active, int)
        if 2 * active >= self.model.latent_dim:
            return []
        evidence = f"carry more than {ACTIVE_NATS} nats ({kl:.2f} nats per grid in all): the decoder ignores the code"
        if "code_variance" in results:
            evidence = f"vary over grids (variance above {ACTIVE_VARIANCE}): the code says nothing"
        return [
            Finding(
                "posterior collapse",
                f"{active} of {self.model.latent_dim} dimensions {evidence}",
                *self._cause_of_collapse(),
            )
        ]

    def _cause_of_collapse(self) -> tuple[str, str]:
        """Cause and remedy of an empty code."""
        if not self.largest_effective_beta:
            return "the code costs nothing, so the decoder has not learned to read it yet", "train longer"
        scale = "use loss.reduction=sum, " if self.loss.reduction == "mean" else ""
        return (
            f"an effective beta of {self.largest_effective_beta:g} against nats per grid, reached after "
            f"{self.ramp_epochs:g} epochs, costs more than the code has saved by then",
            f"{scale}lower beta.maximum, raise beta.free_nats, or give objects time to be learned first (beta.hold, "
            "beta.ramp)",
        )

    def study(self, *arguments: Any, **options: Any) -> dict[str, Any]:
        """Likelihood, codes, traversals and interpolations; see :func:`arcvae.grid.analysis.study.study`."""
        from arcvae.grid.analysis.study import (
            study,
        )  # scikit-learn takes a second to import, and training needs none of it

        return study(self, *arguments, **options)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep beta: the loss of this epoch cannot be computed without."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["beta"] = self.beta

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take beta back."""
        super().on_load_checkpoint(checkpoint)
        self.beta = float(checkpoint.get("beta", self.beta))

    def exports(self) -> dict[str, dict[str, Tensor]]:
        """What is worth keeping without Lightning: the networks, apart and together."""
        encoder, decoder = self.model.encoder.state_dict(), self.model.decoder.state_dict()
        return {"encoder": encoder, "decoder": decoder, "vae_best": self.model.state_dict()}
