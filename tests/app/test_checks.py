"""What is said of a whole config."""

from __future__ import annotations

import functools
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from arcvae.app.checks import falling_metrics, former_key, further_key, problems_of, scheduled_metrics
from arcvae.app.compose import CONF_DIR, plan
from arcvae.app.rulebook import Rulebook, room_settings
from arcvae.imbalance.losses import registered_losses
from arcvae.io.settings import Choice, Fixed, Flag, ListOf, Number, OneOf, Rule, Text, leaves
from tests.app.configs import AUDIO, GRID

OF_OTHERS = {"hydra", "study", "prior", "kind"}  # groups that `train` does not choose from
GROUPS = sorted(path.name for path in CONF_DIR.iterdir() if path.is_dir() and path.name not in OF_OTHERS)
OPTIONS = [(group, path.stem) for group in GROUPS for path in sorted((CONF_DIR / group).glob("*.yaml"))]
RULES = {(room, key): rule for room, settings in room_settings().items() for key, rule in settings.rules.items()}


@functools.cache
def composed(group: str, option: str) -> dict[str, Any]:
    """The config of a training run with an option of a group."""
    needed = ["model.head=cosine"] if option.startswith("ldam") else []
    (config,) = plan("train", [f"{group}={option}", *needed])
    return config


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """A module of a user's with a model and rules of its own."""
    (tmp_path / "mine.py").write_text(
        "from arcvae.io.settings import Flag, Number, Settings, value_at\n"
        "def model(width, turned=False):\n    return None\n"
        "def even(config):\n"
        "    width = value_at(config, 'model.width')\n"
        "    return ['model.width must be even'] if isinstance(width, int) and width % 2 else []\n"
        "SETTINGS = Settings(\n"
        "    rules={'model.width': Number(1, 8, integer=True), 'letters': Flag()}, checks=(even,),\n"
        "    builds=('elsewhere.models.',), lower_is_better=('edits',))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    return "mine"


@pytest.mark.parametrize(("group", "option"), OPTIONS)
def test_every_option_composes_without_a_problem_and_every_key_has_a_rule(group: str, option: str) -> None:
    config = composed(group, option)
    assert config["task"]
    own = registered_losses()[config["loss"]["name"]].rules if "loss" in config else {}  # stated beside the loss
    without = [path for path, _ in leaves(config) if Rulebook.of(config).rule(config, path) is None]
    assert [".".join(path) for path in without if path[0] != "loss" or path[-1] not in own] == []


@pytest.mark.slow
def test_every_rule_has_a_key() -> None:
    used = set()
    configs = [composed(group, option) for group, option in OPTIONS]
    configs += plan("evaluate", [])
    configs += plan("operate", [])
    configs += plan("tasks", [])
    configs += plan("runs", [])
    configs += plan("predict", ["source=a", "out=b"])
    configs += plan("report", [])
    trainer = {"overfit_batches": 0, "limit_val_batches": 1.0, "limit_test_batches": 1.0}  # of Lightning, unset
    configs += plan("train", [f"+trainer.{key}={value}" for key, value in trainer.items()])
    configs += plan("corpus", ["kind=atomic,audio"], multirun=True)
    configs += plan("sample", ["prior=normal,aggregate,autoregressive,posterior"], multirun=True)
    configs += plan(
        "compare",
        ["study=options,frontier,audio,audio_full,operations,transforms,long_tail,long_tail_grids"],
        multirun=True,
    )
    for config in configs:
        used |= {id(Rulebook.of(config).rule(config, path)) for path, _ in leaves(config)}
    assert [place for place, rule in RULES.items() if id(rule) not in used] == []


def beyond(rule: Rule) -> list[Any]:
    """Values just outside a rule."""
    if isinstance(rule, Number):
        step = 1 if rule.integer else 1e-9 * max(1.0, abs(rule.low))
        outside: list[Any] = [rule.low if rule.above else rule.low - step, rule.high * (1 + 1e-9) + 1, "abc", True]
        outside += [float("nan"), float("inf"), float("-inf"), [1]] + ([rule.low + 0.5] if rule.integer else [])
        return [int(v) if rule.integer and v in (rule.low - 1, rule.high + 1) else v for v in outside]
    if isinstance(rule, Fixed):
        return ["no such word", *([rule.value - 1, rule.value + 1] if isinstance(rule.value, int) else [])]
    if isinstance(rule, Choice):
        return ["no such word", 1, [rule.options[0]], *rule.former]
    if isinstance(rule, Flag):
        return ["yes", 1, 0]
    if isinstance(rule, ListOf):
        return ["abc", 3, *([value] for value in beyond(rule.item))]
    if isinstance(rule, OneOf):
        return [value for value in beyond(rule.rules[0]) if rule.problem(value)]
    return [7, True, ["a"]]


@pytest.mark.parametrize(("room", "pattern"), RULES)
def test_each_rule_refuses_what_lies_just_outside(room: str, pattern: str) -> None:
    rule = RULES[room, pattern]
    outside = beyond(rule)
    assert outside
    for value in outside:
        assert rule.problem(value), f"{pattern} accepts {value!r}"


def test_former_words_lead_to_words_of_today() -> None:
    for rule in RULES.values():
        if isinstance(rule, Choice):
            assert set(rule.former.values()) <= set(rule.options)
            assert not set(rule.former) & set(rule.options)


def test_checks_of_a_task_are_not_made_of_another() -> None:
    # Ten colours are no matter of a classifier of clips, nor are clips of grids.
    assert problems_of(AUDIO | {"loss": {"alpha": [1.0, 2.0]}, "model": AUDIO["model"] | {"num_colors": 10}}) == [
        "unknown key model.num_colors: arcvae.audio.model.AudioCNNv2 takes no num_colors (did you mean num_classes?)"
    ]
    assert "loss.alpha has 2 values for 10 classes" in problems_of(GRID | {"loss": {"alpha": [1.0, 2.0]}})[0]
    few = {"num_clips": 20, "num_species": 3}
    assert len(problems_of(few)) == 1
    assert problems_of(GRID | few) == []


def test_rules_and_checks_of_a_plugin_are_those_of_its_own_classes(plugin: str) -> None:
    config = {"plugins": [plugin], "model": {"_target_": "mine.model", "width": 3}, "letters": 1}
    assert problems_of(config) == ["letters=1 must be true or false", "model.width must be even"]
    config = {"plugins": [plugin], "model": {"_target_": "mine.model", "width": 9, "depth": 3, "turned": True}}
    assert problems_of(config)[:2] == [
        "model.width=9 must be a whole number at least 1 and at most 8",
        "unknown key model.depth: mine.model takes no depth (did you mean width?)",
    ]
    # The width of a model of arcvae's is still under the rule of its own room.
    spatial = {"_target_": "arcvae.grid.models.spatial.SpatialVAE", "width": 64}
    assert problems_of({"plugins": [plugin], "model": spatial}) == []


def test_plugin_that_cannot_be_imported_is_the_one_problem() -> None:
    (problem,) = problems_of({"plugins": ["no_such_module"], "seed": -1})
    assert problem.startswith("plugins: cannot import no_such_module")


@pytest.mark.parametrize("mode", ["max", "min"])
@pytest.mark.parametrize(
    ("monitor", "low"),
    [("val/loss", True), ("val/kl", True), ("val/reconstruction", True), ("val/object_f1", False), ("val/edits", None)],
)
def test_monitor_is_watched_in_the_direction_in_which_it_is_better(
    monitor: str, low: bool | None, mode: str, plugin: str
) -> None:
    low = True if low is None else low  # val/edits is of the plugin
    found = problems_of(GRID | {"monitor": monitor, "monitor_mode": mode, "plugins": [plugin]})
    right = "min" if low else "max"
    assert found == (
        []
        if mode == right
        else [f"monitor={monitor} is better {'low' if low else 'high'}: set monitor_mode={'min' if low else 'max'}"]
    )


def test_targets_are_looked_at_wherever_they_are() -> None:
    found = problems_of(
        {"callbacks": {"a": {"_target_": "lightning.X", "targets": {"b": [{"_target_": "os.system"}]}}}}
    )
    remedy = "is not among what may be built from a config; name a module of yours in plugins"
    assert f"callbacks.a.targets.b.0._target_=os.system {remedy}" in found
    assert f"callbacks.a._target_=lightning.X {remedy}" in found


def test_one_wrong_value_that_another_key_takes_over_is_one_problem() -> None:
    config = {"seed": -1, "data": {"seed": -1}}
    assert len(problems_of(config)) == 2
    assert problems_of(config, {("data", "seed"): "seed"}) == [
        "seed=-1 must be a whole number at least 0 and at most 4,294,967,295"
    ]


def test_metrics_that_fall_are_those_of_the_rooms_of_a_config(plugin: str) -> None:
    assert falling_metrics(GRID) == {"loss", "reconstruction", "kl"}
    assert falling_metrics(AUDIO) == {"loss"}
    assert falling_metrics(AUDIO | {"plugins": [plugin]}) == {"loss", "edits"}
    assert (scheduled_metrics(GRID), scheduled_metrics(AUDIO)) == ({"beta"}, set())


def test_former_keys_say_what_became_of_them() -> None:
    assert "beta follows the epochs" in str(former_key(GRID, "callbacks.beta_annealing"))
    assert former_key(AUDIO, "callbacks.beta_annealing") is None
    for settings in room_settings().values():
        assert not [key for key in settings.former if settings.rule(key.split("."))]


def test_further_arguments_are_those_of_classes_of_other_libraries_and_of_plugins(plugin: str) -> None:
    def said(config: Mapping[str, Any], key: str) -> str | None:
        return further_key(config, key.split("."), "ddp", "'ddp'")

    remedy = "is not among the keys of this config; to add it for"
    assert said(GRID, "trainer.strategy") == (
        f"trainer.strategy {remedy} lightning.pytorch.Trainer, write +trainer.strategy='ddp'"
    )
    assert said(GRID, "model.q") == "unknown key model.q: arcvae.grid.models.beta_vae.BetaVAE takes no q"
    assert said(GRID, "letters") is None
    assert said({"plugins": [plugin]}, "letters") == f"letters {remedy} mine, write +letters='ddp'"
    assert said(GRID, "no.such") is None
    assert said(GRID, "model.widths") == (
        f"model.widths {remedy} arcvae.grid.models.beta_vae.BetaVAE, write +model.widths='ddp'"
    )
    loss = {"loss": {"_target_": "arcvae.imbalance.losses.make_loss", "name": "focal"}}
    assert said(loss, "loss.alpha") == (
        f"loss.alpha {remedy} arcvae.imbalance.losses.make_loss, write +loss.alpha='ddp'"
    )
    assert said(loss, "loss.q") == "unknown key loss.q: the parameters of the loss focal are gamma, alpha"


def test_values_of_any_type_are_survived() -> None:
    for odd in (None, True, "x", [1], {"a": 1}, float("nan"), "???"):
        config = dict.fromkeys(("seed", "model", "loss", "beta", "prior", "plugins", "monitor", "num_clips"), odd)
        assert isinstance(problems_of(config), list)
        for group, name in (
            ("beta", "first"),
            ("prior", "width"),
            ("scheduler", "warmup_epochs"),
            ("data", "num_clips"),
        ):
            assert isinstance(problems_of(GRID | {group: {name: odd, "second": odd, "num_species": odd}}), list)
    assert isinstance(Text(), Rule)
