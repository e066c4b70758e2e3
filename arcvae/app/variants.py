"""The variants of a comparison: runs that are given, or runs that a study asks for and that are trained if missing."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from arcvae import errors
from arcvae.app.compose import plan
from arcvae.app.identity import config_hash, is_free, make_run_id
from arcvae.app.overrides import quoted
from arcvae.app.shipped import comes_with_arcvae
from arcvae.errors import ArcvaeError, DataError
from arcvae.io.renamed import with_present_names
from arcvae.io.settings import leaves, value_at
from arcvae.training.record import RECORD, RunRecord

log = logging.getLogger("arcvae")

LONGEST: Final = 4
"""Overrides in the name of a variant: the models of two runs may differ in a dozen keys."""
_NAMELESS: Final = ("seed=", "output_dir=", "hydra.", "data.path=", "ckpt_path=", "data.seed=")

Variants = dict[str, list[Path]]
"""Run folders, one for each seed, by the name of the variant."""


def jobs_of(config: Mapping[str, Any]) -> dict[tuple[str, int], list[str]]:
    """Overrides of each training run of a study, by variant and seed.

    Args:
        config: Plain config of ``arcvae.compare``.
    """
    study, place = config["study"], f"output_dir={quoted(str(config['output_dir']))}"
    return {
        (name, seed): [*study["overrides"], *overrides, *config["overrides"], f"seed={seed}", place]
        for name, overrides in study["variants"].items()
        for seed in config["seeds"]
    }


def given_variants(runs: Sequence[str], plugins: Sequence[str] = ()) -> Variants:
    """Run folders as variants: those that differ in nothing but the seed are one, named by what sets it apart.

    A model that comes with arcvae, given by its name, is a variant of that name.

    Args:
        runs: Run folders.
        plugins: Modules of the user; what a record names is not imported.

    Raises:
        DataError: A folder without the record of a training run.
    """
    if shipped := [run for run in runs if comes_with_arcvae(run)]:
        others = [run for run in runs if run not in shipped]
        return {name: [Path(name)] for name in shipped} | (given_variants(others, plugins) if others else {})
    groups: dict[str, dict[str, Path]] = {}
    configs: dict[str, dict[str, Any]] = {}
    typed: dict[str, list[str]] = {}
    for run in runs:
        record = RunRecord.read(Path(run))
        config = {**with_present_names(record.config), "plugins": list(plugins)}
        if not all(isinstance(config.get(node), Mapping) for node in ("task", "data")):
            raise DataError(f"{run}/{RECORD} lacks the config of its run; give the folder of another")
        group = config_hash({**config, "data": {**config["data"], "seed": None}}, but=("seed",))
        configs.setdefault(group, {".".join(path): value for path, value in leaves(config)})
        typed.setdefault(group, [word for word in record.command if "=" in word and not word.startswith(_NAMELESS)])
        groups.setdefault(group, {})[record.run_id] = Path(run)  # a run that is named twice counts once
    names = _names(configs, typed)
    return {names[group]: list(found.values()) for group, found in groups.items()}


def _names(configs: Mapping[str, Mapping[str, Any]], typed: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """A name for each config: the values in which they differ, as overrides.

    Where fewer words were typed for one and not for all (``loss=option_b`` sets four values), it is these.
    """
    keys = dict.fromkeys(key for config in configs.values() for key in config)
    counted = [key for key in keys if not is_free(key) and key.rpartition(".")[2] != "seed"]
    telling = [key for key in counted if len({str(config.get(key)) for config in configs.values()}) > 1]
    common = set.intersection(*(set(words) for words in typed.values()))
    names = {}
    for number, (group, config) in enumerate(configs.items(), 1):
        words = [f"{key}={config[key]}" for key in telling if key in config] or [f"run {number}"]
        own = [word for word in typed[group] if word not in common]
        if 0 < len(own) < len(words):
            words = own
        more = len(words) - LONGEST
        names[group] = " ".join(words[:LONGEST]) + (f" +{more}" if more > 0 else "")
    taken = list(names.values())
    return {g: name if taken.count(name) == 1 else f"{name} ({i})" for i, (g, name) in enumerate(names.items(), 1)}


def trained_variants(config: Mapping[str, Any]) -> Variants:
    """The run of each variant and seed of a study; those that are there already are not trained again.

    Args:
        config: Plain config of ``arcvae.compare``.

    Raises:
        ArcvaeError: A training run failed, as the fault that it ended with.
    """
    variants: Variants = {}
    there = _finished(Path(config["output_dir"]))
    for (name, seed), overrides in jobs_of(config).items():
        (job,) = plan("train", overrides)
        folder = next((run for run, record in there if _is_run_of(record, job, run)), None)
        if folder is None:
            folder = Path(config["output_dir"]) / "train" / make_run_id()
            log.info("Training %s, seed %d, in %s", name, seed, folder)
            words = [*overrides, f"hydra.run.dir={quoted(str(folder))}"]
            run_command_in_process("train", words, f"training {name} (seed {seed})")
        else:
            log.info("%s, seed %d, is there: %s", name, seed, folder)
        variants.setdefault(name, []).append(folder)
    return variants


def _finished(output_dir: Path) -> list[tuple[Path, RunRecord]]:
    """Finished training runs below a folder, newest first, with their records."""
    paths = [*output_dir.glob(f"train/*/{RECORD}"), *output_dir.glob(f"sweeps/*/*/{RECORD}")]
    found = []
    for path in sorted(paths, key=lambda path: path.stat().st_mtime, reverse=True):
        try:
            found.append((path.parent, RunRecord.read(path.parent)))
        except DataError:  # of another command, or of an arcvae that kept less
            continue
    return found


def _is_run_of(record: RunRecord, job: Mapping[str, Any], run: Path) -> bool:
    """Whether a finished run is what ``job`` asks for: the same config, on the same file as it is now."""
    ours, theirs = job["data"].get("path"), value_at(record.config, "data.path")
    if record.config_hash != config_hash(job) or bool(ours) != bool(theirs):
        return False
    if not ours:
        return True
    return Path(ours).resolve() == Path(theirs).resolve() and (
        Path(ours).stat().st_mtime < (run / RECORD).stat().st_mtime
    )


def run_command_in_process(command: str, overrides: Sequence[str], what: str) -> None:
    """Run a command of arcvae in a process of its own, so that no run can leave anything behind for the next.

    Args:
        command: For example ``"train"``.
        overrides: Its arguments.
        what: What is being done, for the message of a failure.

    Raises:
        ArcvaeError: The command failed; the fault has its exit code.
    """
    process = subprocess.Popen([sys.executable, "-m", f"arcvae.{command}", *overrides])
    try:
        code = process.wait()
    except BaseException:
        process.terminate()  # it keeps its last checkpoint
        process.wait()
        raise
    if code:
        faults = [
            fault for fault in vars(errors).values() if isinstance(fault, type) and issubclass(fault, ArcvaeError)
        ]
        fault = next((fault for fault in faults if fault.exit_code == code), ArcvaeError)
        raise fault(f"{what} ended with exit code {code}, see above; finished runs are kept")
