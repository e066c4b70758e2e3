"""Opening a trained model from its checkpoint alone, as evaluation needs it."""

from __future__ import annotations

import logging
import shlex
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from arcvae.app.assembly import build_module
from arcvae.app.build import Builder
from arcvae.app.checks import problems_of
from arcvae.app.compose import plan
from arcvae.app.plugins import import_plugins
from arcvae.app.shipped import SHIPPED
from arcvae.app.trust import foreign_targets
from arcvae.errors import CheckpointError, DataError
from arcvae.imbalance.weights import ClassWeighting
from arcvae.io.door import read_json
from arcvae.io.exports import model_state, read_export
from arcvae.io.settings import leaves
from arcvae.io.tensors import fill, require_fit
from arcvae.training.course import Course
from arcvae.training.data import ImbalanceDataModule
from arcvae.training.hardware import pick_device
from arcvae.training.module import ImbalanceModule
from arcvae.training.resuming import read_or_name_another
from arcvae.training.task import Task

log = logging.getLogger(__name__)

_OTHER_CORPUS: Final = (
    "%s is not the corpus that %s was trained on, so that figures are not those of its test split; name that one with "
    "data.path=..."
)


@dataclass
class Restored:
    """A trained model, opened from its checkpoint alone."""

    config: dict[str, Any]
    """Config of the training run, with the changes that were asked for."""
    task: Task[Any, Any]
    data: ImbalanceDataModule
    module: ImbalanceModule
    counts: list[int]
    """Elements of each class in the train split that it was trained on."""
    same_corpus: bool
    """Whether ``data`` serves the corpus that it was trained on."""
    course: Course
    """How it was trained, as far as the checkpoint tells."""


def restore(
    ckpt_path: str,
    *,
    data_path: str | None,
    shown_path: str | None = None,
    accelerator: str,
    output_dir: str,
    max_bytes: float = 4e9,
    plugins: Sequence[str] = (),
) -> Restored:
    """Open a checkpoint: it knows its architecture, loss, class weights and corpus.

    What it says is data: only classes of arcvae, and of modules that the user names now, are built from it, and
    only with values that a config may have.

    Args:
        ckpt_path: Checkpoint of ``arcvae.train``, or the weights of a model that comes with arcvae.
        data_path: Another corpus than that of the run; None for the same.
        shown_path: The same as it may be written down.
        accelerator: "auto", "cpu", "gpu", "cuda" or "mps".
        output_dir: Where a generated corpus is kept, and class counts; the checkpoint has no say in it.
        max_bytes: Refuse a corpus that takes more than this.
        plugins: Modules of the user to import first.

    Raises:
        CheckpointError: Not a checkpoint, damaged, of another architecture or a newer format.
        DataError: A corpus that cannot be read, or whose samples or classes are of another kind than those of the run.
    """
    comes_with_us = Path(ckpt_path).parent == SHIPPED
    checkpoint = _as_checkpoint(Path(ckpt_path)) if comes_with_us else read_or_name_another(ckpt_path)
    stamp = checkpoint["arcvae"]
    task = _task_of(stamp["config"], plugins, ckpt_path)
    config = {key: stamp["config"].get(key) for key in ("task", "data", "model", "loss", "seed", *task.parts)}
    config |= {"plugins": list(plugins)}
    here = {"corpus_dir": f"{output_dir}/corpora", "cache_dir": f"{output_dir}/cache", "max_bytes": max_bytes}
    here |= {**task.data_of_evaluation} | ({} if data_path is None else {"path": data_path})
    config["data"] = config["data"] | {key: value for key, value in here.items() if key in config["data"]}
    _require_buildable(config, ckpt_path)
    data = Builder(plugins)("data", config["data"])
    data.write_down(shown_path)
    data.prepare_data()
    config["model"] = task.model_on(data, config["model"])
    _require_same_kind(config["model"], data, stamp, ckpt_path)
    # Partial: its module is imported here, and not among tensors without content.
    make = Builder(plugins)("model", {**config["model"], "_partial_": True})
    require_fit(make, model_state(checkpoint), Path(ckpt_path))
    weights = stamp.get("class_weights")
    counts = [int(n) for n in stamp["class_counts"]]
    module = build_module(config, task, np.asarray(counts), None if weights is None else np.asarray(weights))
    fill(module, checkpoint["state_dict"], Path(ckpt_path))
    module.on_load_checkpoint(checkpoint)
    module.eval().to(pick_device(accelerator))
    same = data.content_hash == stamp.get("corpus_sha256")
    if not same:
        log.warning(_OTHER_CORPUS, data.shown_path, ckpt_path)
    # How long the run was is not known from a checkpoint, which may be that of an early epoch.
    course = Course.of(stamp["config"], class_names=data.class_names, class_counts=counts)
    return Restored(config, task, data, module, counts, same, course)


def _as_checkpoint(path: Path) -> dict[str, Any]:
    """A model that comes with arcvae as the checkpoint of the run that trained it: weights, config and class counts.

    Args:
        path: The file of its weights, as :func:`arcvae.app.shipped.shipped` finds it.

    Raises:
        CheckpointError: Damaged.
    """
    export, facts = read_export(path), read_json(path.with_suffix(".json"), CheckpointError, "what was measured of it")
    words = shlex.split(facts["command"])
    overrides = [word for word in words[words.index("arcvae.train") + 1 :] if not word.startswith("data.path=")]
    (config,) = plan("train", overrides)
    counts = np.asarray(export["logit_adjustment"]["class_counts"])
    weights = ClassWeighting.of(config["loss"])[0].weights(counts)
    return {
        "epoch": facts["epochs"] - 1,
        "state_dict": {f"model.{name}": tensor for name, tensor in export["state_dict"].items()},
        "arcvae": {
            "config": {**config, "model": export["model"]},
            "corpus_sha256": facts["corpus_sha256"],
            "class_names": export["class_names"],
            "class_counts": counts.tolist(),
            "class_weights": None if weights is None else weights.tolist(),
        },
    }


def _task_of(config: Mapping[str, Any], plugins: Sequence[str], ckpt_path: str) -> Task[Any, Any]:
    """The task of a checkpoint, once its plugins are there and it is known to be one that may be built."""
    node = {"task": config["task"], "plugins": list(plugins)}
    import_plugins(plugins)
    _require_buildable(node, ckpt_path)
    task: Task[Any, Any] = Builder(plugins)("task", config["task"])
    return task


def _require_buildable(config: Mapping[str, Any], ckpt_path: str) -> None:
    """Refuse, before anything is built, what a checkpoint says if a config may not say it."""
    there = {key: value for key, value in config.items() if value}
    interpolated = [
        f"{'.'.join(path)}={value} is not resolved from a file; give {'.'.join(path)}, if this command has it"
        for path, value in leaves(config)
        if "${" in str(value)
    ]
    if problems := [*foreign_targets(config), *interpolated, *problems_of(there)]:
        raise CheckpointError(f"{ckpt_path} describes what cannot be built: {'; '.join(problems)}")


def _require_same_kind(
    model: Mapping[str, Any], data: ImbalanceDataModule, stamp: Mapping[str, Any], ckpt_path: str
) -> None:
    """Refuse a corpus whose samples or classes are not of the kind that a checkpoint was trained on."""
    for name, found in data.model_settings.items():
        if (wanted := model.get(name)) not in (None, found):
            raise DataError(f"{data.corpus_path} has {name} {found}, {ckpt_path} was trained with {wanted}")
    known, here = stamp.get("class_names"), list(data.class_names)
    if known is not None and (known := [unicodedata.normalize("NFC", name) for name in known]) != here:
        if len(known) != len(here):
            raise DataError(f"{data.corpus_path} has {len(here)} classes, {ckpt_path} was trained on {len(known)}")
        first = next(pair for pair in zip(known, here, strict=True) if pair[0] != pair[1])
        raise DataError(f"{data.corpus_path} has a class {first[1]!r} where {ckpt_path} was trained on {first[0]!r}")
