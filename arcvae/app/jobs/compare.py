"""The job of ``arcvae.compare``: train the variants of a study, or take runs that are there, and report on them."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import arcvae
from arcvae.app.checks import falling_metrics, scheduled_metrics
from arcvae.app.console import quiet
from arcvae.app.found_runs import named_runs
from arcvae.app.hydra_files import write_hydra_files
from arcvae.app.jobs.measure import measure
from arcvae.app.overrides import named_plugins, parse_overrides, quoted
from arcvae.app.tasks import task_of_node
from arcvae.app.trust import foreign_targets
from arcvae.app.variants import Variants, given_variants, jobs_of, run_command_in_process, trained_variants
from arcvae.errors import DataError
from arcvae.io.door import read_json
from arcvae.io.files import write_atomic, write_json
from arcvae.io.renamed import with_present_names
from arcvae.io.settings import is_number, value_at
from arcvae.training.comparison import recommend, same_corpus, stabilities, summary
from arcvae.training.comparison_report import NOT_THE_SAME, markdown, terminal
from arcvae.training.plots import curves_figure, draw_picture, plane_figure
from arcvae.training.record import RECORD, RunRecord
from arcvae.training.task import Task

log = logging.getLogger("arcvae")

Records = dict[str, list[RunRecord]]


def compare(config: dict[str, Any], shown: dict[str, Any], folder: Path, command: Sequence[str]) -> dict[str, Any]:
    """Compare variants.

    Args:
        config: Plain, resolved and checked config (``conf/compare.yaml``).
        shown: The same as it may be written down, without the values of secrets.
        folder: Folder that the report goes into.
        command: Command line, for the record.

    Returns:
        What ``results.json`` holds.
    """
    started = time.time()
    quiet()
    write_hydra_files(folder, shown)
    config = {**config, "runs": named_runs(config)}
    variants = given_variants(config["runs"], config["plugins"]) if config["runs"] else trained_variants(config)
    study = config["study"]
    if study.get("measure"):
        return measure(config, shown, variants, folder, command)
    records = {name: [RunRecord.read(run) for run in runs] for name, runs in variants.items()}
    plugins = _plugins(config)
    task = _task(records, plugins)
    if config["runs"]:
        study = _suited(study, records, task)
    if study.get("samples"):
        records = _with_validity(records, variants, study, config["output_dir"], plugins)
    if not same_corpus(records):
        log.warning("%s", NOT_THE_SAME)
    configs = [{**record.config, "plugins": plugins} for found in records.values() for record in found]
    lower = {name for run in configs for name in falling_metrics(run)}
    schedules = {name for run in configs for name in scheduled_metrics(run)}
    results = _results(records, variants, study, lower, schedules) | {
        "version": arcvae.__version__,
        "command": list(command),
        "config": shown,
    }
    write_json(folder / "results.json", results)
    there = [
        r.run_id
        for n, found in records.items()
        for r, run in zip(found, variants[n], strict=True)
        if (run / RECORD).stat().st_mtime < started
    ]
    reused = there if len(there) < sum(map(len, records.values())) else ()
    report = markdown(records, study, lower, schedules, reused)
    write_atomic(folder / "results.md", report.encode())
    _draw(records, variants, study, folder, task)
    log.info("\n%s", terminal(records, study, shutil.get_terminal_size((100, 24)).columns, lower))
    log.info("Report  %s", folder / "results.md")
    return results


def _results(
    records: Records, variants: Variants, study: Mapping[str, Any], lower: Collection[str], schedules: Collection[str]
) -> dict[str, Any]:
    """What ``results.json`` says of the variants."""
    chosen, reason = recommend(records, study["rank"], lower)
    return {
        "recommendation": chosen,
        "reason": reason,
        "variants": {
            name: {
                "runs": [str(run) for run in variants[name]],
                "seeds": [record.seed for record in found],
                "metrics": {
                    f"{split}/{metric}": {"mean": entry.mean, "spread": entry.spread, "values": entry.values}
                    for split in ("val", "test", "adjusted")
                    for metric in study["columns"]
                    if (entry := summary(found, split, metric)).values
                },
                "verdicts": [record.verdict for record in found],
                "stability": stabilities(found, list(study["curves"]), lower, schedules),
            }
            for name, found in records.items()
        },
        "baseline": next(iter(records.values()))[0].baseline,
    }


def _plugins(config: Mapping[str, Any]) -> list[str]:
    """The modules of the user that this command names; those that the record of a run names are not imported."""
    words = [] if config["runs"] else [word for words in jobs_of(config).values() for word in words]
    return [*config["plugins"], *named_plugins(parse_overrides(words))]


def _draw(
    records: Records, variants: Variants, study: Mapping[str, Any], folder: Path, task: Task[Any, Any] | None
) -> None:
    """Curves, planes, and what the task of the runs can show side by side."""
    histories = {name: [record.history for record in found] for name, found in records.items()}
    draw_picture(
        folder, "curves", lambda: curves_figure(histories, study["curves"], "Training and validation of each variant")
    )
    for picture, (x, y) in (study.get("planes") or {}).items():
        points = {name: (summary(found, "test", x), summary(found, "test", y)) for name, found in records.items()}
        across, up = (name.replace("_", " ") for name in (x, y))
        draw_picture(folder, picture, partial(plane_figure, points, across, up, f"{up} over {across} on test"))
    if task is not None:
        for picture, draw in task.comparison_pictures(variants, records).items():
            draw_picture(folder, picture, draw)


def _task(records: Records, plugins: Sequence[str]) -> Task[Any, Any] | None:
    """The task of all runs; None if they have different ones, or one that is not to be trusted."""
    nodes = [with_present_names(record.config["task"]) for found in records.values() for record in found]
    if any(node != nodes[0] for node in nodes):
        return None
    if foreign := foreign_targets({"task": nodes[0], "plugins": plugins}):
        log.warning("No pictures of the task: %s", foreign[0])
        return None
    return task_of_node(nodes[0], plugins)


def _suited(study: Mapping[str, Any], records: Records, task: Task[Any, Any] | None) -> Mapping[str, Any]:
    """The study, if its runs have the figure that decides; or else one of the figures of their own task."""
    everyone = [record for found in records.values() for record in found]
    monitor = everyone[0].monitor
    if task is None or monitor is None or any(study["rank"][0] in record.val for record in everyone):
        return study
    name = monitor.removeprefix("val/")
    log.info("The runs have no %s, on which this study decides; what their task measures is compared", study["rank"][0])
    curves = {"val/loss": "validation loss", monitor: f"{name} (validation)"}
    return {"columns": task.headline, "rank": [name], "curves": curves}


def _with_validity(
    records: Records, variants: Variants, study: Mapping[str, Any], output_dir: str, plugins: Sequence[str]
) -> Records:
    """The records with the share of valid grids among samples of each run, as ``valid_PRIOR`` of val and test."""
    common = [f"num_samples={study['samples']}", f"output_dir={quoted(output_dir)}"]
    common.append(f"plugins=[{','.join(map(quoted, plugins))}]")
    found: Records = {}
    for name, runs in variants.items():
        found[name] = []
        for record, run in zip(records[name], runs, strict=True):
            shares = _validity(run, study["samples"], study["priors"], common)
            test = record.test and record.test | shares
            found[name].append(replace(record, val=record.val | shares, test=test))
    return found


def _validity(run: Path, count: int, priors: Sequence[str], common: Sequence[str]) -> dict[str, float]:
    """Share of valid samples of a run, by prior; samples stay in its folder and are not drawn again."""
    shares = {}
    for prior in priors:
        folder = run / f"samples_{prior}_{count}"
        if not (folder / "metrics.json").is_file():
            paths = {"ckpt_path": run / "checkpoints" / "best.ckpt", "hydra.run.dir": folder}
            overrides = [f"{key}={quoted(str(path))}" for key, path in paths.items()]
            run_command_in_process("sample", [*overrides, f"prior={prior}", *common], f"sampling from {run}")
        record = read_json(folder / "metrics.json", DataError, "another run, or remove that folder")
        share = value_at(record if isinstance(record, Mapping) else {}, "scores.samples.valid")
        if not is_number(share):
            raise DataError(f"{folder}/metrics.json does not say how many samples are valid; remove that folder")
        shares[f"valid_{prior}"] = share
    return shares
