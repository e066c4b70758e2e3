"""Checking a composed config: every problem at once, each in one line with the key, the value and the remedy.

Nothing here imports torch: a typing error is reported in about a second.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from arcvae.app.keys import BETTER_LOW, RULES
from arcvae.io.settings import Rule, nearest

TRUSTED: Final = (
    "arcvae.audio.corpus.data.",
    "arcvae.audio.model.",
    "arcvae.audio.module.",
    "arcvae.grid.callbacks.",
    "arcvae.grid.corpus.data.",
    "arcvae.grid.elbo.",
    "arcvae.grid.models.",
    "arcvae.grid.module.",
    "arcvae.imbalance.losses.make_loss",
    "arcvae.training.callbacks.",
    "arcvae.training.record.EpochRecord",
    "arcvae.training.scheduler.",
    "torch.optim.",
    "torchmetrics.",
    "lightning.pytorch.Trainer",
    "lightning.pytorch.trainer.",
    "lightning.pytorch.callbacks.",
    "lightning.pytorch.loggers.",
)
"""What `_target_` may name. A config is data: it must not be able to run arbitrary code."""


def leaves(config: Mapping[str, Any], prefix: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Paths and values of a plain config, but for what begins with an underscore."""
    for key, value in config.items():
        path = (*prefix, str(key))
        if isinstance(value, Mapping) and value:
            yield from leaves(value, path)
        elif not str(key).startswith("_"):
            yield path, value


def rule_of(path: Sequence[str]) -> Rule | None:
    """The rule for a key, if there is one."""
    for pattern, rule in RULES.items():
        parts = pattern.split(".")
        if len(parts) == len(path) and all(a in ("*", b) for a, b in zip(parts, path, strict=True)):
            return rule
    return None


def problems_of(config: Mapping[str, Any], taken_over: Mapping[tuple[str, ...], str] | None = None) -> list[str]:
    """Everything that is wrong with the values of a resolved config, a line each.

    Args:
        config: Plain dictionaries, lists and values, without the ``hydra`` node.
        taken_over: For keys whose value is that of another key, the name of the other. What is wrong with both is
            reported for the other alone.
    """
    taken_over = taken_over or {}
    wrong = {path: problem for path, value in leaves(config) if (problem := _problem(config, path, value))}
    keys = {".".join(path) for path in wrong}
    found = [problem for path, problem in wrong.items() if taken_over.get(path) not in keys]
    return _target_problems(config) + found + _contradictions(config)


def _problem(config: Mapping[str, Any], path: tuple[str, ...], value: Any) -> str | None:
    """What is wrong with one value."""
    key, rule = ".".join(path), rule_of(path)
    if value == "???":
        return f"{key} has no value; set it"
    if value is None and path[0] == "callbacks" and len(path) == 2:
        return None  # switched off
    if rule is None:
        return _parameter_problem(_owner(config, path), path, config)
    problem = None if value is None and rule.optional else rule.problem(value)
    return f"{key}={_shown(value)} {problem}" if problem else None


def _shown(value: Any) -> str:
    return "null" if value is None else str(value).replace("\n", " ")[:80]


def _owner(config: Mapping[str, Any], path: Sequence[str]) -> tuple[str, str] | None:
    """The ``_target_`` that a key is a parameter of, and the name of that parameter."""
    node: Any = config
    owner = None
    for depth, part in enumerate(path[:-1]):
        node = node[part]
        if isinstance(node, Mapping) and node.get("_target_"):
            owner = (node["_target_"], path[depth + 1])
    return owner


def _parameter_problem(owner: tuple[str, str] | None, path: Sequence[str], config: Mapping[str, Any]) -> str | None:
    """A key without a rule is fine if the class or function that its node builds has such a parameter."""
    key = ".".join(path)
    if owner is None:
        return f"unknown key {key}{nearest(key, list(RULES))}"
    target, name = owner
    if not trusted(target, config):
        return None  # reported as a target already
    try:
        module, _, attribute = target.rpartition(".")
        parameters = inspect.signature(getattr(importlib.import_module(module), attribute)).parameters
    except (ImportError, AttributeError, ValueError, TypeError):
        return None  # reported when it is built
    if name in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return None
    return f"unknown key {key}: {target} takes no {name}{nearest(name, list(parameters))}"


def trusted(target: str, config: Mapping[str, Any]) -> bool:
    """Whether ``_target_: target`` may be built."""
    plugins = config.get("plugins") or []
    own = tuple(f"{plugin}." for plugin in plugins if isinstance(plugin, str) and plugin)
    return isinstance(target, str) and any(
        target == prefix or (prefix.endswith(".") and target.startswith(prefix)) for prefix in (*TRUSTED, *own)
    )


def _target_problems(node: Any, path: str = "", root: Mapping[str, Any] | None = None) -> list[str]:
    root = root if root is not None else node
    if isinstance(node, list):
        return [
            problem for index, item in enumerate(node) for problem in _target_problems(item, f"{path}.{index}", root)
        ]
    if not isinstance(node, Mapping):
        return []
    found = []
    if (target := node.get("_target_")) is not None and not trusted(target, root):
        found.append(
            f"{path}._target_={target} is not among what may be built from a config; name a module of yours in plugins"
        )
    for key, value in node.items():
        found += _target_problems(value, f"{path}.{key}" if path else str(key), root)
    return found


def foreign_targets(config: Mapping[str, Any]) -> list[str]:
    """What a config that comes out of a file may not build, a line each: anything but arcvae's own and plugins."""
    own = ("arcvae.", *(f"{plugin}." for plugin in config.get("plugins") or []))
    targets = [(key, node.get("_target_")) for key, node in config.items() if isinstance(node, Mapping)]
    foreign = [
        f"{key}._target_={target} is not arcvae's; if it is yours, name its module in plugins"
        for key, target in targets
        if target is not None and not str(target).startswith(own)
    ]
    return foreign + [
        f"{'.'.join(path)} is more than a value"
        for path, _ in paths(config)
        if len(path) > 2 and path[-1].startswith("_")
    ]


def paths(node: Any, prefix: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every key of nested mappings and lists, with what is below it."""
    items = node.items() if isinstance(node, Mapping) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        path = (*prefix, str(key))
        yield path, value
        yield from paths(value, path)


def _contradictions(config: Mapping[str, Any]) -> list[str]:
    """Values that are fine each on its own, but not together."""
    found = []

    def get(key: str) -> Any:
        node: Any = config
        for part in key.split("."):
            node = node.get(part) if isinstance(node, Mapping) else None
        return node if rule_of(key.split(".")) and node is not None else None

    epochs, warmup = get("trainer.max_epochs"), get("scheduler.warmup_epochs")
    limited = (get("scheduler.warmup_share") or 1) != 1  # it then fits into any run
    if isinstance(epochs, int) and isinstance(warmup, int | float) and 0 < epochs <= warmup and not limited:
        found.append(f"scheduler.warmup_epochs={warmup:g} does not fit into trainer.max_epochs={epochs}; lower it")
    for prefix in ("", "data."):
        clips, species = get(f"{prefix}num_clips"), get(f"{prefix}num_species")
        if isinstance(clips, int) and isinstance(species, int) and clips < 10 * species:
            found.append(f"{prefix}num_clips={clips} must be at least 10 for each of {prefix}num_species={species}")
    first, second = get("beta.first"), get("beta.second")
    if isinstance(first, int | float) and isinstance(second, int | float) and first >= second:
        found.append(f"beta.first={first:g} must lie below beta.second={second:g}")
    monitor, mode = get("monitor"), get("monitor_mode")
    if isinstance(monitor, str) and (monitor in BETTER_LOW) != (mode == "min") and mode in ("max", "min"):
        found.append(f"monitor={monitor} is better {'low' if mode == 'max' else 'high'}: set monitor_mode accordingly")
    if get("trainer.precision") == "16-mixed" and get("optimizer.fused") and get("trainer.gradient_clip_val"):
        found.append("trainer.precision=16-mixed cannot clip gradients of a fused optimizer; set optimizer.fused=false")
    kept, name = get("callbacks.checkpoint.save_top_k"), get("callbacks.checkpoint.filename")
    if kept not in (None, 0, 1) and isinstance(name, str) and "{" not in name:
        found.append(f"callbacks.checkpoint.save_top_k={kept} needs a filename that differs, such as 'best_{{epoch}}'")
    width = get("prior.width")
    if isinstance(width, int) and width % 4:
        found.append(f"prior.width={width} must be divisible by 4")
    alpha = get("loss.alpha")
    if isinstance(alpha, list) and len(alpha) != (get("model.num_colors") or get("model.num_classes") or len(alpha)):
        found.append(f"loss.alpha has {len(alpha)} values; give one number, or one for each of the classes")
    return found
