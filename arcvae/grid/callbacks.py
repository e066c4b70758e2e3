"""Callbacks of the grid task."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from arcvae.grid.analysis.objects import find_components
from arcvae.grid.analysis.pictures import codes_figure, mosaic, reconstruction_figure
from arcvae.grid.corpus.data import GridDataModule
from arcvae.grid.module import GridModule
from arcvae.io.files import write_atomic
from arcvae.training.checkpoint import model_checkpoint
from arcvae.training.loggers import log_picture, shows_pictures
from arcvae.training.plots import to_png

log = logging.getLogger(__name__)


class ReconstructionSnapshots(Checkpoint):
    """A picture of reconstructed training grids beside each checkpoint.

    ``reconstructions_epoch_N.png`` after epoch N, and ``reconstructions_best.png`` whenever the best checkpoint
    changes. Always the same grids, drawn once with the run's seed, so that the pictures can be compared.
    (A ``Checkpoint`` in Lightning's sense only so that it comes after the one that writes checkpoints.)

    Args:
        num_grids: Grids in a picture, >= 1.
        seed: Seed of their choice.
    """

    def __init__(self, num_grids: int = 10, seed: int = 0) -> None:
        super().__init__()
        self.num_grids, self.seed = num_grids, seed
        self.failed: list[str] = []
        self._best = ""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take note of the best checkpoint that a resumed run starts with."""
        checkpoint = model_checkpoint(trainer)
        self._best = str(checkpoint.best_model_score) if checkpoint else ""

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw what the checkpoints of this epoch reconstruct."""
        checkpoint = model_checkpoint(trainer)
        if not trainer.is_global_zero or checkpoint is None:
            return
        assert isinstance(pl_module, GridModule)
        folder = Path(str(checkpoint.dirpath))
        score = str(checkpoint.best_model_score)
        epoch = trainer.current_epoch + 1
        names = [f"reconstructions_epoch_{epoch}.png"]
        if score != self._best:
            self._best = score
            names.append("reconstructions_best.png")
        self._draw(
            trainer,
            pl_module,
            folder,
            names,
            f"Training grids and their reconstructions after epoch {epoch}: accuracy of all cells, F1 of objects",
        )

    @torch.no_grad()
    def _draw(self, trainer: Trainer, module: GridModule, folder: Path, names: list[str], title: str) -> None:
        data = trainer.datamodule  # type: ignore[attr-defined]
        assert isinstance(data, GridDataModule)
        grids = choose(data.splits["train"], self.num_grids, self.seed)
        decoded = reconstruct(module, grids)
        try:
            png = to_png(reconstruction_figure(grids.numpy(), decoded.numpy(), title))
            log_picture(trainer, "reconstructions", png)
            for name in names:
                write_atomic(folder / name, png)
                log.info("[VISUALIZATION] Saved: %s", name)
        except Exception as error:  # a picture is never worth a model, whatever the drawing library ran into
            self.failed += names
            log.warning("[VISUALIZATION] not saved: %s (%s)", ", ".join(names), error)


class CodePictures(Checkpoint):
    """Samples and a map of the codes after each epoch, for loggers that show pictures; without one, nothing.

    Args:
        num_samples: Grids decoded from N(0, I), always from the same codes.
        num_codes: Validation grids whose mean codes are drawn.
        seed: Seed of the samples and of the choice.
    """

    def __init__(self, num_samples: int = 32, num_codes: int = 1000, seed: int = 0) -> None:
        super().__init__()
        self.num_samples, self.num_codes, self.seed = num_samples, num_codes, seed

    @torch.no_grad()
    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw."""
        if not trainer.is_global_zero or not shows_pictures(trainer):
            return
        assert isinstance(pl_module, GridModule)
        data = trainer.datamodule  # type: ignore[attr-defined]
        assert isinstance(data, GridDataModule)
        training, device = pl_module.training, pl_module.device
        pl_module.eval()
        grids = choose(data.splits["val"], self.num_codes, self.seed)
        with torch.autocast(device.type, enabled=False):
            z = pl_module.model.sample_prior(self.num_samples, _generator(self.seed))
            samples = pl_module.model.decoder(z.to(device)).argmax(1).cpu().numpy()
            mu = torch.cat([pl_module.model.encoder(part.to(device))[0] for part in grids.split(1000)]).float().cpu()
        pl_module.train(training)
        epoch = trainer.current_epoch + 1
        try:
            log_picture(trainer, "samples", to_png(mosaic(samples, 8, f"Samples from N(0, I) after epoch {epoch}")))
            log_picture(trainer, "codes", to_png(_code_map(grids.numpy(), mu, data.class_names, epoch)))
        except Exception as error:  # a picture is never worth a model, whatever the drawing library ran into
            log.warning("[VISUALIZATION] not drawn: samples, codes (%s)", error)


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _code_map(grids: NDArray[np.uint8], mu: Tensor, color_names: Sequence[str], epoch: int) -> Figure:
    """The two principal components of codes ``(N, D)``, by number of objects and by colour."""
    centred = mu - mu.mean(0)
    axes = torch.linalg.svd(centred, full_matrices=False).Vh[:2]  # (2, D), or (1, D) for one dimension
    points = torch.zeros(len(mu), 2)
    points[:, : len(axes)] = centred @ axes.T
    found = find_components(grids)
    counts = found.objects_per_grid
    labels = {
        "number of objects": (counts, [str(n) for n in range(int(counts.max()) + 1)]),
        "colour of the largest object": (found.main_color, color_names),
    }
    return codes_figure({"PCA": points.numpy()}, labels, f"Mean codes of {len(mu):,} val grids after epoch {epoch}")


def choose(grids: Tensor, count: int, seed: int) -> Tensor:
    """``count`` different grids, or all if there are fewer, in an order that depends on the seed alone."""
    order = np.random.default_rng(seed).permutation(len(grids))[:count]
    return grids[torch.from_numpy(order)]


@torch.no_grad()
def reconstruct(module: GridModule, grids: Tensor) -> Tensor:
    """Grids decoded from the posterior means, ``(N, S, S)`` uint8 on the CPU, in full precision."""
    training = module.training
    module.eval()
    with torch.autocast(module.device.type, enabled=False):
        logits: Tensor = module.model(grids.to(module.device))
        decoded = logits.argmax(1)
    module.train(training)
    return decoded.to(torch.uint8).cpu()
