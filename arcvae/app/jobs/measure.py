"""The part of ``arcvae.compare`` that measures trained models, for studies that ask for more than records of runs."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import arcvae
from arcvae.app.opening import open_model
from arcvae.app.rulebook import PACKAGE
from arcvae.app.shipped import shipped
from arcvae.app.tasks import task_of_export
from arcvae.app.variants import Variants
from arcvae.errors import ConfigError, DataError
from arcvae.io.door import read_json
from arcvae.io.exports import main_export, read_export
from arcvae.io.files import sha256, to_json, write_atomic, write_json
from arcvae.training.measurement import Measurement
from arcvae.training.plots import draw_picture
from arcvae.training.record import RECORD, RunRecord
from arcvae.training.task import Task

log = logging.getLogger("arcvae")


def measure(
    config: Mapping[str, Any], shown: Mapping[str, Any], variants: Variants, folder: Path, command: Sequence[str]
) -> dict[str, Any]:
    """Measure the models of a study and report on them.

    What has been measured of a model is kept below ``output_dir`` and not measured again.

    Args:
        config: Plain, resolved and checked config of ``arcvae.compare``, with ``study.measure``.
        shown: The same as it may be written down.
        variants: Run folders, or names of models that come with arcvae.
        folder: Folder that the report goes into.
        command: Command line, for the record.

    Returns:
        What ``results.json`` holds.

    Raises:
        ConfigError: Models of several tasks, or a task that measures no such thing.
    """
    settings = dict(config["study"]["measure"])
    exports = {name: [_export(path) for path in paths] for name, paths in variants.items()}
    measurement = _task_of(exports, config["plugins"]).measurement(settings["what"])
    runs = [path for paths in variants.values() for path in paths if (path / RECORD).is_file()]
    paths = list(dict.fromkeys(RunRecord.read(run).corpus["path"] for run in runs))
    if not settings["path"] and len(paths) > 1:
        log.warning("These runs were not all made on the same corpus; measured on %s", paths[0])
    if not settings["path"] and paths and "${" in paths[0]:
        raise DataError(f"a run was made on {paths[0]}, which is not resolved from a file; give study.measure.path")
    corpus = measurement.corpus(settings["path"] or (paths or [None])[0], config["output_dir"])
    kept = Path(config["output_dir"]) / "measured"
    kept.mkdir(parents=True, exist_ok=True)
    found: dict[str, list[dict[str, Any]]] = {}
    for name, files in exports.items():
        for file in files:
            log.info("Measuring %s (%s)", name, file)
            found.setdefault(name, []).append(_measured(measurement, file, corpus, settings, kept, config["plugins"]))
    report = measurement.report(found)
    results = {
        "measured": found,
        "variants": {name: [str(path) for path in paths] for name, paths in variants.items()},
        "corpus": str(corpus), "version": arcvae.__version__, "command": list(command), "config": shown,
    }  # fmt: skip
    write_json(folder / "results.json", results)
    write_atomic(folder / "results.md", report.text.encode())
    for picture, draw in report.pictures.items():
        draw_picture(folder, picture, draw)
    log.info("\n%s", report.summary)
    log.info("Report  %s", folder / "results.md")
    return results


def _export(path: Path) -> Path:
    """The file that holds the whole model of a run folder or of a name."""
    path = shipped(path)
    return main_export(path) if path.is_dir() else path


def _task_of(exports: Mapping[str, Sequence[Path]], plugins: Sequence[str]) -> Task[Any, Any]:
    tasks = [task_of_export(read_export(file), file, plugins) for files in exports.values() for file in files]
    if len({type(task) for task in tasks}) > 1:
        raise ConfigError(f"runs are of {len({type(task) for task in tasks})} tasks; measure those of one at a time")
    return tasks[0]


def _measured(
    measurement: Measurement,
    file: Path,
    corpus: Path,
    settings: Mapping[str, Any],
    kept: Path,
    plugins: Sequence[str],
) -> dict[str, Any]:
    """The figures of one model: those that are kept if nothing that they depend on has changed."""
    place = kept / f"{settings['what']}-{_identity(file, corpus, settings)[:16]}.json"
    if place.is_file():
        log.info("... is there: %s", place)
        before: dict[str, Any] = read_json(place, DataError, "nothing in its place: remove it")
        return before
    found: dict[str, Any] = to_json(measurement.measure(open_model(file, plugins).model, corpus, settings))
    write_json(place, found)
    return found


def _identity(file: Path, corpus: Path, settings: Mapping[str, Any]) -> str:
    """What figures depend on: the model and what lies beside it, the corpus, the settings, the code of arcvae."""
    files = [*sorted(file.parent.glob(f"{file.stem}.*")), corpus, *sorted(PACKAGE.rglob("*.py"))]
    digests = [sha256(part.read_bytes()) for part in files]
    values = {key: value for key, value in settings.items() if key != "path"}
    return sha256(json.dumps([values, digests], sort_keys=True).encode())
