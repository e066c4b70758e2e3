"""Composing a config, and finding what is wrong with it before anything is written or torch is imported."""

from __future__ import annotations

import contextlib
import json
import re
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from hydra import compose, initialize_config_dir
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from arcvae.app.checks import leaves, paths, problems_of
from arcvae.errors import ConfigError
from arcvae.io.files import sha256
from arcvae.io.settings import nearest

PACKAGE: Final = Path(__file__).parents[1]
CONF_DIR: Final = next(folder for folder in (PACKAGE / "conf", PACKAGE.parent / "conf") if folder.is_dir())
"""The config files: inside the package once installed, beside it in a checkout."""


def plan(
    config_name: str, overrides: Sequence[str], *, multirun: bool = False, config_dir: str | None = None
) -> list[dict[str, Any]]:
    """Compose the config of each job that a command line asks for, and check all of them.

    Args:
        config_name: Name of a file in ``conf/``, without suffix.
        overrides: As on Hydra's command line.
        multirun: Whether commas and ranges sweep (``-m``).
        config_dir: Further folder with config groups (``--config-dir``).

    Returns:
        A resolved config of plain types for each job, without the ``hydra`` node.

    Raises:
        ConfigError: Every unknown group option, key and value, and every value out of range.
    """
    register_resolvers()
    with _hydra(config_dir):
        jobs = [list(overrides)]
        parsed = _parse(overrides)
        if multirun:
            batches = BasicSweeper.split_arguments(parsed, max_batch_size=None)
            jobs = [job for batch in batches for job in batch]
        problems: list[str] = []
        configs = []
        for job in jobs:
            config, found = _compose_job(config_name, _parse(job))
            problems += [problem for problem in found if problem not in problems]
            configs.append(config)
    if problems:
        raise ConfigError(problems)
    return configs


@contextlib.contextmanager
def _hydra(config_dir: str | None) -> Iterator[None]:
    """Hydra's compose API over ``conf/`` and, as ``--config-dir`` does, a further folder."""
    state = GlobalHydra.instance()
    running = state.hydra  # a command that composes the config of another one
    state.clear()
    try:
        with initialize_config_dir(str(CONF_DIR), version_base="1.3"):
            if config_dir:
                search_path = create_config_search_path(str(CONF_DIR))
                search_path.prepend("command-line", f"file://{Path(config_dir).absolute()}", anchor="schema")
                GlobalHydra.instance().clear()
                Hydra.create_main_hydra2("arcvae", search_path)
            yield
    finally:
        state.hydra = running


def _parse(overrides: Sequence[str]) -> list[Override]:
    try:
        running = GlobalHydra.instance()
        loader = running.config_loader() if running.is_initialized() else None
        return OverridesParser.create(config_loader=loader).parse_overrides(list(overrides))
    except HydraException as error:
        raise ConfigError(f"cannot read the overrides: {_first_line(error)}") from None


def _compose_job(config_name: str, overrides: list[Override]) -> tuple[dict[str, Any], list[str]]:
    """The config of one job, from those overrides that can be used, and the problems with the others."""
    problems: list[str] = []
    groups: list[str] = []
    values: list[Override] = []
    for override in overrides:
        name = override.key_or_group
        options = _options(name)
        if name == "hydra" or name.startswith(("hydra.", "hydra/")):
            groups.append(str(override.input_line))
        elif options and isinstance(override.value(), str) and override.value() not in options:
            value = str(override.value())
            problems.append(f"{name}={value}: choose one of {', '.join(options)}{nearest(value, options)}")
        elif options:
            groups.append(str(override.input_line))
        else:
            values.append(override)
    try:
        base = _plain(compose(config_name, overrides=groups))
        known = {".".join(path) for path, _ in paths(base)}
        usable = list(groups)
        for override in values:
            name = override.key_or_group
            if name in known or override.is_add() or override.is_force_add() or name.split(".")[-1].startswith("_"):
                usable.append(str(override.input_line))
            else:
                hint = nearest(name, sorted(known)) or _group_hint(name)
                problems.append(f"unknown key {name}{hint}")
        composed = compose(config_name, overrides=usable)
        config = _plain(composed)
    except (HydraException, OmegaConfBaseException, YAMLError, ValueError) as error:
        return {}, [*problems, _first_line(error)]
    if config_name == "train":
        needed = ("task", "data", "model", "loss", "optimizer", "trainer")
        problems += [f"{group} is missing; leave it in" for group in needed if not config.get(group)]
    # One wrong value that others take over is one problem.
    raw = OmegaConf.to_container(composed, resolve=False)
    assert isinstance(raw, dict)
    nodes = {str(key): value for key, value in raw.items()}
    taken_over = {
        path: value[2:-1]
        for path, value in leaves(nodes)
        if isinstance(value, str) and re.fullmatch(r"\$\{[\w.]+\}", value)
    }
    return config, problems + problems_of(config, taken_over)


def _options(group: str) -> list[str]:
    loader = GlobalHydra.instance().config_loader()
    return list(loader.get_group_options(group)) if group else []


def _group_hint(name: str) -> str:
    groups = [group for group in GlobalHydra.instance().config_loader().list_groups("") if group != "hydra"]
    return nearest(name, groups)


def _plain(config: DictConfig) -> dict[str, Any]:
    """Plain types, interpolations resolved, ``???`` left as it is."""
    plain = OmegaConf.to_container(config, resolve=True, throw_on_missing=False)
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}


def _first_line(error: Exception) -> str:
    """What a Hydra or OmegaConf error says, in one line."""
    text = str(error) or type(error).__name__
    return " ".join(part.strip() for part in text.splitlines() if part.strip())


def resumed_overrides(overrides: Sequence[str]) -> list[str]:
    """The overrides of the run that ``ckpt_path=`` continues, then those given; the latter win.

    Hydra keeps the overrides of a run in its folder, two levels above the checkpoint. The path is made absolute and
    free of links: ``outputs/latest`` points to the new run as soon as that has begun.
    """
    given = _parse(overrides)
    paths = (override.value() for override in given if override.key_or_group == "ckpt_path")
    path = next((Path(value).resolve() for value in paths if isinstance(value, str) and "${" not in value), None)
    if path is None:
        return list(overrides)
    quoted = str(path).replace("\\", "\\\\").replace("'", "\\'")
    own = [f"ckpt_path='{quoted}'" if o.key_or_group == "ckpt_path" else str(o.input_line) for o in given]
    recorded = path.parent.parent / ".hydra" / "overrides.yaml"
    if not recorded.is_file() or recorded.stat().st_size > 1 << 16:
        return own
    try:
        before = OmegaConf.to_container(OmegaConf.load(recorded), resolve=False)
    except Exception as error:  # whatever YAML may raise
        raise ConfigError(f"{recorded} is not a list of overrides ({type(error).__name__}); remove it") from None
    taken = {override.key_or_group for override in given}
    lines = [line for line in before if isinstance(line, str)] if isinstance(before, list) else []
    return [*(str(o.input_line) for o in _parse(lines) if o.key_or_group not in taken and _is_harmless(o)), *own]


def _is_harmless(override: Override) -> bool:
    """Whether an override found in a run folder may be taken over: not what names code or places of its own."""
    name = override.key_or_group
    foreign = name in ("hydra", "plugins") or name.startswith(("hydra.", "hydra/"))
    return not foreign and "_target_" not in str(override.input_line)


def resolved(config: DictConfig) -> tuple[dict[str, Any], dict[str, Any]]:
    """A composed config as plain types: to work with, and to write down (without the values of secrets)."""
    plain = _plain(config)
    return plain, dict(without_secrets(OmegaConf.to_container(config, resolve=False), plain))


def without_secrets(raw: Any, resolved: Any) -> Any:
    """``resolved``, but with what came from an environment variable still as ``${oc.env:NAME}``."""
    if isinstance(raw, Mapping) and isinstance(resolved, Mapping):
        return {key: without_secrets(raw.get(key), value) for key, value in resolved.items()}
    if isinstance(raw, list) and isinstance(resolved, list) and len(raw) == len(resolved):
        return [without_secrets(a, b) for a, b in zip(raw, resolved, strict=True)]
    return raw if isinstance(raw, str) and re.search(r"\$\{\s*oc\.env", raw) else resolved


# What may differ between two runs that are the same run: where things lie and what is watched.
FREE = ("callbacks", "logger", "ckpt_path", "output_dir", "monitor", "monitor_mode", "tags", "plugins")
FREE_WITHIN: Final[dict[str, tuple[str, ...]]] = {
    "data": ("path", "num_workers", "eval_batch_size", "max_bytes", "corpus_dir", "cache_dir"),
    "trainer": ("max_epochs", "accelerator", "log_every_n_steps", "num_sanity_val_steps"),
}


COSMETIC: Final = ("progress_bar", "model_summary", "step_log", "per_class_recall", "snapshots", "code_pictures")
"""Callbacks that only show something."""


def config_hash(config: Mapping[str, Any], *, but: Sequence[str] = ()) -> str:
    """SHA-256 of everything in a config that a result depends on, but for the content of the corpus.

    Args:
        config: Plain, resolved config of a training run.
        but: Further keys to leave out, for example ``seed``.
    """
    kept = {key: value for key, value in config.items() if key not in (*FREE, *but)}
    kept["plugins"] = config.get("plugins")
    kept["callbacks"] = {name: node for name, node in (config.get("callbacks") or {}).items() if name not in COSMETIC}
    for group, free in FREE_WITHIN.items():
        kept[group] = {k: v for k, v in kept.get(group, {}).items() if k not in free or k == "max_epochs"}
    kept["monitor"] = [config.get("monitor"), config.get("monitor_mode")]
    return sha256(json.dumps(kept, sort_keys=True).encode())


def make_run_id() -> str:
    """Name of a run folder: the time, and enough randomness for jobs that start in the same second."""
    return f"{time.strftime('%Y-%m-%d_%H-%M-%S')}_{secrets.token_hex(4)}"


def register_resolvers() -> None:
    """Teach OmegaConf ``${run_id:}``: one name for all places of a config."""
    OmegaConf.register_new_resolver("run_id", make_run_id, use_cache=True, replace=True)
