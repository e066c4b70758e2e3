"""Draw grids from a trained model: ``python -m arcvae.sample ckpt_path=... num_samples=64 seed=0 [prior=aggregate]``.

Leaves ``samples.npz``, ``samples.png``, ``metrics.json`` and, if it trains one, ``prior.safetensors`` in a folder below
``outputs/sample/``; see README.md.
"""

from __future__ import annotations

import io
import logging
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from arcvae.app.command import check_files, open_door, quiet
from arcvae.app.compose import resolved
from arcvae.errors import CheckpointError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from arcvae.grid.codes.prior import CodePrior
    from arcvae.grid.corpus.data import GridDataModule
    from arcvae.grid.module import GridModule

log = logging.getLogger("arcvae")

_SHOWN = ("valid", "objects_js", "sizes_js", "colors_js", "colored_cells", "novel", "distinct", "pair_distance")
_PICTURED = 64
_SOURCES = {
    "normal": "N(0, I)",
    "aggregate": "a mixture fitted to codes",
    "autoregressive": "the autoregressive prior",
    "posterior": "the posteriors of training grids",
}


def sample(config: DictConfig, folder: Path) -> dict[str, Any]:
    """Draw from the checkpoint of a composed config (``conf/sample.yaml``) and score the draw.

    Returns:
        What ``metrics.json`` holds.
    """
    plain, shown = resolved(config)
    checkpoint = Path(plain["ckpt_path"]).resolve()  # now: outputs/latest may move on meanwhile
    quiet()
    import numpy as np

    from arcvae.app.restore import restore
    from arcvae.grid.analysis.pictures import mosaic
    from arcvae.grid.codec import Codec
    from arcvae.grid.codes.sampling import Reference
    from arcvae.grid.corpus.data import GridDataModule
    from arcvae.grid.module import GridModule
    from arcvae.io.files import write_atomic, write_json
    from arcvae.training.evaluation import tune_decision
    from arcvae.training.plots import draw_picture
    from arcvae.training.record import claimed, software
    from arcvae.training.report import table

    with claimed(folder):
        model = restore(
            str(checkpoint),
            data_path=plain["data"]["path"],
            accelerator=plain["accelerator"],
            output_dir=plain["output_dir"],
            max_bytes=plain["data"]["max_bytes"],
            plugins=plain["plugins"],
        )
        module, data, count = model.module, model.data, plain["num_samples"]
        if not isinstance(module, GridModule) or not isinstance(data, GridDataModule):
            raise CheckpointError(f"{plain['ckpt_path']} is a classifier; it has nothing to decode samples with")
        z, fit = _codes(module, data, plain, folder)
        decision = None
        if plain["decision"] == "corrected":
            decision = tune_decision(module, data.evaluation_loader("val"), model.counts)
        grids = Codec(module.model, decision=decision).decode(z, plain["decision"])
        real = data.splits["test" if data.size("test") else "val"].numpy()
        real = real[np.random.default_rng(plain["seed"]).permutation(len(real))[:count]]
        reference = Reference.of(data.splits["train"].numpy(), plain["max_objects"])
        sets = {"samples": grids, "real": real, "all-background": np.zeros_like(grids)}
        scores = {name: reference.score(found, plain["seed"]) for name, found in sets.items()}
        buffer = io.BytesIO()
        np.savez_compressed(buffer, samples=grids, z=z)
        write_atomic(folder / "samples.npz", buffer.getvalue())
        valid = f"{100 * scores['samples']['valid']:.0f} % of {count} valid"
        title = f"{min(count, _PICTURED)} samples from {_SOURCES[plain['prior']['name']]}; {valid}"
        draw_picture(folder, "samples", lambda: mosaic(grids[:_PICTURED], 8, title))
        record = {
            "command": ["python", "-m", "arcvae.sample", *sys.argv[1:]],
            "config": shown,
            "checkpoint": str(checkpoint),
            **software(),
            "corpus": {"path": str(data.corpus_path), "is_that_of_the_training": model.same_corpus},
            "decision": decision,
            "fit": fit,
            "scores": scores,
            "real_grids": len(real),
        }
        write_json(folder / "metrics.json", record)
    log.info("\n%s", table(scores, _SHOWN))
    log.info("real: %d grids of another split, scored the same way: a floor for the distances (*_js)", len(real))
    log.info("Samples  %s", folder)
    return record


def _codes(
    module: GridModule, data: GridDataModule, config: dict[str, Any], folder: Path
) -> tuple[NDArray[np.float32], dict[str, Any] | None]:
    """Codes ``(N, D)``, and how well a prior was trained, if one was."""
    from arcvae.grid.codes.sampling import aggregate_codes, posterior_codes, prior_codes

    prior, count, seed = config["prior"], config["num_samples"], config["seed"]
    if prior["name"] == "normal":
        return prior_codes(count, module.model.latent_dim, seed), None
    if prior["name"] == "autoregressive":
        return _autoregressive_codes(module, data, config, folder)
    encoder, grids, device = module.model.encoder, data.splits["train"], module.device
    if prior["name"] == "posterior":
        return posterior_codes(encoder, grids, count, seed=seed, device=device), None
    return aggregate_codes(encoder, grids, count, components=prior["components"], seed=seed, device=device), None


def _autoregressive_codes(
    module: GridModule, data: GridDataModule, config: dict[str, Any], folder: Path
) -> tuple[NDArray[np.float32], dict[str, Any] | None]:
    import torch

    from arcvae.grid.codes.prior import Alphabet, CodePrior, load_prior, save_prior

    model, settings, seed = module.model, config["prior"], config["seed"]
    fit = None
    if settings["path"]:
        prior = load_prior(settings["path"], model)
    else:
        torch.manual_seed(seed)
        prior = CodePrior(Alphabet.of(model), settings["width"], settings["layers"])
        fit = _fit(prior, module, data, settings, seed)
        save_prior(folder / "prior.safetensors", prior, model)
    prior.to(module.device)
    return prior.codes(model.decoder, config["num_samples"], seed, settings["temperature"]).numpy(), fit


def _fit(
    prior: CodePrior, module: GridModule, data: GridDataModule, settings: dict[str, Any], seed: int
) -> dict[str, Any]:
    """Train a prior on the codes of the train split; returns what it cost and what it is worth."""
    import torch
    from lightning.pytorch import Trainer
    from lightning.pytorch.callbacks import TQDMProgressBar
    from tqdm.contrib.logging import logging_redirect_tqdm

    from arcvae.grid.codes.prior import FARTHEST
    from arcvae.grid.codes.prior_training import independent_nats, train_prior
    from arcvae.grid.codes.sampling import posterior_latents
    from arcvae.training.hardware import flush_denormals, keep_freed_memory, resolve_precision

    flush_denormals()
    keep_freed_memory()
    started, encoder, device, alphabet = time.perf_counter(), module.model.encoder, module.device, prior.alphabet
    generator = torch.Generator().manual_seed(seed)
    train, val = (
        posterior_latents(encoder, data.splits[split], device=device, generator=generator) for split in ("train", "val")
    )
    outside = 0.0 if alphabet.discrete else (train.abs() > FARTHEST).float().mean().item()
    if outside > 0.01:
        log.warning("%.0f %% of the latents are beyond %g: the prior cannot tell them apart", 100 * outside, FARTHEST)
    trivial = independent_nats(alphabet.symbols(train), alphabet.symbols(val), alphabet.levels)
    precision: Any = resolve_precision("auto", device.type)
    trainer = Trainer(
        max_epochs=settings["max_epochs"], accelerator=device.type, devices=1, precision=precision,
        gradient_clip_val=1.0, logger=False, enable_checkpointing=False, enable_model_summary=False,
        num_sanity_val_steps=0, callbacks=[TQDMProgressBar(refresh_rate=10)],
    )  # fmt: skip
    data.batch_size = settings["batch_size"]
    data.symmetries, data.permute_colors = (on and settings["augment"] for on in (data.symmetries, data.permute_colors))
    log.info("Training a prior of %d parameters", sum(parameter.numel() for parameter in prior.parameters()))
    with logging_redirect_tqdm():
        nats = train_prior(prior, encoder, data, trainer=trainer, lr=settings["lr"], seed=seed)
    seconds = time.perf_counter() - started
    log.info("A code of val costs %.2f nats; with independent latents %.2f (%.0f s)", min(nats), trivial, seconds)
    return {"nats_per_code": nats, "independent_nats_per_code": trivial, "seconds": seconds}


def main() -> int:
    """Entry point; returns the exit code."""
    return open_door("sample", sample, check_files)


if __name__ == "__main__":
    sys.exit(main())
