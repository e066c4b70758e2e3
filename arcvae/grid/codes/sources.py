"""Sources of codes for ``arcvae.sample``: what the config group ``prior`` builds, one class for each file in it."""

from __future__ import annotations

import copy
import logging
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from lightning.pytorch import Trainer
from numpy.typing import NDArray
from tqdm.contrib.logging import logging_redirect_tqdm

from arcvae.errors import CheckpointError
from arcvae.grid.codes.object_prior import ObjectPrior
from arcvae.grid.codes.prior import CodePrior
from arcvae.grid.codes.prior_files import load_prior, save_prior
from arcvae.grid.codes.prior_training import independent_nats, train_prior
from arcvae.grid.codes.quantization import LatentQuantizer
from arcvae.grid.codes.sampling import (
    fitted_object_prior,
    mixture_codes,
    normal_codes,
    posterior_codes,
    posterior_latents,
)
from arcvae.grid.corpus.data import GridDataModule
from arcvae.grid.models.base import GridModel
from arcvae.grid.models.objects import ObjectsVAE
from arcvae.training.display import EpochProgress
from arcvae.training.hardware import flush_denormals, keep_freed_memory, resolve_precision

log = logging.getLogger(__name__)

Draw = tuple[NDArray[np.float32], dict[str, Any] | None]
"""Codes ``(N, D)``, and how well a prior was fitted if this draw has fitted one."""


class CodeSource(ABC):
    """Where the codes of new grids come from."""

    description: ClassVar[str]
    """What the codes are drawn from, as the title of a picture says it."""

    @abstractmethod
    def draw(
        self, model: GridModel, data: GridDataModule, count: int, seed: int, folder: Path, device: torch.device
    ) -> Draw:
        """Draw codes.

        Args:
            model: Trained, in evaluation mode.
            data: The corpus that distributions are fitted to.
            count: N, >= 1.
            seed: The same seed draws the same codes.
            folder: Existing folder for what the source leaves beside the codes.
            device: Of the model.

        Returns:
            Codes ``(N, D)`` float32, and what ``metrics.json`` records of a prior that was trained for this draw.
        """


@dataclass(frozen=True)
class NormalPrior(CodeSource):
    """The prior of the model, towards which the KL draws the codes: N(0, I), of objects for their shapes."""

    description: ClassVar[str] = "N(0, I)"

    def draw(
        self, model: GridModel, data: GridDataModule, count: int, seed: int, folder: Path, device: torch.device
    ) -> Draw:
        """See :meth:`CodeSource.draw`."""
        if model.slots is None:
            return normal_codes(count, model.latent_dim, seed), None
        return model.sample_prior(count, torch.Generator().manual_seed(seed)).numpy(), None


@dataclass(frozen=True)
class PosteriorCodes(CodeSource):
    """Posterior samples of training grids: nothing new, but the codes that the decoder has learned to read."""

    description: ClassVar[str] = "the posteriors of training grids"

    def draw(
        self, model: GridModel, data: GridDataModule, count: int, seed: int, folder: Path, device: torch.device
    ) -> Draw:
        """See :meth:`CodeSource.draw`."""
        return posterior_codes(model, data.splits["train"], count, seed=seed, device=device), None


@dataclass(frozen=True)
class MixturePrior(CodeSource):
    """A Gaussian mixture that is fitted to the codes of the train split.

    Args:
        components: Gaussians, >= 1.
    """

    components: int = 32
    description: ClassVar[str] = "a mixture fitted to codes"

    def draw(
        self, model: GridModel, data: GridDataModule, count: int, seed: int, folder: Path, device: torch.device
    ) -> Draw:
        """See :meth:`CodeSource.draw`."""
        _refuse_objects(model, "aggregate")
        grids = data.splits["train"]
        return mixture_codes(model, grids, count, components=self.components, seed=seed, device=device), None


@dataclass(frozen=True)
class FittedObjects(CodeSource):
    """An :class:`~arcvae.grid.codes.object_prior.ObjectPrior`: how many objects, which colours and shapes, and where.

    Args:
        components: Gaussians that the shapes are described by, >= 1.
        temperature: See :meth:`~arcvae.grid.codes.object_prior.ObjectPrior.codes`.
    """

    components: int = 256
    temperature: float = 1.0
    description: ClassVar[str] = "a prior fitted to the objects of the corpus"

    def draw(
        self, model: GridModel, data: GridDataModule, count: int, seed: int, folder: Path, device: torch.device
    ) -> Draw:
        """See :meth:`CodeSource.draw`; leaves ``prior.safetensors`` in the folder.

        Raises:
            CheckpointError: A model whose codes are not made of objects.
        """
        if not isinstance(model, ObjectsVAE):
            raise CheckpointError("prior=objects is for models whose codes are objects; train one with model=objects")
        started = time.perf_counter()
        log.info("Fitting a prior to the objects of the train split")
        grids = data.splits["train"]
        prior = fitted_object_prior(model, grids, components=self.components, seed=seed, device=device)
        fit = {"components": prior.sizes["components"], "seconds": time.perf_counter() - started}
        save_prior(folder / "prior.safetensors", prior, model)
        return prior.codes(model, count, seed, self.temperature).numpy(), fit


@dataclass(frozen=True)
class AutoregressivePrior(CodeSource):
    """A :class:`~arcvae.grid.codes.prior.CodePrior`: trained on the codes of the train split, or read from a file.

    Args:
        path: ``prior.safetensors`` of an earlier draw; the settings of training are then unused. None: train one and
            leave it in the folder of the draw.
        temperature: Of the draw, >= 0.001; below 1: more typical codes, less variety.
        max_epochs: Epochs of training.
        batch_size: Grids of a training step.
        lr: Peak of the learning rate.
        augment: Turn and recolour the training grids as was done for the model.
        width: Features of each group of latents, divisible by 4.
        layers: Layers of the transformer.
    """

    path: str | None = None
    temperature: float = 1.0
    max_epochs: int = 10
    batch_size: int = 64
    lr: float = 1.5e-3
    augment: bool = True
    width: int = 128
    layers: int = 3
    description: ClassVar[str] = "the autoregressive prior"

    def draw(
        self, model: GridModel, data: GridDataModule, count: int, seed: int, folder: Path, device: torch.device
    ) -> Draw:
        """See :meth:`CodeSource.draw`; leaves ``prior.safetensors`` in the folder if it trains one.

        Raises:
            CheckpointError: ``path`` is not a prior of this model.
            NonFiniteError: Training diverged.
        """
        _refuse_objects(model, "autoregressive")
        fit = None
        prior: CodePrior | ObjectPrior
        if self.path:
            prior = load_prior(self.path, model)
        else:
            torch.manual_seed(seed)
            prior = autoregressive = CodePrior(LatentQuantizer.of(model), self.width, self.layers)
            fit = self._train(autoregressive, model, data, seed, folder, device)
            save_prior(folder / "prior.safetensors", prior, model)
        prior.to(device)
        return prior.codes(model, count, seed, self.temperature).numpy(), fit

    def _train(
        self, prior: CodePrior, model: GridModel, data: GridDataModule, seed: int, folder: Path, device: torch.device
    ) -> dict[str, Any]:
        """Train a prior on the codes of the train split; returns its figures and those of independent latents."""
        flush_denormals()
        keep_freed_memory()
        started = time.perf_counter()
        trivial = _independent(prior.quantizer, model, data, seed, device)
        precision: Any = resolve_precision("auto", device.type)
        trainer = Trainer(
            max_epochs=self.max_epochs, accelerator=device.type, devices=1, precision=precision,
            gradient_clip_val=1.0, logger=False, enable_checkpointing=False, enable_model_summary=False,
            num_sanity_val_steps=0, callbacks=[EpochProgress(refresh_rate=10)], default_root_dir=folder,
        )  # fmt: skip
        batches = copy.copy(data)  # shares the grids; the caller's data module keeps its settings
        batches.batch_size = self.batch_size
        batches.symmetries = data.symmetries and self.augment
        batches.permute_colors = data.permute_colors and self.augment
        log.info("Training a prior of %d parameters", sum(parameter.numel() for parameter in prior.parameters()))
        with logging_redirect_tqdm():
            nats = train_prior(prior, model, batches, trainer=trainer, lr=self.lr, seed=seed)
        seconds = time.perf_counter() - started
        log.info("A code of val costs %.2f nats; with independent latents %.2f (%.0f s)", min(nats), trivial, seconds)
        return {"nats_per_code": nats, "independent_nats_per_code": trivial, "seconds": seconds}


def _refuse_objects(model: GridModel, name: str) -> None:
    """Codes of objects hold choices, which no distribution of numbers alone describes."""
    if model.slots is not None:
        raise CheckpointError(f"prior={name} is not for codes of objects; use prior=objects")


def _independent(
    quantizer: LatentQuantizer, model: GridModel, data: GridDataModule, seed: int, device: torch.device
) -> float:
    """Nats of a code of the validation split with independent latents; warns of latents that the bins do not hold."""
    generator = torch.Generator().manual_seed(seed)
    train, val = (
        posterior_latents(model, data.splits[split], device=device, generator=generator) for split in ("train", "val")
    )
    outside = 0.0 if quantizer.discrete else (train.abs() > quantizer.bound).float().mean().item()
    if outside > 0.01:
        log.warning(
            "%.0f %% of the latents are beyond %g: the prior cannot tell them apart", 100 * outside, quantizer.bound
        )
    return independent_nats(quantizer.tokens(train), quantizer.tokens(val), quantizer.levels)
