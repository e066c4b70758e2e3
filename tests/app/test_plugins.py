"""Modules of the user: what they add to a config, and what is said when they fail."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hydra.core.config_store import ConfigStore

from arcvae.app.command import run_command
from arcvae.app.compose import plan
from arcvae.app.plugins import import_plugins, plugin_names, plugin_settings
from arcvae.errors import ConfigError
from tests.processes import run

STRINGS = '''
"""A task of a user's, with options of its own in the groups of arcvae."""
from hydra.core.config_store import ConfigStore
from arcvae.io.settings import Number, Settings, Text

SETTINGS = Settings(rules={"data.length": Number(1, 100, integer=True), "model.width": Number(1, 8, integer=True)})
store = ConfigStore.instance().store
for group in ("task", "data", "model"):
    store(group=group, name="strings", node={"_target_": f"strings_task.{group.title()}"} | {
        "task": {}, "data": {"length": 12, "seed": "${seed}"}, "model": {"width": 4}}[group])
store(group="experiment", name="strings", package="_global_", node={
    "defaults": [{"override /task": "strings"}, {"override /data": "strings"}, {"override /model": "strings"},
                 {"override /beta": None}, {"override /callbacks": "base"}],
    "monitor": "val/f1_macro", "model": {"width": 2}})

class Task: ...
class Data:
    def __init__(self, length, seed): ...
class Model:
    def __init__(self, width, deep=False): ...
'''
PLUGIN = "plugins=[strings_task]"
CHOSEN = ("task=strings", "data=strings", "model=strings", "~beta")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on the path of modules with ``strings_task.py``; what it registers is forgotten afterwards."""
    (tmp_path / "strings_task.py").write_text(STRINGS)
    monkeypatch.syspath_prepend(tmp_path)
    modules = set(sys.modules)
    yield tmp_path
    for group in ("task", "data", "model", "experiment"):
        ConfigStore.instance().repo.get(group, {}).pop("strings.yaml", None)
    for name in set(sys.modules) - modules:
        if getattr(sys.modules[name], "__file__", None) and str(tmp_path) in str(sys.modules[name].__file__):
            del sys.modules[name]


@pytest.mark.usefixtures("folder")
def test_options_of_a_plugin_compose_with_those_of_arcvae() -> None:
    (config,) = plan("train", [PLUGIN, *CHOSEN, "data.length=5", "loss=option_b", "seed=3"])
    assert config["task"] == {"_target_": "strings_task.Task"}
    assert config["data"] == {"_target_": "strings_task.Data", "length": 5, "seed": 3}
    assert config["loss"]["class_weights"] == "sqrt_inverse"


@pytest.mark.usefixtures("folder")
def test_experiment_of_a_plugin_chooses_options_and_sets_values() -> None:
    (config,) = plan("train", [PLUGIN, "experiment=strings"])
    assert config["model"] == {"_target_": "strings_task.Model", "width": 2}
    assert config["monitor"] == "val/f1_macro"
    assert "beta" not in config
    assert "snapshots" not in config["callbacks"]
    assert plan("train", [PLUGIN, "experiment=strings", "model.width=3"])[0]["model"]["width"] == 3


@pytest.mark.slow
@pytest.mark.usefixtures("folder")
def test_sweep_runs_over_options_of_a_plugin() -> None:
    found = plan("train", [PLUGIN, "experiment=strings", "model.width=1,2", "loss=glob(option_*)"], multirun=True)
    assert len(found) == 6
    assert len(plan("train", [PLUGIN, "task=glob(str*)", *CHOSEN[1:]], multirun=True)) == 1


@pytest.mark.usefixtures("folder")
def test_mistakes_are_named_with_the_options_and_rules_of_the_plugin() -> None:
    with pytest.raises(ConfigError) as caught:
        plan("train", [PLUGIN, *CHOSEN[1:], "task=string", "data.length=0", "model.width=9", "+model.dep=1"])
    assert caught.value.problems == [
        "task=string: choose one of audio, grid, strings (did you mean strings?)",
        "data.length=0 must be a whole number at least 1 and at most 100",
        "model.width=9 must be a whole number at least 1 and at most 8",
        "unknown key model.dep: strings_task.Model takes no dep (did you mean deep?)",
    ]


@pytest.mark.usefixtures("folder")
def test_options_of_a_plugin_are_unknown_without_it() -> None:
    with pytest.raises(ConfigError, match=r"task=strings: choose one of audio, grid$"):
        plan("train", ["task=strings"])


def test_plugin_in_a_config_file_is_imported_for_its_rules(folder: Path) -> None:
    (folder / "experiment").mkdir()
    (folder / "experiment" / "mine.yaml").write_text(
        "# @package _global_\nplugins: [strings_task]\nmodel:\n  _target_: strings_task.Model\n  width: 9\n"
    )
    with pytest.raises(ConfigError, match=r"model\.width=9 must be a whole number at least 1 and at most 8"):
        plan("train", ["experiment=mine"], config_dir=str(folder))


@pytest.mark.slow
def test_command_runs_with_the_options_of_a_plugin(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Through hydra.main, which composes the config once more.
    monkeypatch.chdir(folder)
    monkeypatch.setattr("sys.argv", ["train", PLUGIN, "experiment=strings"])
    seen: list[Any] = []

    def job(config: dict[str, Any], *_: Any) -> None:
        seen.append(config["task"])

    assert run_command("train", job, lambda _: None) == 0
    assert seen == [{"_target_": "strings_task.Task"}]


@pytest.mark.slow
def test_config_with_options_of_a_plugin_is_shown_by_a_process_of_its_own(folder: Path) -> None:
    words = [PLUGIN, "experiment=strings", "--cfg", "job", "--package", "model"]
    done = run("arcvae.train", *words, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "width: 2" in done.stdout
    done = run("arcvae.train", PLUGIN, "--help", cwd=folder)
    assert "task: audio, grid, strings" in done.stdout


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("import no_such_library", r"plugins: cannot import broken \(No module named 'no_such_library'\)"),
        ("1 / 0", r"plugins: importing broken raises ZeroDivisionError: division by zero \(.*broken\.py:1\)"),
        ("def f(:", r"plugins: importing broken raises SyntaxError"),
        ("SETTINGS = {}", r"plugins: SETTINGS of broken must be an arcvae\.io\.settings\.Settings"),
        ("from arcvae.errors import DataError\nraise DataError('no file')", "no file"),
    ],
)
def test_plugin_that_fails_is_one_line(
    text: str, problem: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "broken.py").write_text(text + "\n")
    monkeypatch.chdir(folder)
    monkeypatch.setattr("sys.argv", ["train", "plugins=[broken]"])
    assert run_command("train", lambda *_: None, lambda _: None) in (2, 3)
    (line,) = capsys.readouterr().err.splitlines()
    assert re.search(problem, line), line
    assert not (folder / "outputs").exists()


def test_modules_are_imported_in_the_order_that_they_are_named(folder: Path) -> None:
    for name in ("first", "second"):
        (folder / f"{name}.py").write_text(f"import order_of_import\norder_of_import.names.append('{name}')\n")
    (folder / "order_of_import.py").write_text("names = []\n")
    import_plugins(["second", "first"])
    import_plugins(["second", "first"])
    assert sys.modules["order_of_import"].names == ["second", "first"]


def test_what_is_no_list_of_names_counts_as_none() -> None:
    for odd in (None, "json", 3, {"a": 1}, [], [None, 3, ""]):
        assert plugin_names(odd) == []
    assert plugin_names(["json", 3]) == ["json"]


def test_module_without_settings_has_no_rules() -> None:
    (settings,) = plugin_settings(["json"]).values()
    assert not settings.rules
    assert not settings.builds
