"""The shipped config files, and what a typing error leads to."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from arcvae.app.checks import leaves, problems_of, rule_of
from arcvae.app.compose import CONF_DIR, plan, resumed_overrides, without_secrets
from arcvae.app.keys import RULES
from arcvae.errors import ConfigError
from arcvae.io.settings import Choice, Flag, ListOf, Number, OneOf, Rule

OF_OTHERS = {"hydra", "study", "prior"}  # groups that `train` does not choose from
GROUPS = sorted(path.name for path in CONF_DIR.iterdir() if path.is_dir() and path.name not in OF_OTHERS)
OPTIONS = [(group, path.stem) for group in GROUPS for path in sorted((CONF_DIR / group).glob("*.yaml"))]
FILES = sorted(CONF_DIR.rglob("*.yaml"))


def test_groups_are_those_that_were_promised() -> None:
    promised = "beta callbacks data experiment logger loss model optimizer scheduler task trainer"
    assert promised.split() == GROUPS


@pytest.mark.parametrize(("group", "option"), OPTIONS)
def test_every_option_composes_without_a_problem(group: str, option: str) -> None:
    (config,) = plan("train", [f"{group}={option}"])
    assert config["task"]


@pytest.mark.parametrize("group", sorted(set(GROUPS) - {"experiment"}))
def test_options_of_a_group_compose_with_all_trainers(group: str) -> None:
    # Sweeps each option against each trainer, in which one option may take away what another sets.
    names = ",".join(option for of, option in OPTIONS if of == group)
    trainers = ",".join(option for of, option in OPTIONS if of == "trainer")
    assert plan("train", list({f"{group}={names}", f"trainer={trainers}"}), multirun=True)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_file_says_first_what_it_is_for(path: Path) -> None:
    lines = [line for line in path.read_text().splitlines() if not line.startswith("# @package")]
    assert re.match(r"# \S.*[.:`]$", lines[0]), lines[0]


@pytest.mark.parametrize(("group", "option"), OPTIONS)
def test_every_key_has_a_rule(group: str, option: str) -> None:
    (config,) = plan("train", [f"{group}={option}"])
    assert [".".join(path) for path, _ in leaves(config) if rule_of(path) is None] == []


def test_every_rule_has_a_key() -> None:
    used = set()
    configs = [plan("train", [f"{group}={option}"])[0] for group, option in OPTIONS]
    configs += [plan(name, [])[0] for name in ("corpus", "evaluate")]
    configs += plan("sample", ["prior=normal,aggregate,autoregressive,posterior"], multirun=True)
    configs += plan("compare", ["study=options,frontier,audio,audio_full"], multirun=True)
    for config in configs:
        used |= {id(rule_of(path)) for path, _ in leaves(config)}
    assert [pattern for pattern, rule in RULES.items() if id(rule) not in used] == []


def beyond(rule: Rule) -> list[Any]:
    """Values just outside a rule."""
    if isinstance(rule, Number):
        step = 1 if rule.integer else 1e-9 * max(1.0, abs(rule.low))
        outside: list[Any] = [rule.low if rule.above else rule.low - step, rule.high * (1 + 1e-9) + 1, "abc", True]
        outside += [float("nan"), float("inf"), float("-inf"), [1]] + ([rule.low + 0.5] if rule.integer else [])
        return [int(v) if rule.integer and v in (rule.low - 1, rule.high + 1) else v for v in outside]
    if isinstance(rule, Choice):
        return ["no such word", 1, [rule.options[0]]]
    if isinstance(rule, Flag):
        return ["yes", 1, 0]
    if isinstance(rule, ListOf):
        return ["abc", 3, *([value] for value in beyond(rule.item))]
    if isinstance(rule, OneOf):
        return [value for value in beyond(rule.rules[0]) if rule.problem(value)]
    return [7, True, ["a"]]


@pytest.mark.parametrize("pattern", RULES)
def test_each_rule_refuses_what_lies_just_outside(pattern: str) -> None:
    rule = RULES[pattern]
    outside = beyond(rule)
    assert outside
    for value in outside:
        assert rule.problem(value), f"{pattern} accepts {value!r}"


def test_promised_ranges() -> None:
    for pattern, low, high in [
        ("model.latent_dim", 1, 4096), ("data.batch_size", 1, 65536), ("beta.maximum", 0, 100), ("loss.gamma", 0, 10),
        ("trainer.max_epochs", 1, 10**6), ("data.num_workers", 0, 64), ("seed", 0, 2**32 - 1),
    ]:  # fmt: skip
        rule = RULES[pattern]
        assert rule.problem(low) is None
        assert rule.problem(high) is None
        assert rule.problem(low - 1)
        assert rule.problem(high + 1)
    for pattern, high in [("optimizer.lr", 1), ("loss.smoothing", 10**6)]:
        assert RULES[pattern].problem(high) is None
        assert RULES[pattern].problem(0)


def problems(*overrides: str, multirun: bool = False) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        plan("train", list(overrides), multirun=multirun)
    return caught.value.problems


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("loss=optoin_b", "loss=optoin_b: choose one of cross_entropy, fading, focal, option_a, option_b, option_c (did you mean option_b?)"),
        ("loss.gama=1", "unknown key loss.gama (did you mean loss.gamma?)"),
        ("latent_dim=16", "unknown key latent_dim (did you mean model.latent_dim?)"),
        ("+model.latent_dims=3", "unknown key model.latent_dims: arcvae.grid.models.beta_vae.BetaVAE takes no latent_dims (did you mean latent_dim?)"),
        ("+a.b=1", "unknown key a.b"),
        ("optimizer.lr=abc", "optimizer.lr=abc must be a number above 0 and at most 1"),
        ("optimizer.lr=1e400", "optimizer.lr=inf must be a number above 0 and at most 1"),
        ("model.latent_dim=1.5", "model.latent_dim=1.5 must be a whole number at least 1 and at most 4,096"),
        ("model.latent_dim=null", "model.latent_dim=null must be a whole number at least 1 and at most 4,096"),
        ("model.latent_dim=[1]", "model.latent_dim=[1] must be a whole number"),
        ("loss.class_weights=sqrt", "loss.class_weights=sqrt must be one of none, inverse, sqrt_inverse, balanced, effective_number (did you mean sqrt_inverse?)"),
        ("loss.reduction=none", "loss.reduction=none must be one of sum, mean"),
        ("data.symmetries=1", "data.symmetries=1 must be true or false"),
        ("seed=???", "Missing mandatory value: seed"),
        ("seed=${oc.env:ARCVAE_NO_SUCH_VARIABLE}", "Environment variable 'ARCVAE_NO_SUCH_VARIABLE' not found"),
        ("seed=${data.seed}", "seed"),
        ("scheduler.warmup_epochs=50", "scheduler.warmup_epochs=50 does not fit into trainer.max_epochs=50"),
        ("loss.alpha=[1,2]", "loss.alpha has 2 values"),
        ("data.path='a\0b'", "must not contain a NUL"),
        ("model._target_=os.system", "model._target_=os.system is not among what may be built"),
        ("+callbacks.x._target_=torch.utils.collect_env.run", "callbacks.x._target_=torch.utils.collect_env.run is not among"),
        ("model._target_=torch.optimizer.x", "is not among"),
        ("loss=[", "cannot read the overrides"),
        ("model._target_=arcvae.io.files.write_json", "is not among what may be built"),
        ("~data", "data is missing"),
        ("monitor=val/loss", "monitor=val/loss is better low: set monitor_mode accordingly"),
        ("trainer.precision=16-mixed", "set optimizer.fused=false"),
        ("callbacks.checkpoint.save_top_k=3", "needs a filename that differs"),
        ("optimizer.lr=${seed}", "optimizer.lr=42 must be a number above 0 and at most 1"),
    ],
)  # fmt: skip
def test_each_mistake_is_named_with_its_remedy(override: str, line: str) -> None:
    found = problems(override)
    assert len(found) == 1
    assert line in found[0]
    assert "\n" not in found[0]


def test_all_mistakes_are_reported_at_once() -> None:
    found = problems("loss=x", "seed=-1", "nonsense=1", "trainer.max_epochs=0", "model._target_=os.system")
    assert len(found) == 5


def test_mistake_in_one_job_of_a_sweep_is_found_before_the_first_starts() -> None:
    assert problems("loss.gamma=1,2,11", multirun=True) == ["loss.gamma=11 must be a number at least 0 and at most 10"]


def test_sweep_gives_a_config_for_each_job() -> None:
    configs = plan("train", ["loss.gamma=0,2", "loss=option_b,option_c"], multirun=True)
    assert [(c["loss"]["gamma"], c["loss"]["class_weights"]) for c in configs] == [
        (0, "sqrt_inverse"), (0, "inverse"), (2, "sqrt_inverse"), (2, "inverse"),
    ]  # fmt: skip


def test_further_arguments_of_lightning_are_accepted_by_signature() -> None:
    (config,) = plan("train", ["+trainer.limit_train_batches=3"])
    assert config["trainer"]["limit_train_batches"] == 3
    assert "takes no limit_train_batch (did you mean" in problems("+trainer.limit_train_batch=3")[0]


def test_hydra_syntax_for_forced_additions_globs_and_switching_off_is_understood() -> None:
    assert plan("train", ["++trainer.limit_train_batches=3", "++seed=1"])[0]["seed"] == 1
    assert len(plan("train", ["loss=glob(option_*)"], multirun=True)) == 3
    assert (
        plan("train", ["callbacks.early_stopping=null", "~callbacks.snapshots"])[0]["callbacks"]["early_stopping"]
        is None
    )
    assert "scheduler" not in plan("train", ["~scheduler"])[0]


def test_mistake_in_a_file_of_the_user_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "typo.yaml").write_text("a: [1\nb: 2\n")
    with pytest.raises(ConfigError, match=r"typo\.yaml") as caught:
        plan("train", ["model=typo"], config_dir=str(tmp_path))
    assert len(caught.value.lines()) == 1


def test_plugin_opens_its_own_module_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def model(width):\n    return None\n")
    monkeypatch.syspath_prepend(tmp_path)
    base = plan("train", [])[0]
    config = base | {"plugins": ["mine"], "model": {"_target_": "mine.model", "width": 3}}
    assert problems_of(config) == []
    assert problems_of(config | {"plugins": []}) != []
    assert "takes no depth" in problems_of(config | {"model": {"_target_": "mine.model", "depth": 3}})[0]


def test_yaml_cannot_build_python_objects(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "evil.yaml").write_text(f"a: !!python/object/apply:os.system ['touch {tmp_path}/canary']\n")
    with pytest.raises(ConfigError, match=r"could not determine a constructor"):
        plan("train", ["model=evil"], config_dir=str(tmp_path))
    assert not (tmp_path / "canary").exists()


def test_experiment_does_not_leak_into_a_loss_chosen_on_the_command_line() -> None:
    for experiment in (option for group, option in OPTIONS if group == "experiment"):
        chosen = plan("train", [f"experiment={experiment}", "loss=option_c"])[0]["loss"]
        assert chosen == plan("train", ["loss=option_c"])[0]["loss"]
        content = yaml.safe_load((CONF_DIR / "experiment" / f"{experiment}.yaml").read_text())
        assert "loss" not in content


def test_too_few_clips_are_refused_before_anything_is_generated() -> None:
    line = "data.num_clips=889 must be at least 10 for each of data.num_species=89"
    assert problems("experiment=audio_cnn", "data.num_clips=889") == [line]
    assert plan("train", ["experiment=audio_cnn", "data.num_clips=890"])


def test_audio_experiments_hold_what_they_promise() -> None:
    for experiment, model, channels in (("audio_cnn", "AudioCNN", 1), ("audio_cnn_v2", "AudioCNNv2", 3)):
        full, quick = plan("train", [f"experiment={experiment}", "trainer=default,quick_test"], multirun=True)
        assert quick["trainer"]["max_epochs"] == 5  # in which a warm-up of five epochs is cut to one, not refused
        for config in (full, quick):
            assert config["model"]["_target_"] == f"arcvae.audio.model.{model}"
            assert config["data"]["channels"] == channels
            assert config["monitor"] == "val/f1_macro"
            assert config["callbacks"]["early_stopping"]["patience"] == 7
            assert config["scheduler"]["warmup_epochs"] == 5
            assert config["scheduler"]["warmup_start"] == 0.1
            assert not config.get("beta")
            assert "snapshots" not in config["callbacks"]
            assert config["task"] == {"_target_": "arcvae.audio.module.AudioModule"}


def test_options_a_b_c_are_what_they_are_called() -> None:
    found = [plan("train", [f"loss=option_{x}"])[0]["loss"] for x in "abc"]
    assert [(o["name"], o["gamma"], o["class_weights"], o["reduction"]) for o in found] == [
        ("focal", 2.0, "none", "sum"), ("focal", 2.0, "sqrt_inverse", "sum"), ("focal", 1.0, "inverse", "sum"),
    ]  # fmt: skip


def test_user_folder_adds_options(tmp_path: Path) -> None:
    (tmp_path / "loss").mkdir()
    (tmp_path / "loss" / "mine.yaml").write_text("defaults:\n  - focal\n\ngamma: 4.0\n")
    assert plan("train", ["loss=mine"], config_dir=str(tmp_path))[0]["loss"]["gamma"] == 4.0


def test_seed_zero_is_a_seed() -> None:
    (config,) = plan("train", ["seed=0"])
    assert config["seed"] == config["data"]["seed"] == config["callbacks"]["snapshots"]["seed"] == 0


def test_resumed_run_takes_over_its_overrides_and_yours_win(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    (folder / ".hydra").mkdir(parents=True)
    (folder / ".hydra" / "overrides.yaml").write_text("- loss=option_c\n- trainer.max_epochs=3\n- ckpt_path=old\n")
    with (folder / ".hydra" / "overrides.yaml").open("a") as file:  # what must not be taken over from a folder
        file.write("- plugins=[os]\n- model._target_=os.system\n- ++hydra.run.dir=/tmp/x\n- hydra/launcher=basic\n")
    (tmp_path / "it's a link").symlink_to(folder)
    given = [f'ckpt_path="{tmp_path}/it\'s a link/checkpoints/last.ckpt"', "trainer.max_epochs=9"]
    found = resumed_overrides(given)
    assert found == ["loss=option_c", f"ckpt_path='{folder}/checkpoints/last.ckpt'", "trainer.max_epochs=9"]
    assert plan("train", found)[0]["ckpt_path"] == f"{folder}/checkpoints/last.ckpt"
    assert resumed_overrides(["loss=option_a"]) == ["loss=option_a"]


def test_resumed_run_takes_over_nothing_that_names_code(tmp_path: Path) -> None:
    (tmp_path / ".hydra").mkdir()
    lines = ["loss=option_c", "+model.latent_dim={_target_: os.system, command: x}", "plugins=[mine]"]
    (tmp_path / ".hydra" / "overrides.yaml").write_text(yaml.safe_dump(lines))
    given = f"ckpt_path={tmp_path}/checkpoints/last.ckpt"
    assert [line for line in resumed_overrides([given]) if not line.startswith("ckpt_path")] == ["loss=option_c"]


def test_callback_without_settings_can_be_switched_off() -> None:
    (config,) = plan("train", ["callbacks.beta_annealing=null", "callbacks.step_log=null"])
    assert config["callbacks"]["beta_annealing"] is config["callbacks"]["step_log"] is None


def test_secrets_stay_names() -> None:
    raw = {"a": "${oc.env:KEY}", "b": ["${oc.env:KEY}", 1], "c": {"d": "${x}"}}
    resolved = {"a": "hunter2", "b": ["hunter2", 1], "c": {"d": 5}}
    assert without_secrets(raw, resolved) == {"a": "${oc.env:KEY}", "b": ["${oc.env:KEY}", 1], "c": {"d": 5}}


def test_mistake_is_reported_without_importing_torch(tmp_path: Path) -> None:
    code = (
        "import sys; sys.argv = ['train', 'loss.gama=1', 'seed=-1']\n"
        "from arcvae.train import main\n"
        "code = main()\n"
        "assert 'torch' not in sys.modules and 'lightning' not in sys.modules\n"
        "sys.exit(code)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    lines = done.stderr.splitlines()
    assert len(lines) == 2
    assert all(line.startswith("arcvae: error[E_CONFIG]: ") for line in lines)
    assert list(tmp_path.iterdir()) == []
