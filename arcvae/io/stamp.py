"""What a checkpoint must hold: the stamp of arcvae to open its model, Lightning's own entries to continue its run.

A checkpoint that somebody else has made, or edited, may hold anything under these names. What is looked at here is used
later without a further look.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Set
from pathlib import Path
from typing import Any

from torch import Tensor

from arcvae.errors import CheckpointError
from arcvae.io.settings import is_count, is_number

_NODES = ("task", "data", "model", "loss")


def require_stamp(content: Mapping[str, Any], path: Path) -> None:
    """Refuse a checkpoint whose facts about the run or whose weights are not what ``RunStamp`` writes.

    Raises:
        CheckpointError: The first entry that is wrong.
    """
    stamp, state = content["arcvae"], content["state_dict"]
    config = stamp["config"]
    missing = [key for key in _NODES if not isinstance(config.get(key), Mapping)]
    if missing or not isinstance(counts := stamp.get("class_counts"), list):
        raise CheckpointError(f"{path} lacks {', '.join(missing) or 'class_counts'}; it cannot be used")
    names, weights, clock = stamp.get("class_names"), stamp.get("class_weights"), content.get("clock", {})
    loss_progress = content.get("loss_progress")
    wrong = {
        "config": not _is_plain(config),
        "config._target_": not all(isinstance(config[node].get("_target_"), str) for node in _NODES),
        "class_counts": not all(is_count(n) and 0 <= n < 2**63 for n in counts) or not any(counts),
        "class_weights": weights is not None and not _fits(weights, len(counts), is_number),
        "class_names": names is not None and not _fits(names, len(counts), lambda name: isinstance(name, str)),
        "corpus_sha256": not isinstance(stamp.get("corpus_sha256"), str),
        "state_dict": not all(isinstance(k, str) and isinstance(v, Tensor) for k, v in state.items()),
        "clock": not isinstance(clock, Mapping)
        or not clock.keys() <= {"epoch", "progress"}
        or not all(isinstance(value, float | int) and value >= 0 for value in clock.values()),
        "loss_progress": loss_progress is not None and not is_number(loss_progress),
    }
    if "loss_progress" in content and "clock" not in content:  # of 0.1.0, which read the epoch off the loops
        wrong |= _wrong_progress(content)
    _refuse(wrong, path, "it cannot be used")


def _is_plain(value: Any) -> bool:
    """Whether a value is of the types of a config, all the way down."""
    if isinstance(value, Mapping):
        return all(isinstance(key, str) and _is_plain(item) for key, item in value.items())
    if isinstance(value, list):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, str | bool | int | float)


def require_resumable(content: Mapping[str, Any], path: Path) -> None:
    """Refuse a checkpoint, of which the stamp is right, that a run cannot be continued from as if it had not ended.

    Raises:
        CheckpointError: The first of Lightning's entries that is wrong; an optimizer without the state that it had.
    """
    version, loops, optimizers = (content.get(k) for k in ("pytorch-lightning_version", "loops", "optimizer_states"))
    shapes = {tensor.shape for tensor in content["state_dict"].values()}
    schedulers, callbacks = content.get("lr_schedulers"), content.get("callbacks")
    wrong = _wrong_progress(content) | {
        "pytorch-lightning_version": not isinstance(version, str)
        or re.fullmatch(r"\d+(\.\d+){1,3}([._+-]?[a-z0-9]+)*", version) is None,
        "loops": not _is_loops(loops) or not _is_where_it_says(content),
        "callbacks": not isinstance(callbacks, Mapping),
        "lr_schedulers": not isinstance(schedulers, list) or not all(isinstance(one, Mapping) for one in schedulers),
        "optimizer_states": not isinstance(optimizers, list)
        or not optimizers
        or not all(_is_optimizer(one, content.get("global_step"), shapes) for one in optimizers),
    }
    _refuse(wrong, path, "it can be evaluated, perhaps, but not continued; use another checkpoint")


def _refuse(wrong: Mapping[str, bool], path: Path, so: str) -> None:
    if bad := [name for name, is_wrong in wrong.items() if is_wrong]:
        raise CheckpointError(f"{path}: {bad[0]} is missing or not what arcvae writes; {so}")


def _fits(values: Any, length: int, fits: Any) -> bool:
    return isinstance(values, list) and len(values) == length and all(map(fits, values))


def _wrong_progress(content: Mapping[str, Any]) -> dict[str, bool]:
    """What is wrong with the numbers of epochs and steps, and with the batches of the epoch if it has them."""
    return {
        name: not is_count(content.get(name)) or not 0 <= content[name] < 2**53 for name in ("epoch", "global_step")
    } | {"loops": not _is_loops(content.get("loops"))}


def _is_loops(loops: Any) -> bool:
    """Whether these are the states of Lightning's loops: counts of what is ready, started and completed."""
    fit = loops.get("fit_loop") if isinstance(loops, Mapping) else None
    progress = fit.get("epoch_loop.batch_progress") if isinstance(fit, Mapping) else None
    current = progress.get("current") if isinstance(progress, Mapping) else None
    return isinstance(current, Mapping) and is_count(current.get("ready")) and current["ready"] > 0 and _counts(loops)


def _is_where_it_says(content: Mapping[str, Any]) -> bool:
    """Whether the loops, which Lightning goes by, are in the epoch and at the step that the checkpoint claims."""
    fit = content["loops"]["fit_loop"]
    try:
        completed = fit["epoch_progress"]["current"]["completed"]
        automatic = fit["epoch_loop.automatic_optimization.optim_progress"]["optimizer"]["step"]["total"]["completed"]
        manual = fit["epoch_loop.manual_optimization.optim_step_progress"]["total"]["completed"]
    except (KeyError, TypeError, IndexError):
        return False
    return bool(completed == content.get("epoch") and content.get("global_step") in (automatic, manual))


def _counts(value: Any) -> bool:
    """Whether every number within is a count, or a flag."""
    if isinstance(value, Mapping):
        return all(_counts(item) for item in value.values())
    if isinstance(value, list | tuple):
        return all(_counts(item) for item in value)
    return value is None or isinstance(value, bool | Tensor | str) or (is_count(value) and 0 <= value < 2**53)


def _is_optimizer(entry: Any, step: Any, shapes: Set[Any]) -> bool:
    """Whether this is the state of an optimizer, and not an empty one of an optimizer that had one."""
    state, groups = (entry.get(k) for k in ("state", "param_groups")) if isinstance(entry, Mapping) else (None, None)
    if not isinstance(state, Mapping) or not isinstance(groups, list) or not groups:
        return False
    if not all(isinstance(group, Mapping) and isinstance(group.get("params"), list) for group in groups):
        return False
    if not all(isinstance(moments, Mapping) and moments for moments in state.values()):
        return False
    # An optimizer keeps the same of each parameter, and one that lacks it fails in the middle of a step.
    if len({frozenset((name, type(value)) for name, value in moments.items()) for moments in state.values()}) > 1:
        return False
    found = {m.shape for moments in state.values() for m in moments.values() if isinstance(m, Tensor) and m.ndim}
    if not found <= shapes:
        return False
    stateless = all("nesterov" in group and not group.get("momentum") for group in groups)  # plain gradient descent
    return bool(state) or stateless or not step
