"""Train variants and compare them: ``python -m arcvae.compare [study=options] [seeds=[1,2,3]]``.

Or compare runs that are there: ``python -m arcvae.compare runs=[FOLDER,FOLDER]``. Leaves a report below
``outputs/compare/``; see README.md.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from arcvae import errors
from arcvae.app.checks import leaves
from arcvae.app.command import open_door, quiet
from arcvae.app.compose import FREE, FREE_WITHIN, config_hash, make_run_id, plan, resolved
from arcvae.errors import ArcvaeError, DataError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

log = logging.getLogger("arcvae")

_PICTURED = 10
Variants = dict[str, list[Path]]


def check(config: dict[str, Any]) -> None:
    """Compose every training run, and look for every run folder, before anything is written."""
    for run in config["runs"]:
        if not (Path(run) / "metrics.json").is_file():
            raise DataError(f"{run} holds no metrics.json; give the folder of a finished training run")
    if not config["runs"]:
        for overrides in _jobs(config).values():
            plan("train", overrides)


def _jobs(config: Mapping[str, Any]) -> dict[tuple[str, int], list[str]]:
    """Overrides of each training run, by variant and seed."""
    study, place = config["study"], f"output_dir='{config['output_dir']}'"
    return {
        (name, seed): [*study["overrides"], *overrides, *config["overrides"], f"seed={seed}", place]
        for name, overrides in study["variants"].items()
        for seed in config["seeds"]
    }


def compare(config: DictConfig, folder: Path) -> dict[str, Any]:
    """Compare what a composed config (``conf/compare.yaml``) names.

    Returns:
        What ``results.json`` holds.
    """
    plain, shown = resolved(config)
    quiet()
    variants = _given(plain["runs"]) if plain["runs"] else _trained(plain)
    from arcvae.io.files import write_atomic, write_json
    from arcvae.training.comparison import read_record, recommend, stabilities, summary
    from arcvae.training.comparison_report import markdown
    from arcvae.training.plots import curves_figure, draw_picture, plane_figure

    study = plain["study"]
    records = {name: [read_record(run) for run in runs] for name, runs in variants.items()}
    if count := study.get("samples"):
        for name, found in records.items():
            for record, run in zip(found, variants[name], strict=True):
                shares = _validity(run, count, plain["output_dir"])
                record |= {split: record[split] | shares for split in ("val", "test") if record[split]}
    if len({record["corpus"]["sha256"] for found in records.values() for record in found}) > 1:
        log.warning("These runs were not all made on the same corpus; their figures do not compare")
    chosen, reason = recommend(records, study["rank"])
    results = {
        "command": ["python", "-m", "arcvae.compare", *sys.argv[1:]],
        "config": shown,
        "recommendation": chosen,
        "reason": reason,
        "variants": {
            name: {
                "runs": [str(run) for run in variants[name]],
                "seeds": [record["seed"] for record in found],
                "metrics": {
                    f"{split}/{metric}": {"mean": entry.mean, "spread": entry.spread, "values": entry.values}
                    for split in ("val", "test", "at_tuned_decision")
                    for metric in study["columns"]
                    if (entry := summary(found, split, metric)).values
                },
                "verdicts": [record["verdict"] for record in found],
                "stability": stabilities(found, list(study["curves"])),
            }
            for name, found in records.items()
        },
        "baseline": next(iter(records.values()))[0]["baseline"],
    }
    write_json(folder / "results.json", results)
    report = markdown(records, study)
    write_atomic(folder / "results.md", report.encode())
    histories = {name: [record.get("history", []) for record in found] for name, found in records.items()}
    draw_picture(
        folder, "curves", lambda: curves_figure(histories, study["curves"], "Training and validation of each variant")
    )
    for picture, (x, y) in study.get("planes", {}).items():
        points = {name: (summary(found, "test", x), summary(found, "test", y)) for name, found in records.items()}
        title = f"{y} over {x} on test, by variant"
        draw_picture(folder, picture, partial(plane_figure, points, x, y, title))
    if all((run / "vae_best.pth").is_file() for runs in variants.values() for run in runs):
        draw_picture(folder, "reconstructions", lambda: _reconstructions(variants, records))
    log.info("\n%s", report)
    log.info("Report  %s", folder / "results.md")
    return results


def _given(runs: Sequence[str]) -> Variants:
    """Runs that differ in nothing but the seed are one variant; its name is what sets it apart from the others."""
    from arcvae.training.comparison import read_record

    groups: dict[str, dict[str, Path]] = {}
    configs: dict[str, dict[str, Any]] = {}
    for run in runs:
        record = read_record(Path(run))
        config = record["config"]
        group = config_hash({**config, "data": {**config["data"], "seed": None}}, but=("seed",))
        configs.setdefault(group, {".".join(path): value for path, value in leaves(config)})
        groups.setdefault(group, {})[record["run_id"]] = Path(run)  # a run that is named twice counts once
    names = _names(configs)
    return {names[group]: list(found.values()) for group, found in groups.items()}


def _names(configs: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """A name for each config: the values in which they differ, as overrides."""
    keys = list(dict.fromkeys(key for config in configs.values() for key in config if not _is_free(key)))
    telling = [key for key in keys if len({str(config.get(key)) for config in configs.values()}) > 1]
    names = {
        group: " ".join(f"{key}={config[key]}" for key in telling if key in config) or f"run {number}"
        for number, (group, config) in enumerate(configs.items(), 1)
    }
    taken = list(names.values())
    return {g: name if taken.count(name) == 1 else f"{name} ({i})" for i, (g, name) in enumerate(names.items(), 1)}


def _is_free(key: str) -> bool:
    group, _, name = key.partition(".")
    seeds = key == "seed" or key.endswith(".seed")
    return seeds or group in FREE or (name in FREE_WITHIN.get(group, ()) and name != "max_epochs")


def _trained(config: Mapping[str, Any]) -> Variants:
    """The run of each variant and seed; those that are there already are not trained again."""
    variants: Variants = {}
    there = _finished(Path(config["output_dir"]))
    for (name, seed), overrides in _jobs(config).items():
        (job,) = plan("train", overrides)
        folder = next((run for run, record in there if _is_run_of(record, job, run)), None)
        if folder is None:
            folder = Path(config["output_dir"]) / "train" / make_run_id()
            log.info("Training %s, seed %d, in %s", name, seed, folder)
            _run("train", [*overrides, f"hydra.run.dir='{folder}'"], f"training {name} (seed {seed})")
        else:
            log.info("%s, seed %d, is there: %s", name, seed, folder)
        variants.setdefault(name, []).append(folder)
    return variants


def _finished(output_dir: Path) -> list[tuple[Path, dict[str, Any]]]:
    """Finished training runs below a folder, newest first, with their records."""
    from arcvae.training.comparison import read_record

    paths = [*output_dir.glob("train/*/metrics.json"), *output_dir.glob("sweeps/*/*/metrics.json")]
    found = []
    for path in sorted(paths, key=lambda path: path.stat().st_mtime, reverse=True):
        try:
            found.append((path.parent, read_record(path.parent)))
        except DataError:  # of another command, or of an arcvae that kept less
            continue
    return found


def _is_run_of(record: Mapping[str, Any], job: Mapping[str, Any], run: Path) -> bool:
    """Whether a finished run is what ``job`` asks for: the same config, on the same file as it is now."""
    ours, theirs = job["data"].get("path"), record["config"]["data"].get("path")
    if record["config_hash"] != config_hash(job) or bool(ours) != bool(theirs):
        return False
    if not ours:
        return True
    return Path(ours).resolve() == Path(theirs).resolve() and (
        Path(ours).stat().st_mtime < (run / "metrics.json").stat().st_mtime
    )


def _validity(run: Path, count: int, output_dir: str) -> dict[str, float]:
    """Share of valid grids among samples of a run; they stay in its folder and are not drawn again."""
    shares = {}
    for prior in ("posterior", "aggregate", "normal"):
        folder = run / f"samples_{prior}_{count}"
        if not (folder / "metrics.json").is_file():
            overrides = [f"ckpt_path='{run}/checkpoints/best.ckpt'", f"prior={prior}", f"num_samples={count}"]
            overrides += [f"output_dir='{output_dir}'", f"hydra.run.dir='{folder}'"]
            _run("sample", overrides, f"sampling from {run}")
        shares[f"valid_{prior}"] = json.loads((folder / "metrics.json").read_text())["scores"]["samples"]["valid"]
    return shares


def _run(command: str, overrides: Sequence[str], what: str) -> None:
    """Run a command in a process of its own, so that no run can leave anything behind for the next."""
    process = subprocess.Popen([sys.executable, "-m", f"arcvae.{command}", *overrides])
    try:
        code = process.wait()
    except BaseException:
        process.terminate()  # it keeps its last checkpoint
        process.wait()
        raise
    if code:
        message = f"{what} ended with exit code {code}, see above; finished runs are kept"
        faults = [
            fault for fault in vars(errors).values() if isinstance(fault, type) and issubclass(fault, ArcvaeError)
        ]
        raise next((fault for fault in faults if fault.exit_code == code), ArcvaeError)(message)


def _reconstructions(variants: Variants, records: Mapping[str, Any]) -> Figure:
    """The same validation grids as each variant reconstructs them."""
    import numpy as np

    from arcvae.grid.analysis.pictures import mosaic
    from arcvae.grid.codec import load
    from arcvae.grid.corpus.files import read_corpus

    record = next(iter(records.values()))[0]
    val = read_corpus(record["corpus"]["path"], max_bytes=record["config"]["data"]["max_bytes"]).val
    grids = val[np.random.default_rng(0).permutation(len(val))[:_PICTURED]]
    rows = [grids, *(load(runs[0]).reconstruct(grids) for runs in variants.values())]
    names = ["original", *(name if len(name) < 20 else f"{name[:18]}…" for name in variants)]
    return mosaic(np.concatenate(rows), len(grids), "The same validation grids, reconstructed", rows=names)


def main() -> int:
    """Entry point; returns the exit code."""
    return open_door("compare", compare, check)


if __name__ == "__main__":
    sys.exit(main())
