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

from arcvae.config import resolved
from arcvae.door import check_files, open_door, quiet
from arcvae.errors import CheckpointError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from arcvae.grid.data import GridDataModule
    from arcvae.grid.module import GridModule
    from arcvae.grid.prior import CodePrior

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

    from arcvae.codec import Codec
    from arcvae.files import write_atomic, write_json
    from arcvae.grid.data import GridDataModule
    from arcvae.grid.module import GridModule
    from arcvae.grid.pictures import mosaic
    from arcvae.grid.sampling import Reference
    from arcvae.restore import restore
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
        decision = None
        if plain["decision"] == "corrected":
            decision = tune_decision(module, data.evaluation_loader("val"), model.counts)
        z, fit = _codes(module, data, plain, folder)
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
        title = f"{min(count, _PICTURED)} samples from {_SOURCES[plain['prior']]}; {valid}"
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
    from arcvae.grid.sampling import aggregate_codes, posterior_codes, prior_codes

    count, seed = config["num_samples"], config["seed"]
    if config["prior"] == "normal":
        return prior_codes(count, module.model.latent_dim, seed), None
    if config["prior"] == "autoregressive":
        return _autoregressive_codes(module, data, config, folder)
    encoder, grids = module.model.encoder, data.splits["train"]
    if config["prior"] == "posterior":
        return posterior_codes(encoder, grids, count, seed=seed, device=module.device), None
    components = config["components"]
    return aggregate_codes(encoder, grids, count, components=components, seed=seed, device=module.device), None


def _autoregressive_codes(
    module: GridModule, data: GridDataModule, config: dict[str, Any], folder: Path
) -> tuple[NDArray[np.float32], dict[str, Any] | None]:
    import torch

    from arcvae.grid.prior import Alphabet, CodePrior, load_prior, save_prior

    model, count, seed = module.model, config["num_samples"], config["seed"]
    fit = None
    if config["prior_path"]:
        prior = load_prior(config["prior_path"], model)
    else:
        torch.manual_seed(seed)
        prior = CodePrior(Alphabet.of(model), config["fit"]["width"], config["fit"]["blocks"])
        fit = _fit(prior, module, data, config)
        save_prior(folder / "prior.safetensors", prior, model)
    prior.to(module.device)
    return prior.codes(model.decoder, count, seed, config["temperature"]).cpu().numpy(), fit


def _fit(prior: CodePrior, module: GridModule, data: GridDataModule, config: dict[str, Any]) -> dict[str, Any]:
    """Train a prior on the codes of the train split; returns what it cost and what it is worth."""
    import torch
    from lightning.pytorch import Trainer
    from lightning.pytorch.callbacks import TQDMProgressBar
    from tqdm.contrib.logging import logging_redirect_tqdm

    from arcvae.build import flush_denormals, keep_freed_memory, resolve_precision
    from arcvae.grid.prior_training import independent_nats, train_prior
    from arcvae.grid.sampling import posterior_latents

    flush_denormals()
    keep_freed_memory()
    started, encoder, device, seed = time.perf_counter(), module.model.encoder, module.device, config["seed"]
    generator = torch.Generator().manual_seed(seed)
    train, val = (
        prior.alphabet.symbols(posterior_latents(encoder, data.splits[split], device=device, generator=generator))
        for split in ("train", "val")
    )
    trivial = independent_nats(train, val, prior.alphabet.levels)
    precision: Any = resolve_precision("auto", device.type)
    trainer = Trainer(
        max_epochs=config["fit"]["epochs"], accelerator=device.type, devices=1, precision=precision,
        gradient_clip_val=1.0, logger=False, enable_checkpointing=False, enable_model_summary=False,
        num_sanity_val_steps=0, callbacks=[TQDMProgressBar(refresh_rate=10)],
    )  # fmt: skip
    data.batch_size = config["fit"]["batch_size"]
    log.info("Training a prior of %d parameters", sum(parameter.numel() for parameter in prior.parameters()))
    with logging_redirect_tqdm():
        nats = train_prior(prior, encoder, data, trainer=trainer, lr=config["fit"]["lr"], seed=seed)
    seconds = time.perf_counter() - started
    log.info("A code of val costs %.2f nats; with independent latents %.2f (%.0f s)", nats[-1], trivial, seconds)
    return {"nats_per_code": nats, "independent_nats_per_code": trivial, "seconds": seconds}


def main() -> int:
    """Entry point; returns the exit code."""
    return open_door("sample", sample, check_files)


if __name__ == "__main__":
    sys.exit(main())
