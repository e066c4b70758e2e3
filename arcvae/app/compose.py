"""Composing a config, and finding what is wrong with it before anything is written or torch is imported."""

from __future__ import annotations

import contextlib
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.types import Glob, IntervalSweep, Override
from omegaconf import DictConfig, OmegaConf

from arcvae.app.checks import former_key, further_key, problems_of
from arcvae.app.hydra_internals import bounded_yaml
from arcvae.app.hydra_nodes import hydra_problems
from arcvae.app.overrides import import_named_plugins, named_plugins, one_line, parse_overrides, quoted, read_overrides
from arcvae.app.resolving import REFUSALS, plain, register_resolvers
from arcvae.errors import ConfigError
from arcvae.io.settings import leaves, nearest, paths

PACKAGE: Final = Path(__file__).parents[1]
CONF_DIR: Final = next(folder for folder in (PACKAGE / "conf", PACKAGE.parent / "conf") if folder.is_dir())
"""The config files: inside the package once installed, beside it in a checkout."""
NEEDED: Final = ("task", "data", "model", "loss", "optimizer", "trainer")
"""Groups that a training run cannot do without."""
CLOSE: Final = 0.8
"""Similarity of two keys from which one is taken for a misspelt other."""


def plan(
    config_name: str, overrides: Sequence[str], *, multirun: bool = False, config_dir: str | None = None
) -> list[dict[str, Any]]:
    """Compose the config of each job that a command line asks for, and check all of them.

    Args:
        config_name: Name of a file in ``conf/``, without suffix.
        overrides: As on Hydra's command line. Modules that they name under ``plugins`` are imported first.
        multirun: Whether commas and ranges sweep (``-m``).
        config_dir: Further folder with config groups (``--config-dir``).

    Returns:
        A resolved config of plain types for each job, without the ``hydra`` node.

    Raises:
        ConfigError: Every override that cannot be read, unknown group option, key and value, and value out of range;
            a plugin, a folder or a config file that cannot be used without what else may be wrong.
    """
    register_resolvers()
    with composing():
        parsed, problems = read_overrides(overrides)
        import_named_plugins(parsed)
        search = search_path(parsed, config_dir)
        jobs = [[str(override.input_line) for override in parsed]]
        if multirun:
            jobs = _jobs_of_sweep(parsed, search)
            # Hydra builds launcher, sweeper and callbacks from what all jobs have in common.
            common = [override for override in parsed if not override.is_sweep_override()]
            problems += _compose_job(config_name, common, search, only_hydra=True)[1]
        configs = []
        for job in jobs:
            config, found = _compose_job(config_name, parse_overrides(job), search)
            problems += [problem for problem in found if problem not in problems]
            configs.append(with_search(config, search))
    if problems:
        raise ConfigError(problems)
    return configs


def require_harmless_hydra(config_name: str, overrides: Sequence[str], *, config_dir: str | None = None) -> None:
    """Refuse what Hydra may not build for a command line of which nothing else is checked, such as ``--help``.

    Raises:
        ConfigError: See :mod:`arcvae.app.hydra_nodes`; an override that cannot be read, a plugin that is not there.
    """
    with composing():
        parsed = parse_overrides(overrides)
        import_named_plugins(parsed)
        _, problems = _compose_job(config_name, parsed, search_path(parsed, config_dir), only_hydra=True)
    if problems:
        raise ConfigError(problems)


@contextlib.contextmanager
def composing() -> Iterator[None]:
    """Hydra's compose API over ``conf/``, also inside a running job that composes the config of another command."""
    running = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        with bounded_yaml(), initialize_config_dir(str(CONF_DIR), version_base="1.3"):
            yield
    finally:
        GlobalHydra.instance().hydra = running


def search_path(overrides: Sequence[Override], config_dir: str | None) -> list[str]:
    """The override that adds folders to Hydra's search path, if there are any: what ``--config-dir`` does publicly."""
    folders: list[str] = []
    if config_dir is not None:
        folder = Path(config_dir).absolute()
        if not folder.is_dir():
            raise ConfigError(f"--config-dir {config_dir}: there is no such folder")
        folders.append(f"file://{folder}")
    for override in overrides:
        if override.key_or_group == "hydra.searchpath" and isinstance(value := override.value(), list):
            folders += [str(folder) for folder in value]
    return [f"hydra.searchpath=[{','.join(quoted(folder) for folder in folders)}]"] if folders else []


def with_search(config: dict[str, Any], search: list[str]) -> dict[str, Any]:
    """A config whose runs, if it asks for some, look for options where its own command does.

    Args:
        config: Of a command.
        search: See :func:`search_path`.
    """
    return {**config, "overrides": [*config["overrides"], *search]} if search and "overrides" in config else config


def _jobs_of_sweep(overrides: Sequence[Override], search: list[str]) -> list[list[str]]:
    """Overrides of each job: every combination of values, the last key changing fastest, as Hydra's sweeper runs them.

    Of an interval, which only other sweepers can draw from, both ends are looked at.
    """
    choices: dict[str, list[str]] = {}
    for override in overrides:
        key, value = override.get_key_element(), override.value()
        if isinstance(value, Glob):
            values = value.filter(_options(override.key_or_group, search))
        elif isinstance(value, IntervalSweep):
            values = [str(value.start), str(value.end)]
        elif override.is_sweep_override():
            values = list(override.sweep_string_iterator())
        else:
            values = [override.get_value_element_as_str()]
        choices[key] = [f"{key}={value}" for value in values]
    return [list(job) for job in itertools.product(*choices.values())]


def _compose_job(
    config_name: str, overrides: Sequence[Override], search: list[str], *, only_hydra: bool = False
) -> tuple[dict[str, Any], list[str]]:
    """The config of one job, from those overrides that can be used, and the problems with the others.

    With ``only_hydra`` none, and the problems with Hydra's own node alone.
    """
    groups, values, problems = _sort_out(config_name, overrides, search)
    chosen, lines = [*search, *groups], [str(override.input_line) for override in values]
    plugins = named_plugins(overrides)
    try:
        if only_hydra:
            return {}, hydra_problems(_with_node(config_name, chosen)[1], plugins)
        composed, refused = _all_at_once(config_name, chosen, lines, plugins)
        if composed is None:  # what is wrong is found one by one
            composed, refused = _one_by_one(config_name, chosen, values, plugins, search)
    except REFUSALS as error:
        return {}, [] if only_hydra else [*problems, one_line(error)]
    config, problems = plain(composed), problems + refused
    if config_name == "train":
        problems += [f"{group} is missing; leave it in" for group in NEEDED if not config.get(group)]
    return config, problems + problems_of(config, _references(composed))


def _all_at_once(
    config_name: str, chosen: list[str], values: list[str], plugins: Sequence[str]
) -> tuple[DictConfig | None, list[str]]:
    """The config with all values and the problems with Hydra's node; None if Hydra does not take them together."""
    try:
        composed, node = _with_node(config_name, [*chosen, *values])
        plain(composed)  # resolves what one value says of another
    except REFUSALS:
        return None, []
    return composed, hydra_problems(node, plugins)


def _one_by_one(
    config_name: str, chosen: list[str], values: Sequence[Override], plugins: Sequence[str], search: list[str]
) -> tuple[DictConfig, list[str]]:
    """The config with those values that can be used, and the problems with the others and with Hydra's node."""
    composed, node = _with_node(config_name, chosen)
    problems = hydra_problems(node, plugins)
    known = [".".join(path) for path, _ in paths(plain(composed))]
    usable: list[Override] = []
    unknown: list[Override] = []
    for override in values:
        name = override.key_or_group
        added = override.is_add() or override.is_force_add()
        (usable if name in known or added or name.split(".")[-1].startswith("_") else unknown).append(override)
    if usable:
        composed, refused = _with_values(config_name, chosen, [str(o.input_line) for o in usable])
        problems += refused
    config, own = plain(composed), _settings_of(config_name)[1]
    return composed, problems + [_unknown_key(override, config, known, own, search) for override in unknown]


def _with_node(config_name: str, overrides: list[str]) -> tuple[DictConfig, dict[str, Any]]:
    """A composed config without its ``hydra`` node, and that node as it was written."""
    composed = compose(config_name, overrides=overrides, return_hydra_config=True)
    node = OmegaConf.to_container(composed.hydra, resolve=False)
    assert isinstance(node, dict)
    OmegaConf.set_struct(composed, False)
    del composed["hydra"]
    OmegaConf.set_struct(composed, True)
    return composed, {str(key): value for key, value in node.items()}


def _with_values(config_name: str, chosen: list[str], values: list[str]) -> tuple[DictConfig, list[str]]:
    """The config with those of the values that Hydra takes, and what it says of the others.

    Each is tried alone if not all can be taken together: what Hydra says of the first would hide the rest.
    """

    def attempt(some: list[str]) -> tuple[DictConfig | None, str]:
        try:
            composed = compose(config_name, overrides=[*chosen, *some])
            plain(composed)  # resolves what one value says of another
        except REFUSALS as error:
            return None, one_line(error)
        return composed, ""

    composed, reason = attempt(values)
    if composed is not None:
        return composed, []
    alone = {value: attempt([value])[1] for value in values}
    composed, _ = attempt([value for value, problem in alone.items() if not problem])
    refused = list(dict.fromkeys(problem for problem in alone.values() if problem))
    return composed or compose(config_name, overrides=chosen), refused or [reason]


def _sort_out(
    config_name: str, overrides: Sequence[Override], search: list[str]
) -> tuple[list[str], list[Override], list[str]]:
    """Overrides that choose an option of a group, those that set a value, and problems with options."""
    groups: list[str] = []
    values: list[Override] = []
    problems: list[str] = []
    for override in overrides:
        name, value = override.key_or_group, override.value()
        if name == "hydra.searchpath":
            continue  # part of ``search``
        if name == "hydra" or name.startswith(("hydra.", "hydra/")):
            groups.append(str(override.input_line))
        elif (CONF_DIR / name).is_dir() and name not in _settings_of(config_name)[1]:
            problems.append(_foreign_group(config_name, override))
        elif not (options := _options(name, search)):
            values.append(override)
        elif isinstance(value, str) and value not in options:
            problems.append(f"{name}={value}: choose one of {', '.join(options)}{nearest(value, options)}")
        else:
            groups.append(str(override.input_line))
    return groups, values, problems


@cache
def _settings_of(config_name: str) -> tuple[frozenset[str], frozenset[str]]:
    """Keys and groups of a command, as its own file lists them; without those of Hydra."""
    content = yaml.safe_load((CONF_DIR / f"{config_name}.yaml").read_text(encoding="utf-8"))
    groups = [name for entry in content["defaults"] if entry != "_self_" for name in entry]
    return frozenset(content), frozenset(name for name in groups if not name.startswith(("hydra", "override ")))


def _foreign_group(config_name: str, override: Override) -> str:
    """What to say of a group that only other commands have."""
    (keys, _), name = _settings_of(config_name), override.key_or_group
    remedy = ""
    if "overrides" in keys:
        remedy = f"; for the runs that it trains, write \"overrides=['{name}={override.value()}']\""
    elif "accelerator" in keys and name == "trainer":
        remedy = "; for a device, write accelerator=cpu, gpu or mps"
    return f"{override.input_line}: arcvae.{config_name} has no {name}{remedy}"


def _unknown_key(
    override: Override, config: Mapping[str, Any], known: Sequence[str], own: Iterable[str], search: list[str]
) -> str:
    """What to say of an override of a key that the config does not have."""
    name = override.key_or_group
    if (successor := former_key(config, name)) is not None:
        return f"{name} {successor}"
    visible = sorted(k for k in known if not k.split(".")[-1].startswith("_") and not name.startswith(f"{k}."))
    if close := nearest(name, visible, CLOSE):
        return f"unknown key {name}{close}"
    typed = override.get_value_string() if "=" in str(override.input_line) else "VALUE"
    if line := further_key(config, name.split("."), override.value(), typed):
        return line
    groups = sorted(own)
    meant = [key for key in visible if key.rpartition(".")[2] == name]
    meant += [f"{group}={name}" for group in groups if name in _options(group, search)]
    close = nearest(name, meant, 0.0) if len(meant) == 1 else nearest(name, visible) or nearest(name, groups)
    return f"unknown key {name}{close}"


def _options(group: str, search: list[str]) -> list[str]:
    """Options of a config group."""
    loader = GlobalHydra.instance().config_loader()
    return list(loader.get_group_options(group, ObjectType.CONFIG, config_name=None, overrides=search))


def _references(composed: DictConfig) -> dict[tuple[str, ...], str]:
    """Keys whose value is that of another key, with the name of the other: one wrong value is one problem."""
    raw = OmegaConf.to_container(composed, resolve=False)
    assert isinstance(raw, dict)
    return {
        path: value[2:-1]
        for path, value in leaves({str(key): value for key, value in raw.items()})
        if isinstance(value, str) and re.fullmatch(r"\$\{[\w.]+\}", value)
    }
