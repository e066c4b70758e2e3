"""Composing a config, and finding what is wrong with it before anything is written or torch is imported."""

from __future__ import annotations

import contextlib
import itertools
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, IntervalSweep, Override, Quote, QuotedString
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from arcvae.app.checks import former_key, further_argument, paths, problems_of
from arcvae.app.identity import make_run_id
from arcvae.app.plugins import import_plugins
from arcvae.errors import ConfigError
from arcvae.io.settings import leaves, nearest

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
        ConfigError: Every unknown group option, key and value, and every value out of range.
    """
    register_resolvers()
    with _composing():
        parsed = parse_overrides(overrides)
        import_named_plugins(parsed)
        search = _search_path(parsed, config_dir)
        jobs = _jobs_of_sweep(parsed, search) if multirun else [list(overrides)]
        problems: list[str] = []
        configs = []
        for job in jobs:
            config, found = _compose_job(config_name, parse_overrides(job), search)
            problems += [problem for problem in found if problem not in problems]
            configs.append(config)
    if problems:
        raise ConfigError(problems)
    return configs


@contextlib.contextmanager
def _composing() -> Iterator[None]:
    """Hydra's compose API over ``conf/``, also inside a running job that composes the config of another command."""
    running = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(CONF_DIR), version_base="1.3"):
            yield
    finally:
        GlobalHydra.instance().hydra = running


def parse_overrides(overrides: Sequence[str]) -> list[Override]:
    """Overrides as Hydra understands them.

    Raises:
        ConfigError: One that cannot be read, with the form to type instead if quotes are all it lacks.
    """
    parser = OverridesParser.create()
    parsed: list[Override] = []
    problems = []
    for override in overrides:
        try:
            parsed += parser.parse_overrides([override])
        except HydraException as error:
            key, _, value = override.partition("=")
            quoted = f"{key}={_quoted(value)}"
            try:
                parser.parse_overrides([quoted])
            except HydraException:
                problems.append(f"cannot read the override {override}: {_one_line(error)}")
            else:
                typed = shlex.quote(quoted) if set(quoted) & set('"$`\\') else f'"{quoted}"'
                problems.append(f"cannot read the override {override}; quote its value: {typed}")
    if problems:
        raise ConfigError(problems)
    return parsed


def import_named_plugins(overrides: Sequence[Override]) -> None:
    """Import the modules that overrides name under ``plugins``: what they add to config groups is then found.

    Those that only a config file names are imported later, by whatever needs them.

    Raises:
        ConfigError: A module that is not found, or fails.
    """
    for override in overrides:
        if override.key_or_group != "plugins" or override.is_delete():
            continue
        if override.is_discrete_sweep():  # each value is a list of its own
            import_named_plugins(parse_overrides([f"plugins={value}" for value in override.sweep_string_iterator()]))
        elif isinstance(names := override.value(), list):
            import_plugins({"plugins": [name for name in names if "$" not in str(name)]})


def _search_path(overrides: Sequence[Override], config_dir: str | None) -> list[str]:
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
    return [f"hydra.searchpath=[{','.join(_quoted(folder) for folder in folders)}]"] if folders else []


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
    config_name: str, overrides: Sequence[Override], search: list[str]
) -> tuple[dict[str, Any], list[str]]:
    """The config of one job, from those overrides that can be used, and the problems with the others."""
    groups, values, problems = _sort_out(overrides, search)
    try:
        composed = compose(config_name, overrides=[*search, *groups])
        base = _plain(composed)
        known = [".".join(path) for path, _ in paths(base)]
        usable = []
        for override in values:
            name = override.key_or_group
            if name in known or override.is_add() or override.is_force_add() or name.split(".")[-1].startswith("_"):
                usable.append(str(override.input_line))
            else:
                problems.append(_unknown_key(override, base, known, search))
        if usable:
            composed = compose(config_name, overrides=[*search, *groups, *usable])
        config = _plain(composed)
    except (HydraException, OmegaConfBaseException, YAMLError, ValueError) as error:
        return {}, [*problems, _one_line(error)]
    if config_name == "train":
        problems += [f"{group} is missing; leave it in" for group in NEEDED if not config.get(group)]
    return config, problems + problems_of(config, _references(composed))


def _sort_out(overrides: Sequence[Override], search: list[str]) -> tuple[list[str], list[Override], list[str]]:
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
        elif not (options := _options(name, search)):
            values.append(override)
        elif isinstance(value, str) and value not in options:
            problems.append(f"{name}={value}: choose one of {', '.join(options)}{nearest(value, options)}")
        else:
            groups.append(str(override.input_line))
    return groups, values, problems


def _unknown_key(override: Override, base: Mapping[str, Any], known: Sequence[str], search: list[str]) -> str:
    """What to say of an override of a key that the config does not have."""
    name = override.key_or_group
    if (successor := former_key(base, name)) is not None:
        return f"{name} {successor}"
    visible = sorted(key for key in known if not key.split(".")[-1].startswith("_"))
    if close := nearest(name, visible, CLOSE):
        return f"unknown key {name}{close}"
    if (target := further_argument(base, name.split("."))) is not None:
        value = override.get_value_string() if "=" in str(override.input_line) else "VALUE"
        return f"{name} is not among the keys of this config; to add it for {target}, write +{name}={value}"
    groups = [group for group in _options("", search, groups=True) if group != "hydra"]
    return f"unknown key {name}{nearest(name, visible) or nearest(name, groups)}"


def _options(group: str, search: list[str], *, groups: bool = False) -> list[str]:
    """Options of a config group, or the groups within it."""
    if not group and not groups:
        return []
    wanted = ObjectType.GROUP if groups else ObjectType.CONFIG
    loader = GlobalHydra.instance().config_loader()
    return list(loader.get_group_options(group, wanted, config_name=None, overrides=search))


def _references(composed: DictConfig) -> dict[tuple[str, ...], str]:
    """Keys whose value is that of another key, with the name of the other: one wrong value is one problem."""
    raw = OmegaConf.to_container(composed, resolve=False)
    assert isinstance(raw, dict)
    return {
        path: value[2:-1]
        for path, value in leaves({str(key): value for key, value in raw.items()})
        if isinstance(value, str) and re.fullmatch(r"\$\{[\w.]+\}", value)
    }


def _plain(config: DictConfig) -> dict[str, Any]:
    """Plain types, interpolations resolved, ``???`` left as it is."""
    plain = OmegaConf.to_container(config, resolve=True, throw_on_missing=False)
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}


def _one_line(error: Exception) -> str:
    """What a Hydra or OmegaConf error says, in one line."""
    text = str(error) or type(error).__name__
    return " ".join(part.strip() for part in text.splitlines() if part.strip())


def _quoted(text: str) -> str:
    """Text in single quotes, as Hydra reads it back."""
    return QuotedString(text, Quote.single).with_quotes()


def resumed_overrides(overrides: Sequence[str]) -> list[str]:
    """The overrides of the run that ``ckpt_path=`` continues, then those given; the latter win.

    Hydra keeps the overrides of a run in its folder, two levels above the checkpoint. The path is made absolute and
    free of links: ``outputs/latest`` points to the new run as soon as that has begun.
    """
    given = parse_overrides(overrides)
    checkpoints = (override.value() for override in given if override.key_or_group == "ckpt_path")
    path = next((Path(value).resolve() for value in checkpoints if isinstance(value, str) and "${" not in value), None)
    if path is None:
        return list(overrides)
    own = [f"ckpt_path={_quoted(str(path))}" if o.key_or_group == "ckpt_path" else str(o.input_line) for o in given]
    recorded = path.parent.parent / ".hydra" / "overrides.yaml"
    if not recorded.is_file() or recorded.stat().st_size > 1 << 16:
        return own
    try:
        before = OmegaConf.to_container(OmegaConf.load(recorded), resolve=False)
    except Exception as error:  # whatever YAML may raise
        raise ConfigError(f"{recorded} is not a list of overrides ({type(error).__name__}); remove it") from None
    taken = {override.key_or_group for override in given}
    lines = [line for line in before if isinstance(line, str)] if isinstance(before, list) else []
    usable = (o for o in parse_overrides(lines) if o.key_or_group not in taken and _is_harmless(o))
    return [*(str(override.input_line) for override in usable), *own]


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


def register_resolvers() -> None:
    """Teach OmegaConf ``${run_id:}``: one name for all places of a config."""
    OmegaConf.register_new_resolver("run_id", make_run_id, use_cache=True, replace=True)
