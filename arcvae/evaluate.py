"""Evaluate a checkpoint: ``python -m arcvae.evaluate ckpt_path=outputs/latest/checkpoints/best.ckpt``.

Leaves a folder below ``outputs/evaluate/`` with metrics, a diagnosis in words and pictures; see README.md.
"""

from __future__ import annotations

import csv
import io
import logging
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from arcvae.app.command import check_files, open_door, quiet
from arcvae.app.compose import resolved
from arcvae.errors import ConfigError, DataError

if TYPE_CHECKING:
    from arcvae.app.restore import Restored

log = logging.getLogger("arcvae")


def evaluate(config: DictConfig, folder: Path) -> dict[str, Any]:
    """Evaluate the checkpoint of a composed config (``conf/evaluate.yaml``).

    Returns:
        What ``metrics.json`` holds.
    """
    started = time.time()
    plain, shown = resolved(config)
    checkpoint = Path(plain["ckpt_path"]).resolve()  # now: outputs/latest may move on meanwhile
    quiet()
    from arcvae.app.restore import restore
    from arcvae.io.files import write_json
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
        split, limit = plain["split"], plain["limit"]
        if not model.data.size(split):
            raise DataError(f"{model.data.corpus_path}: {split} is empty; choose another split")
        figures = _measure(model, split, limit)
        study = model.module.study(
            model.data, split, figures[split],
            limit=limit, decision=figures["decision"], samples=plain["importance_samples"],
            refine=plain["refine"], seed=plain["seed"], folder=folder,
        )  # fmt: skip
        if plain["refine"] and "refined" not in study:
            raise ConfigError(f"refine={plain['refine']}: {checkpoint} has no codes to refine; leave it at 0")
        record = {
            "command": ["python", "-m", "arcvae.evaluate", *sys.argv[1:]],
            "config": shown,
            "checkpoint": str(checkpoint),
            **software(),
            "corpus": {
                "path": str(model.data.corpus_path),
                "sha256": model.data.content_hash,
                "is_that_of_the_training": model.same_corpus,
            },
            "split": split,
            "samples": min(limit, model.data.size(split)),
            "tuning_samples": model.data.size("val"),
            **figures,
            **study,
            "wall_seconds": time.time() - started,
        }
        _draw(model, figures, split, folder)
        write_json(folder / "metrics.json", record)
    columns = {
        split: figures[split],
        "tuned": figures["at_tuned_decision"],
        **({"refined": study["refined"]} if "refined" in study else {}),
        model.module.trivial_name: figures["baseline"],
    }
    log.info("\n%s", table(columns, (*model.module.headline, "calibration_error")))
    for name, value in study.get("likelihood", {}).items():
        log.info("%s %s", name, f"{value:.4f}" if isinstance(value, float) else value)
    for finding in figures["diagnosis"]:
        log.info("%s", finding["text"])
    if not figures["diagnosis"]:
        log.info("Diagnosis: nothing stands out")
    log.info("Pictures and figures  %s", folder)
    return record


def _measure(model: Restored, split: str, limit: int) -> dict[str, Any]:
    """All metrics of a split, at the plain argmax and at the decision tuned on the validation split."""
    from lightning.pytorch import Trainer

    from arcvae.imbalance.logit_adjustment import log_prior
    from arcvae.training.diagnosis import diagnose
    from arcvae.training.evaluation import decide, tune_decision
    from arcvae.training.report import baseline

    module, data = model.module, model.data
    trainer = Trainer(
        accelerator=module.device.type, devices=1, logger=False, enable_checkpointing=False,
        enable_model_summary=False, enable_progress_bar=False,
    )  # fmt: skip
    device = module.device
    trainer.test(module, data.evaluation_loader(split, limit), verbose=False)
    module.to(device)
    results = module.results["test"]
    decision = tune_decision(module, data.evaluation_loader("val"), model.counts)
    strength = decision["prior_strength"]
    plain, tuned = decide(module, data.evaluation_loader(split, limit), (0.0, strength), log_prior(model.counts))
    verdict = module.verdict(results)
    return {
        split: results | plain.calibration_errors,
        "at_tuned_decision": tuned.results(module),
        "baseline": baseline(module, data.targets(split)[:limit], model.counts),
        "decision": decision,
        "confusion": plain.metrics.confusion.cpu(),
        "calibration_curves": {
            f"{which}, {name}": {"curve": found.curve(), "error": found.error}
            for which, decided in (("argmax", plain), ("tuned", tuned))
            for name, found in decided.calibrations.items()
        },
        "verdict": verdict,
        "diagnosis": [
            {**vars(finding), "text": str(finding)} for finding in diagnose(module, results, verdict, strength)
        ],
    }


def _draw(model: Restored, figures: dict[str, Any], split: str, folder: Path) -> None:
    """Pictures that any task has, and the table per class."""
    import numpy as np

    from arcvae.io.files import write_atomic
    from arcvae.training.plots import calibration_figure, confusion_figure, draw_picture, recall_figure

    # Where no class stands for nothing, the frequent ones come first: rare ones fail first.
    counts = np.array(model.counts)
    order = np.argsort(-counts, kind="stable") if model.module.background is None else np.arange(len(counts))
    names = [model.data.class_names[index] for index in order]
    ours, tuned, trivial = (figures[key] for key in (split, "at_tuned_decision", "baseline"))

    def per_class(found: Mapping[str, Any], metric: str) -> list[float]:
        return np.array(found[f"per_class_{metric}"])[order].tolist()

    confusion = figures["confusion"].numpy()[order][:, order]
    what = f"{split} split of {Path(model.data.corpus_path).name}"
    recalls = {
        "plain argmax": per_class(ours, "recall"),
        f"tuned decision (strength {figures['decision']['prior_strength']:g})": per_class(tuned, "recall"),
    }
    curves = figures["calibration_curves"]
    draw_picture(
        folder,
        "recall_per_class",
        lambda: recall_figure(names, recalls, per_class(trivial, "recall"), f"Recall of each class, {what}"),
    )
    draw_picture(
        folder,
        "confusion",
        lambda: confusion_figure(confusion, names, f"Confusion at argmax, {what}"),
    )
    draw_picture(
        folder,
        "calibration",
        lambda: calibration_figure(
            {name: found["curve"] for name, found in curves.items()},
            {name: found["error"] for name, found in curves.items()},
            f"Calibration, {what}",
        ),
    )
    columns: dict[str, Sequence[Any]] = {"class": order.tolist(), "name": names, "train": counts[order].tolist()}
    columns["targets"] = confusion.sum(1).tolist()
    for heading, found in (("", ours), ("tuned_", tuned), ("trivial_", trivial)):
        columns |= {f"{heading}{name}": per_class(found, name) for name in ("recall", "f1", "iou")}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    write_atomic(folder / "classes.csv", text.getvalue().encode())


def main() -> int:
    """Entry point; returns the exit code."""
    return open_door("evaluate", evaluate, check_files)


if __name__ == "__main__":
    sys.exit(main())
