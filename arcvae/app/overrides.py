"""Overrides of a command line before a config is composed: what they say, name as plugins, and continue."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, Quote, QuotedString
from hydra.errors import HydraException

from arcvae.app.plugins import import_plugins, plugin_names
from arcvae.errors import ConfigError
from arcvae.io.door import MAX_YAML, read_whole, read_yaml_list
from arcvae.io.renamed import MEANT
from arcvae.training.run_folder import AUTO

_QUOTES: Final = ("'", '"')
_PLAIN: Final = re.compile(r"[A-Za-z0-9_./-]+")
"""Text that neither a shell nor Hydra takes for anything else."""
_PLACES: Final = ("output_dir", "data.corpus_dir", "data.cache_dir")
"""Where a run writes, beside its folder; a run that is continued writes where it is told now."""
_WITH_VALUE: Final = (
    "--cfg",
    "-c",
    "--package",
    "-p",
    "--config-dir",
    "-cd",
    "--config-name",
    "-cn",
    "--config-path",
    "-cp",
)
"""Flags of Hydra that take the next word."""
_FOREIGN: Final = re.compile(r"\$\{(?![\w.]+\})")
"""An interpolation of anything but another key: of the environment, of files, of what a resolver makes of text."""


def at_home(override: str) -> str:
    """An override whose value, or each item of whose sweep, may begin with ``~/``, with the home folder in its place.

    No shell does it after the ``=`` of a dotted key, and Hydra cannot read it without quotes.

    Example:
        >>> at_home("seed=1"), at_home("data.path=~/c.npz") == f"data.path='{Path.home()}/c.npz'"
        ('seed=1', True)
    """
    key, _, value = override.partition("=")
    whole = value[:1] in _QUOTES and value[-1:] == value[:1]
    items = [value[1:-1]] if whole else value.split(",")
    if not any(item.startswith("~/") for item in items):
        return override
    return f"{key}={','.join(quoted(str(Path(i).expanduser())) if i.startswith('~/') else i for i in items)}"


def words_as_list(key: str, arguments: Sequence[str]) -> list[str]:
    """A command line in which words that are no override and belong to no flag are the items of one list.

    Args:
        key: Of the list.
        arguments: After the name of the command.

    Example:
        >>> words_as_list("runs", ["a", "seed=1", "b b", "--config-dir", "conf"])
        ['seed=1', '--config-dir', 'conf', "runs=['a','b b']"]
    """
    items: list[str] = []
    others: list[str] = []
    for before, word in zip(("", *arguments), arguments, strict=False):
        override = word[:1] in ("-", "+") or (word[:1] == "~" and word[:2] != "~/") or "=" in word
        is_item = before not in _WITH_VALUE and (not override or Path(word).exists())
        (items if is_item else others).append(word)
    return [*others, f"{key}=[{','.join(quoted(item) for item in items)}]"] if items else others


def parse_overrides(overrides: Sequence[str]) -> list[Override]:
    """Overrides as Hydra understands them.

    Raises:
        ConfigError: One that cannot be read, with the form to type instead if quotes are all it lacks.
    """
    parsed, problems = read_overrides(overrides)
    if problems:
        raise ConfigError(problems)
    return parsed


def read_overrides(overrides: Sequence[str]) -> tuple[list[Override], list[str]]:
    """Overrides as Hydra understands them, and what is wrong with those that it does not."""
    parser = OverridesParser.create()
    parsed: list[Override] = []
    problems = []
    for override in overrides:
        try:
            parsed += parser.parse_overrides([override])
        except HydraException as error:
            readable = _with_quotes(override, parser)
            if readable is None:
                problems.append(f"cannot read the override {override}: {one_line(error)}")
            else:
                what = "each item" if "=[" in readable else "its value"
                problems.append(f"cannot read the override {override}; quote {what}: {_for_shell(readable)}")
    return parsed, problems


def _with_quotes(override: str, parser: OverridesParser) -> str | None:
    """An override that cannot be read with its value, or each item of a list, in quotes; None if that does not help."""
    key, _, value = override.partition("=")
    tries = [f"{key}={quoted(value)}"]
    if value.startswith("[") and value.endswith("]"):
        items = [item.strip() for item in re.split(r",(?![^\[]*\])", value[1:-1])]  # not at commas of inner lists
        tries.insert(0, f"{key}=[{','.join(item if item[:1] in _QUOTES else quoted(item) for item in items)}]")
    for readable in tries:
        try:
            parser.parse_overrides([readable])
        except HydraException:
            continue
        return readable
    return None


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
            import_plugins([name for name in plugin_names(names) if "$" not in name])


def named_plugins(overrides: Sequence[Override]) -> list[str]:
    """The modules that overrides name under ``plugins``, each once."""
    values = [override.value() for override in overrides if override.key_or_group == "plugins"]
    return list(dict.fromkeys(str(name) for value in values if isinstance(value, list) for name in value))


def resumed_overrides(overrides: Sequence[str]) -> list[str]:
    """The overrides of the run that ``ckpt_path=`` continues, then those given; the latter win.

    The overrides of a run are kept in its folder, two levels above the checkpoint; ``auto`` is the folder that
    ``hydra.run.dir=`` names. The path is made absolute and free of links: ``outputs/latest`` points to the new run as
    soon as that has a checkpoint.
    """
    given, unreadable = read_overrides(overrides)
    if unreadable:
        return list(overrides)  # reported by `plan`, with whatever else is wrong
    checkpoints = (override.value() for override in given if override.key_or_group == "ckpt_path")
    named = next((value for value in checkpoints if isinstance(value, str) and "${" not in value), None)
    if named is None:
        return list(overrides)
    if named == AUTO:
        own, folder = list(overrides), _run_folder(given)
    else:
        path = Path(os.path.realpath(named))  # unlike Path.resolve, also for links that lead round in a circle
        own = [f"ckpt_path={quoted(str(path))}" if o.key_or_group == "ckpt_path" else str(o.input_line) for o in given]
        folder = path if path.is_dir() else path.parent.parent
    if folder is None:
        return own
    recorded = folder / ".hydra" / "overrides.yaml"
    if not recorded.exists():
        return own
    lines = read_yaml_list(recorded, ConfigError, "a checkpoint in its run folder, or remove this list of overrides")
    taken = {override.key_or_group for override in given}
    lines = [_as_meant(line, folder) for line in lines]
    usable = [o for o in parse_overrides(lines) if o.key_or_group not in taken and _is_harmless(o)]
    for override in usable:
        if _FOREIGN.search(str(override.input_line)):
            key = override.key_or_group
            raise ConfigError(
                f"{recorded} has {override.input_line}, which is not resolved from a file; give {key}=..."
            )
    return [*(str(override.input_line) for override in usable), *own]


def _as_meant(line: str, folder: Path) -> str:
    """An override that a run has recorded, in words that mean today what it meant then."""
    if line not in MEANT:
        return line
    (successor, later), config = MEANT[line], folder / ".hydra" / "config.yaml"
    is_later = config.exists() and later in read_whole(config, ConfigError, "the folder of a run", MAX_YAML)
    return line if is_later else successor


def _run_folder(overrides: Sequence[Override]) -> Path | None:
    """The run folder that overrides give by hand."""
    values = (override.value() for override in overrides if override.key_or_group == "hydra.run.dir")
    return next((Path(value) for value in values if isinstance(value, str) and "${" not in value), None)


def _is_harmless(override: Override) -> bool:
    """Whether an override found in a run folder may be taken over: not what names code or places of its own."""
    name = override.key_or_group
    foreign = name in ("hydra", "plugins", *_PLACES) or name.startswith(("hydra.", "hydra/"))
    return not foreign and "_target_" not in str(override.input_line)


def one_line(error: Exception) -> str:
    """What an error of composing a config says, in one line."""
    if isinstance(error, RecursionError):
        return "a config file stands in its own defaults"
    if isinstance(error, UnicodeDecodeError):
        return f"a config file is not UTF-8 ({error})"
    text = str(error) or str(error.__cause__ or "") or type(error).__name__
    return " ".join(part.strip() for part in text.splitlines() if part.strip())


def quoted(text: str) -> str:
    """Text in single quotes, as Hydra reads it back."""
    return QuotedString(text, Quote.single).with_quotes()


def typed(key: str, value: str) -> str:
    """An override with a text for its value, as it is typed into a shell: in quotes where that or Hydra needs them.

    Example:
        >>> print(typed("ckpt_path", "runs/a.ckpt"), typed("ckpt_path", "my runs/a.ckpt"))
        ckpt_path=runs/a.ckpt "ckpt_path='my runs/a.ckpt'"
    """
    return f"{key}={value}" if _PLAIN.fullmatch(value) else _for_shell(f"{key}={quoted(value)}")


def needed_again(words: Sequence[str]) -> list[str]:
    """The words of a command line that no run folder is trusted with: a run goes on only if they are given once more.

    Example:
        >>> needed_again(["loss=mine", "--config-dir", "my_conf", "plugins=[mine]"])
        ['--config-dir', 'my_conf', 'plugins=[mine]']
    """
    found: list[str] = []
    for index, word in enumerate(words):
        if word in ("--config-dir", "-cd"):
            found += words[index : index + 2]
        elif word.startswith(("--config-dir=", "hydra.searchpath=", "plugins=")):
            found.append(word)
    return found


def _for_shell(override: str) -> str:
    return shlex.quote(override) if set(override) & set('"$`\\!') else f'"{override}"'
