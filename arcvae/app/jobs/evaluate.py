"""The job of ``arcvae.evaluate``: measure a trained model on a split, in figures, words and pictures."""

from __future__ import annotations

import contextlib
import csv
import io
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.pytorch import Trainer

import arcvae
from arcvae.app.console import quiet
from arcvae.app.hydra_files import write_hydra_files
from arcvae.app.restore import Restored, restore
from arcvae.app.shipped import model_at
from arcvae.errors import ArcvaeError, ConfigError, DataError
from arcvae.imbalance.logit_adjustment import log_prior
from arcvae.io.exports import write_exports
from arcvae.io.files import write_atomic, write_json
from arcvae.training.evaluation import Rule, assess, decide, tune_adjustment, tune_temperature
from arcvae.training.findings import diagnosis
from arcvae.training.plots import calibration_figure, confusion_figure, draw_picture, recall_figure
from arcvae.training.record import RunRecord
from arcvae.training.report import baseline, table
from arcvae.training.run_folder import held_run_folder
from arcvae.training.software import software

log = logging.getLogger("arcvae")

SHARED = (
    "ckpt_path", "data", "split", "limit", "seed", "accelerator", "plugins", "output_dir",
)  # fmt: skip
"""Keys of the config that mean the same for every task; the others are settings of a task's study."""


def evaluate(config: dict[str, Any], shown: dict[str, Any], folder: Path, command: Sequence[str]) -> dict[str, Any]:
    """Run an evaluation.

    Args:
        config: Plain, resolved and checked config (``conf/evaluate.yaml``).
        shown: The same as it may be written down, without the values of secrets.
        folder: Folder that the results go into.
        command: Command line, for the record.

    Returns:
        What ``metrics.json`` holds.

    Raises:
        ConfigError: A setting that the study of this task does not have.
        DataError: The split is empty.
    """
    started = time.time()
    checkpoint = model_at(config["ckpt_path"])
    quiet()
    with held_run_folder(folder):
        write_hydra_files(folder, shown)
        model = restore_from(config, shown, checkpoint)
        settings = _study_settings(config, model, checkpoint)
        split, limit = config["split"], config["limit"]
        if not model.data.size(split):
            raise DataError(f"{model.data.corpus_path}: {split} is empty; choose another split")
        figures = _measure(model, split, limit, folder)
        study = model.task.study(
            model.module, model.data, split, figures[split],
            limit=limit, adjustment=figures["logit_adjustment"], seed=config["seed"], folder=folder, **settings,
        )  # fmt: skip
        if changed := study.pop("exports", None):
            facts = {key: model.config[key] for key in ("task", "model")}
            facts |= {"class_names": list(model.data.class_names), "preprocessing": model.data.preprocessing}
            write_exports(folder, changed, {**facts, "version": arcvae.__version__}, model.task.main_export)
        record = {
            **origin(model, checkpoint, shown, command),
            "split": split,
            "samples": min(limit, model.data.size(split)),
            "tuning_samples": model.data.size("val"),
            **figures,
            **study,
            **_judged(model, figures[split] | study, figures["logit_adjustment"]["tau"], checkpoint),
            "wall_seconds": time.time() - started,
        }
        _draw(model, figures, split, folder)
        write_json(folder / "metrics.json", record)
    _summarise(model, record, split, folder)
    return record


def restore_from(config: Mapping[str, Any], shown: Mapping[str, Any], checkpoint: Path) -> Restored:
    """Open the checkpoint of a config that has ``data``, ``accelerator``, ``output_dir`` and ``plugins``."""
    return restore(
        str(checkpoint),
        data_path=config["data"]["path"],
        shown_path=shown["data"]["path"],
        accelerator=config["accelerator"],
        output_dir=config["output_dir"],
        max_bytes=config["data"]["max_bytes"],
        plugins=config["plugins"],
    )


def origin(model: Restored, checkpoint: Path, shown: Mapping[str, Any], command: Sequence[str]) -> dict[str, Any]:
    """What the record of a job says of how it was called, and with which model and corpus."""
    named = str(shown["ckpt_path"])
    return {
        "version": arcvae.__version__,
        "command": list(command),
        "config": shown,
        "checkpoint": named if "${" in named else str(checkpoint),
        "software": software(),
        "corpus": {
            "path": model.data.shown_path,
            "sha256": model.data.content_hash,
            "is_that_of_the_training": model.same_corpus,
        },
    }


def _study_settings(config: Mapping[str, Any], model: Restored, checkpoint: Path) -> dict[str, Any]:
    """The settings of the task's study that are not null."""
    given = {name: value for name, value in config.items() if name not in SHARED and value is not None}
    for name in given:
        if name not in model.task.study_settings:
            raise ConfigError(f"{name}={given[name]}: {checkpoint} is a model for {model.task.name}; set {name}=null")
    return given


def _measure(model: Restored, split: str, limit: int, folder: Path) -> dict[str, Any]:
    """All metrics of a split, at the plain argmax and after the logit adjustment tuned on the validation split."""
    module, data = model.module, model.data
    trainer = Trainer(
        max_epochs=model.course.max_epochs,  # what changes over a run by plan does so over these
        accelerator=module.device.type, devices=1, logger=False, enable_checkpointing=False,
        enable_model_summary=False, enable_progress_bar=False, plugins=[LightningEnvironment()],
        default_root_dir=folder,  # under Slurm it takes checkpoints of a certain name from here, not from anywhere else
    )  # fmt: skip
    device = module.device
    trainer.test(module, data.evaluation_loader(split, limit), verbose=False)
    module.to(device)
    results = module.results["test"]
    adjustment = tune_adjustment(module, data.evaluation_loader("val"), model.counts)
    tau = adjustment["tau"]
    temperature = tune_temperature(module, data.evaluation_loader("val"))
    rules = Rule(), Rule(tau), Rule(temperature=temperature)
    plain, adjusted, scaled = decide(module, data.evaluation_loader(split, limit), rules, log_prior(model.counts))
    return {
        split: results | plain.calibration_errors,
        "adjusted": adjusted.results(module),
        "baseline": baseline(module, data.targets(split)[:limit], model.counts),
        "logit_adjustment": adjustment,
        "temperature": {"temperature": temperature, "tuned_on": "val"} | scaled.calibration_errors,
        "confusion": plain.confusion,
        "calibration_curves": {
            f"{which}, {name}": {"curve": found.curve(), "error": found.error}
            for which, decided in (("argmax", plain), ("adjusted", adjusted), ("temperature", scaled))
            for name, found in decided.calibrations.items()
        },
    }


def _judged(model: Restored, results: Mapping[str, Any], tau: float, checkpoint: Path) -> dict[str, Any]:
    """Verdict and findings; how the run went is known from its record, if that lies beside the checkpoint."""
    sampling = model.data.changes_until * (model.course.max_epochs or 0)
    course = replace(model.course, tau=tau, ramp_epochs=max(model.module.ramp_epochs, sampling))
    with contextlib.suppress(ArcvaeError):
        record = RunRecord.read(checkpoint.parent.parent)
        course = replace(course, history=record.history, steps=record.steps, epochs=record.epochs)
    verdict, findings = assess(model.module, results, course)
    return {
        "verdict": verdict,
        "findings": [{**asdict(finding), "text": str(finding)} for finding in findings],
    }


def _draw(model: Restored, figures: dict[str, Any], split: str, folder: Path) -> None:
    """Pictures that any task has, and the table per class."""
    # Where no class stands for nothing, the frequent ones come first: rare ones fail first.
    counts = np.array(model.counts)
    order = np.argsort(-counts, kind="stable") if model.task.background is None else np.arange(len(counts))
    names = [model.data.class_names[index] for index in order]
    ours, adjusted, trivial = (figures[key] for key in (split, "adjusted", "baseline"))

    def per_class(found: Mapping[str, Any], metric: str) -> list[float]:
        values: list[float] = np.array(found[f"per_class_{metric}"])[order].tolist()
        return values

    confusion = figures["confusion"].numpy()[order][:, order]
    what = f"{split} split of {Path(model.data.shown_path).name}"
    recalls = {
        "plain argmax": per_class(ours, "recall"),
        f"logit adjusted (tau {figures['logit_adjustment']['tau']:g})": per_class(adjusted, "recall"),
    }
    curves = figures["calibration_curves"]
    pictures = {
        "recall_per_class": lambda: recall_figure(
            names, recalls, per_class(trivial, "recall"), f"Recall of each class, {what}"
        ),
        "confusion": lambda: confusion_figure(confusion, names, f"Confusion at argmax, {what}"),
        "calibration": lambda: calibration_figure(
            {name: found["curve"] for name, found in curves.items()},
            {name: found["error"] for name, found in curves.items()},
            f"Calibration, {what}",
        ),
    }
    for name, draw in pictures.items():
        draw_picture(folder, name, draw)
    columns: dict[str, Sequence[Any]] = {"class": order.tolist(), "name": names, "train": counts[order].tolist()}
    columns["targets"] = confusion.sum(1).tolist()
    for heading, found in (("", ours), ("adjusted_", adjusted), ("trivial_", trivial)):
        columns |= {
            f"{heading}{name}": per_class(found, name) for name in ("recall", "f1", "iou", "ap")
            if f"per_class_{name}" in found
        }  # fmt: skip
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    write_atomic(folder / "classes.csv", text.getvalue().encode())


def _summarise(model: Restored, record: Mapping[str, Any], split: str, folder: Path) -> None:
    """The table, what the study found, and what stands out."""
    columns = {split: record[split], "adjusted": record["adjusted"]}
    columns |= {name: record[name] for name in ("refined", "rebalanced") if name in record}
    columns[model.task.trivial_name] = record["baseline"]
    log.info("\n%s", table(columns, (*model.task.headline, "calibration_error")))
    temperature = record["temperature"]
    log.info(
        "At a temperature of %.3f, tuned on val, the calibration error is %.4f",
        temperature["temperature"], temperature["calibration_error"],
    )  # fmt: skip
    for name, value in record.get("likelihood", {}).items():
        log.info("%s %s", name, f"{value:.4f}" if isinstance(value, float) else value)
    log.info("%s", diagnosis(record["findings"]))
    log.info("Pictures and figures  %s", folder)
