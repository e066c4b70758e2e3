"""The job of ``arcvae.train``: train, evaluate the best checkpoint, and write everything that a run folder holds."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from tqdm.contrib.logging import logging_redirect_tqdm

import arcvae
from arcvae.app.assembly import Run, assemble
from arcvae.app.command import CHILD
from arcvae.app.console import quiet
from arcvae.app.continuing import keep_versions, require_same_run, take_over, told_of
from arcvae.app.hydra_files import write_hydra_files
from arcvae.app.identity import config_hash
from arcvae.app.jobs.report import page_of_run
from arcvae.app.reported import PAGE
from arcvae.errors import CheckpointError, DataError
from arcvae.imbalance.logit_adjustment import log_prior
from arcvae.imbalance.sampling import corrected_twice
from arcvae.imbalance.weights import analyse_weights
from arcvae.io.exports import read_checkpoint, write_exports
from arcvae.io.files import write_atomic
from arcvae.io.tensors import save_torch
from arcvae.training.callbacks import EpochRecord
from arcvae.training.checkpoint import model_checkpoint, require_scored
from arcvae.training.course import Course
from arcvae.training.evaluation import Rule, assess, decide, tune_adjustment
from arcvae.training.findings import diagnosis
from arcvae.training.loggers import log_run_files
from arcvae.training.processes import require_one_folder
from arcvae.training.record import RunRecord
from arcvae.training.report import baseline, table
from arcvae.training.resuming import starting_point
from arcvae.training.run_folder import held_run_folder, link_latest
from arcvae.training.software import peak_memory, software

log = logging.getLogger("arcvae")


def train(config: dict[str, Any], shown: dict[str, Any], folder: Path, command: Sequence[str]) -> RunRecord:
    """Run a training job.

    Args:
        config: Plain, resolved and checked config (``conf/train.yaml``).
        shown: The same as it may be written down, without the values of secrets.
        folder: Run folder.
        command: Command line, for the record.

    Returns:
        What ``metrics.json`` holds.

    Raises:
        ConfigError: Several processes without a folder in common.
    """
    started = time.time()
    quiet()
    require_one_folder(config["trainer"], command)
    with held_run_folder(folder), logging_redirect_tqdm(), _closing_wandb():
        start = starting_point(folder, config["ckpt_path"])
        if start:
            keep_versions(start, config, shown)
        identity = config_hash(shown)  # before the corpus fills in what the config leaves to it
        run = assemble(config, shown, folder)
        if start:
            require_same_run(start, shown, run)
        if run.trainer.is_global_zero:
            write_hydra_files(folder, shown)
            if start:
                take_over(start, folder, Path(config["output_dir"]))
            _announce(run, folder)
            _save_weights(run, folder)
            for logger in run.trainer.loggers:
                logger.log_hyperparams({**shown, "run_id": folder.name})
        with _marked_children(), told_of(start):
            run.trainer.fit(run.module, datamodule=run.data, ckpt_path=start)
        if not run.trainer.global_step:
            raise DataError("no training step was taken: the train split gives no batch")
        record = _finish(shown, run, folder, started, identity, command)
        if run.trainer.is_global_zero:
            record.write(folder)
            if not any((folder / "checkpoints").glob("*.ckpt")):  # with the first of them the link was made
                link_latest(folder, Path(config["output_dir"]))
            page = _write_page(run, config, folder) if config["report"] else None
            log_run_files(run.trainer, folder)
            _summarise(record, run, folder)
            if page is not None:
                log.info("Page        %s", page)
    return record


@contextlib.contextmanager
def _marked_children() -> Iterator[None]:
    """Mark the processes that Lightning starts meanwhile: their config has been checked."""
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
            try:
                wandb.finish(exit_code=int(failed))
            except Exception as error:
                log.warning("W&B could not end its run: %s", error)


def _announce(run: Run, folder: Path) -> None:
    log.info("Run folder %s", folder)
    method, unit = run.weighting.class_weights, run.task.element_unit
    log.info("%s", analyse_weights(run.counts, run.weights, method=method, source=run.data.describe(), unit=unit))
    if warning := corrected_twice(run.data.sampler, run.module.loss):
        log.warning("%s", warning)
    for line in run.task.notes(run.module, run.data):
        log.log(logging.WARNING if line.startswith("WARNING") else logging.INFO, "%s", line)


def _save_weights(run: Run, folder: Path) -> None:
    """``class_weights.pth``: weights, counts and how they were made, as plain tensors."""
    weights = torch.ones(len(run.counts)) if run.weights is None else torch.as_tensor(run.weights, dtype=torch.float32)
    save_torch(
        folder / "class_weights.pth",
        {
            "class_weights": weights,
            "class_counts": torch.as_tensor(run.counts),
            "method": run.weighting.class_weights,
            "smoothing": run.weighting.smoothing,
        },
    )


def _finish(
    config: dict[str, Any], run: Run, folder: Path, started: float, identity: str, command: Sequence[str]
) -> RunRecord:
    """Evaluate the best checkpoint, export it, and gather the record of the run."""
    trainer, module, data, task = run.trainer, run.module, run.data, run.task
    epochs, steps = trainer.current_epoch, trainer.global_step
    callbacks = trainer.callbacks  # type: ignore[attr-defined]
    # Now: the evaluation below restores the callbacks as they were at the best checkpoint.
    timing = next((callback.timing() for callback in callbacks if isinstance(callback, EpochRecord)), {})
    checkpoint = model_checkpoint(trainer)
    monitor, mode = _chosen_by(checkpoint, config)
    require_scored(monitor, timing.get("history", ()))
    best, score = _best(checkpoint)
    split = _evaluate_best(run, best)
    adjustment = tune_adjustment(module, data.evaluation_loader("val"), run.counts)
    rules = Rule(), Rule(adjustment["tau"])
    plain, adjusted = decide(module, data.evaluation_loader(split), rules, log_prior(run.counts))
    module.results[split] |= plain.calibration_errors
    if trainer.is_global_zero:
        _export(config, run, folder, adjustment)
    course = Course.of(
        config, history=timing.get("history", ()), steps=steps, epochs=epochs, ramp_epochs=module.ramp_epochs,
        tau=adjustment["tau"], class_names=data.class_names, class_counts=run.counts.tolist(),
    )  # fmt: skip
    verdict, findings = assess(module, module.results[split], course)
    return RunRecord(
        run_id=folder.name,
        command=list(command),
        config=config,
        config_hash=identity,
        version=arcvae.__version__,
        software=software(),
        seed=config["seed"],
        corpus={"path": data.shown_path, "sha256": data.content_hash},
        samples={name: data.size(name) for name in ("train", "val", "test")},
        class_names=list(data.class_names),
        class_counts=run.counts.tolist(),
        class_weights=None if run.weights is None else run.weights.tolist(),
        parameters=sum(parameter.numel() for parameter in module.parameters()),
        precision=str(trainer.precision),
        device=str(trainer.strategy.root_device),
        epochs=epochs,
        steps=steps,
        monitor=monitor,
        monitor_mode=mode,
        best=score,
        wall_seconds=time.time() - started,
        **timing,
        sample_unit=task.sample_unit,
        peak_memory_mib=peak_memory(),
        val=module.results["val"],
        test=module.results.get("test"),
        baseline=baseline(module, data.targets(split), run.counts),
        baseline_split=split,
        logit_adjustment=adjustment,
        adjusted=adjusted.results(module),
        verdict=verdict,
        findings=[asdict(finding) for finding in findings],
        pictures_not_saved=[name for callback in callbacks for name in getattr(callback, "failed", ())],
    )


def _export(config: Mapping[str, Any], run: Run, folder: Path, adjustment: Mapping[str, Any]) -> None:
    facts = {
        "task": config["task"], "model": config["model"], "logit_adjustment": adjustment,
        "class_names": list(run.data.class_names), "preprocessing": run.data.preprocessing,
        "version": arcvae.__version__,
    }  # fmt: skip
    write_exports(folder, run.task.exports(run.module), facts, run.task.main_export)


def _chosen_by(callback: ModelCheckpoint | None, config: Mapping[str, Any]) -> tuple[str, str]:
    """The metric that the best checkpoint is chosen by, and whether its largest ("max") or its smallest value is it."""
    if callback is None or callback.monitor is None:
        return config["monitor"], config["monitor_mode"]
    return callback.monitor, callback.mode


def _best(callback: ModelCheckpoint | None) -> tuple[str | None, float | None]:
    """The best checkpoint of this run and its score; None for both if there is none that can be read."""
    if callback is None or not callback.best_model_path:
        return None, None
    try:
        read_checkpoint(callback.best_model_path)
    except CheckpointError as error:
        log.warning("%s: the weights after the last step are evaluated and exported instead", error)
        return None, None
    return callback.best_model_path, None if callback.best_model_score is None else float(callback.best_model_score)


def _evaluate_best(run: Run, best: str | None) -> str:
    """Run the best checkpoint over the validation and the test split; returns the one that the run is judged by."""
    trainer, module, data = run.trainer, run.module, run.data
    trainer.validate(module, datamodule=data, ckpt_path=best, verbose=False)
    split = "test" if data.size("test") else "val"
    if split == "test":
        trainer.test(module, datamodule=data, verbose=False)  # with the weights that validation has loaded
    else:
        log.warning("There is no test split: nothing was tested, figures are those of the validation split")
    module.to(trainer.strategy.root_device)  # the trainer has moved it back to the CPU
    return split


def _summarise(record: RunRecord, run: Run, folder: Path) -> None:
    """The table at the end: ours beside the trivial predictor, the verdict, and where things are."""
    split = record.split
    columns = {split: record.results(split), run.task.trivial_name: record.baseline}
    log.info("\n%s", table(columns, (*run.task.headline, "calibration_error")))
    numbers = {name: value for name, value in record.verdict.items() if not isinstance(value, bool)}
    log.info("Verdict: %s (%s)", record.collapses, ", ".join(f"{name} {value:.4g}" for name, value in numbers.items()))
    log.info("%s", diagnosis(record.findings))
    # A resumed run has trained longer than this command has run.
    log.info("Training took %.0f s, this command %.0f s", record.train_seconds or 0, record.wall_seconds or 0)
    pictures = any((folder / "checkpoints").glob("*.png"))
    log.info("%-11s %s", "Pictures" if pictures else "Checkpoints", folder / "checkpoints")
    log.info("Figures     %s", folder / "metrics.json")


def _write_page(run: Run, config: Mapping[str, Any], folder: Path) -> Path | None:
    """Write the page of a run; an error causes a warning only: the run is finished, and has its record."""
    try:
        run.task.keep_for_page(run.module, run.data, folder, config["seed"])
        write_atomic(folder / PAGE, page_of_run(folder, config["plugins"]))
    except Exception as error:
        log.warning("There is no page of this run (%s: %s)", type(error).__name__, error)
        return None
    return folder / PAGE
