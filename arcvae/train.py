"""Train a model: ``python -m arcvae.train [loss=option_b] [trainer=quick_test] ...``.

Leaves a folder below ``outputs/`` with checkpoints, exports, pictures, metrics and the config; see README.md.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from arcvae.app.command import CHILD, check_files, open_door, quiet
from arcvae.app.compose import FREE, FREE_WITHIN, config_hash, resolved
from arcvae.errors import CheckpointError, ConfigError, DataError

if TYPE_CHECKING:  # torch takes seconds to import, and a typing error should not
    from arcvae.app.build import Run
    from arcvae.training.module import ImbalanceModule

log = logging.getLogger("arcvae")


def check(config: dict[str, Any]) -> None:
    """Look at the files that a config names, before torch is imported or anything is written."""
    if config["data"].get("path"):
        _check_corpus(config["data"], config["model"])
    check_files(config)


def _check_corpus(data: dict[str, Any], model: dict[str, Any]) -> None:
    """Read the corpus that is named, with the reader of its task, and compare it with the model."""
    if data["_target_"].startswith("arcvae.audio."):
        from arcvae.audio.corpus.files import read_audio_corpus

        name, found = "num_classes", len(read_audio_corpus(data["path"], max_bytes=data["max_bytes"]).species)
    elif data["_target_"].startswith("arcvae.grid."):
        from arcvae.grid.corpus.files import read_corpus

        name, found = "grid_size", read_corpus(data["path"], max_bytes=data["max_bytes"]).grid_size
    else:
        return  # a task of the user's: the data module will see
    if (wanted := model.get(name)) not in (None, found):
        raise ConfigError(f"model.{name}={wanted} but {data['path']} has {found}; set it to that")


def train(config: DictConfig, folder: Path) -> dict[str, Any]:
    """Train, evaluate the best checkpoint, and write everything that a run folder holds.

    Args:
        config: Composed config (``conf/train.yaml``).
        folder: Run folder.

    Returns:
        What ``metrics.json`` holds.
    """
    started = time.time()
    plain, shown = resolved(config)
    identity = config_hash(shown)  # before the corpus fills in what the config leaves to it
    quiet()
    from tqdm.contrib.logging import logging_redirect_tqdm

    from arcvae.app.build import build_run
    from arcvae.io.files import write_json
    from arcvae.training.loggers import log_run_files
    from arcvae.training.record import claimed, link_latest

    with claimed(folder), logging_redirect_tqdm(), _closing_wandb():
        run = build_run(plain, shown, folder)
        if plain["ckpt_path"]:
            _require_same_run(shown, run)
        if run.trainer.is_global_zero:
            link_latest(folder, Path(plain["output_dir"]))
            _announce(plain, run, folder)
            _save_weights(run, plain, folder)
            for logger in run.trainer.loggers:
                logger.log_hyperparams({**shown, "run_id": folder.name})
        with _children():
            run.trainer.fit(run.module, datamodule=run.data, ckpt_path=plain["ckpt_path"])
        if not run.trainer.global_step:
            raise DataError("no training step was taken: the train split gives no batch")
        record = {"config_hash": identity, **_finish(shown, run, folder, started)}
        if run.trainer.is_global_zero:
            write_json(folder / "metrics.json", record)
            log_run_files(run.trainer, folder)
            _summarise(record, run.module, folder)
    return record


@contextlib.contextmanager
def _children() -> Iterator[None]:
    """Mark the processes that Lightning starts meanwhile."""
    os.environ[CHILD] = "1"
    try:
        yield
    finally:
        del os.environ[CHILD]


@contextlib.contextmanager
def _closing_wandb() -> Iterator[None]:
    """Close the W&B run of this job, also when it fails: the next job of a sweep would go on writing into it."""
    failed = True
    try:
        yield
        failed = False
    finally:
        wandb = sys.modules.get("wandb")
        if wandb is not None and wandb.run is not None:
            wandb.finish(exit_code=int(failed))


def _announce(config: dict[str, Any], run: Run, folder: Path) -> None:
    from arcvae.imbalance.weights import analyse_weights

    log.info("Run folder %s", folder)
    method = config["loss"].get("class_weights", "none")
    log.info(
        "%s",
        analyse_weights(run.counts, run.weights, method=method, source=run.data.describe(), unit=run.data.element_unit),
    )
    overfit = config["data"].get("overfit_grids", 0)
    if overfit:
        log.info("Overfit mode: %d training grids, class weights from the whole train split", overfit)
        if run.weights is None:
            log.warning("Overfit mode without class weights: background alone scores about 93 %% pixel accuracy")
    for line in run.module.notes():
        log.log(logging.WARNING if line.startswith("WARNING") else logging.INFO, "%s", line)


def _save_weights(run: Run, config: dict[str, Any], folder: Path) -> None:
    """``class_weights.pth``: weights, counts and how they were made, as plain tensors."""
    import torch

    from arcvae.io.tensors import save_torch

    weights = torch.ones(len(run.counts)) if run.weights is None else torch.as_tensor(run.weights, dtype=torch.float32)
    save_torch(
        folder / "class_weights.pth",
        {
            "class_weights": weights,
            "class_counts": torch.as_tensor(run.counts),
            "method": config["loss"].get("class_weights", "none"),
            "smoothing": config["loss"].get("smoothing"),
        },
    )


def _finish(config: dict[str, Any], run: Run, folder: Path, started: float) -> dict[str, Any]:
    """Evaluate the best checkpoint, export it, and gather the record of the run."""
    from arcvae.imbalance.logit_adjustment import log_prior
    from arcvae.io.exports import write_exports
    from arcvae.training.diagnosis import diagnose
    from arcvae.training.evaluation import decide, tune_decision
    from arcvae.training.record import EpochRecord, model_checkpoint, peak_memory, software
    from arcvae.training.report import baseline

    trainer, module, data = run.trainer, run.module, run.data
    epochs, steps = trainer.current_epoch, trainer.global_step
    record = next((callback for callback in trainer.callbacks if isinstance(callback, EpochRecord)), None)  # type: ignore[attr-defined]
    # Now: the evaluation below restores the callbacks as they were at the best checkpoint.
    seconds, rate = (record.seconds, record.samples_per_second) if record else (None, None)
    history = list(record.rows) if record else []
    checkpoint = model_checkpoint(trainer)
    best = checkpoint.best_model_path if checkpoint else None
    trainer.validate(module, datamodule=data, ckpt_path=best or None, verbose=False)
    split = "test" if data.size("test") else "val"
    if split == "test":
        trainer.test(module, datamodule=data, ckpt_path=best or None, verbose=False)
    else:
        log.warning("There is no test split: nothing was tested, figures are those of the validation split")
    module.to(trainer.strategy.root_device)  # the trainer has taken it back to the CPU
    decision = tune_decision(module, data.evaluation_loader("val"), run.counts)
    strength = decision["prior_strength"]
    (tuned,) = decide(module, data.evaluation_loader(split), [strength], log_prior(run.counts))
    if trainer.is_global_zero:
        write_exports(folder, module.exports(), {"model": config["model"], "decision": decision})
    verdict = module.verdict(module.results[split])
    return {
        "run_id": folder.name,
        "command": ["python", "-m", "arcvae.train", *sys.argv[1:]],
        "config": config,
        **software(),
        "seed": config["seed"],
        "corpus": {"path": str(data.corpus_path), "sha256": data.content_hash},
        "class_names": data.class_names,
        "class_counts": run.counts,
        "class_weights": run.weights,
        "parameters": sum(parameter.numel() for parameter in module.parameters()),
        "precision": str(trainer.precision),
        "device": str(trainer.strategy.root_device),
        "epochs": epochs,
        "steps": steps,
        "monitor": config["monitor"],
        "best": checkpoint.best_model_score if checkpoint else None,
        "wall_seconds": time.time() - started,
        "train_seconds": seconds,
        f"{data.sample_unit}_per_second": rate,
        "peak_memory_mib": peak_memory(),
        "val": module.results["val"],
        "test": module.results.get("test"),
        "baseline": baseline(module, data.targets(split), run.counts),
        "baseline_split": split,
        "decision": decision,
        "at_tuned_decision": tuned.results(module),
        "verdict": verdict,
        "diagnosis": [vars(finding) for finding in diagnose(module, module.results[split], verdict, strength)],
        "history": history,
        "pictures_not_saved": [name for callback in trainer.callbacks for name in getattr(callback, "failed", ())],  # type: ignore[attr-defined]
    }


def _summarise(record: dict[str, Any], module: ImbalanceModule, folder: Path) -> None:
    """The table at the end: ours beside the trivial predictor, the verdict, and where things are."""
    from arcvae.training.report import table

    split = record["baseline_split"]
    columns = {split: record[split], module.trivial_name: record["baseline"]}
    verdict = record["verdict"]
    figures = ", ".join(f"{name} {value:.4g}" for name, value in verdict.items() if not isinstance(value, bool))
    names = [name.replace("_", " ") for name, value in verdict.items() if value is True]
    log.info("\n%s", table(columns, module.headline))
    log.info("Verdict: %s (%s)", ", ".join(names).upper() if names else "no collapse", figures)
    # A resumed run has trained longer than this command has run.
    log.info("Training took %.0f s, this command %.0f s", record["train_seconds"] or 0, record["wall_seconds"])
    pictures = any((folder / "checkpoints").glob("*.png"))
    log.info("%-11s %s", "Pictures" if pictures else "Checkpoints", folder / "checkpoints")
    log.info("Figures     %s", folder / "metrics.json")


def _require_same_run(config: dict[str, Any], run: Run) -> None:
    """A checkpoint is continued by the run that wrote it, not by another one.

    Raises:
        CheckpointError: Not a checkpoint of arcvae, or made with other settings or another corpus.
    """
    from arcvae.io.exports import read_checkpoint

    path = config["ckpt_path"]
    checkpoint = read_checkpoint(path)
    stamp = checkpoint["arcvae"]
    before = stamp["config"]
    pairs = [(key, before.get(key), config.get(key)) for key in sorted({*before, *config} - {*FREE, *FREE_WITHIN})]
    for group, free in FREE_WITHIN.items():
        keys = sorted({*before[group], *config[group]} - {*free})
        pairs += [(f"{group}.{key}", before[group].get(key), config[group].get(key)) for key in keys]
    other = [f"{key} (was {a}, now {b})" for key, a, b in pairs if a != b]
    if stamp["corpus_sha256"] != run.data.content_hash:
        other.append("the corpus")
    if other:
        raise CheckpointError(f"{path} cannot be continued with other settings: {'; '.join(other)}")
    done = checkpoint["epoch"] + 1
    if done > config["trainer"]["max_epochs"]:
        raise CheckpointError(f"{path} has {done} epochs behind it; set trainer.max_epochs to more than that")


def main() -> int:
    """Entry point; returns the exit code."""
    return open_door("train", train, check)


if __name__ == "__main__":
    sys.exit(main())
