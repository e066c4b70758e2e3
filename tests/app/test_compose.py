"""The shipped config files, and what a typing error leads to."""

from __future__ import annotations

import re
import shlex
import time
from pathlib import Path

import pytest
import yaml
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf
from torch import Tensor

from arcvae.app.compose import CONF_DIR, _jobs_of_sweep, plan
from arcvae.app.overrides import parse_overrides
from arcvae.app.resolving import register_resolvers
from arcvae.errors import ConfigError
from arcvae.imbalance.losses import cross_entropy, register_loss, temporary_losses

OF_OTHERS = {"hydra", "kind", "prior", "study"}  # groups that `train` does not choose from
GROUPS = sorted(path.name for path in CONF_DIR.iterdir() if path.is_dir() and path.name not in OF_OTHERS)
OPTIONS = [(group, path.stem) for group in GROUPS for path in sorted((CONF_DIR / group).glob("*.yaml"))]
FILES = sorted(CONF_DIR.rglob("*.yaml"))


def test_groups_are_those_that_were_promised() -> None:
    promised = "beta callbacks data experiment logger loss model optimizer scheduler task trainer"
    assert promised.split() == GROUPS


@pytest.mark.slow
@pytest.mark.parametrize("group", sorted(set(GROUPS) - {"experiment"}))
def test_options_of_a_group_compose_with_trainers_that_set_more_than_the_trainer(group: str) -> None:
    # Sweeps each option against the trainers that say something of other groups, which an option may take away.
    names = ",".join(option for of, option in OPTIONS if of == group)
    files = {option: (CONF_DIR / "trainer" / f"{option}.yaml").read_text() for of, option in OPTIONS if of == "trainer"}
    trainers = [option for option, text in files.items() if "@package _global_" in text]
    assert "overfit_batch" in trainers
    if group == "data":  # no clips to memorise: below
        trainers = ["quick_test"]
    needed = ["model.head=cosine"] if group == "loss" else []  # for ldam and ldam_drw
    assert plan("train", [*{f"{group}={names}", f"trainer={','.join(trainers)}"}, *needed], multirun=True)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_file_says_first_what_it_is_for(path: Path) -> None:
    lines = [line for line in path.read_text().splitlines() if not line.startswith("# @package")]
    assert re.match(r"# \S.*[.:`]$", lines[0]), lines[0]


def test_trainer_that_is_made_for_grids_refuses_clips() -> None:
    found = problems("data=audio", "trainer=overfit_batch")
    assert found == ["unknown key data.overfit_grids: arcvae.audio.corpus.data.AudioDataModule takes no overfit_grids"]


def problems(*overrides: str, multirun: bool = False, name: str = "train") -> list[str]:
    with pytest.raises(ConfigError) as caught:
        plan(name, list(overrides), multirun=multirun)
    return caught.value.problems


@pytest.mark.parametrize(
    ("name", "override", "line"),
    [
        ("evaluate", "trainer=gpu", "arcvae.evaluate has no trainer; for a device, write accelerator=cpu, gpu or mps"),
        ("evaluate", "+trainer=gpu", "arcvae.evaluate has no trainer; for a device, write accelerator=cpu, gpu or mps"),
        ("evaluate", "debug=true", "unknown key debug"),
        ("compare", "+loss=option_b", "arcvae.compare has no loss; for the runs that it trains, write "
         "\"overrides=['loss=option_b']\""),
        ("runs", "prior=objects", "prior=objects: arcvae.runs has no prior"),
        ("train", "~study", "arcvae.train has no study"),
    ],
)  # fmt: skip
def test_group_of_another_command_is_refused_and_never_hinted_at(name: str, override: str, line: str) -> None:
    # Hydra says to write +trainer=gpu, which would then change nothing.
    (found,) = problems(override, name=name)
    assert found.endswith(line)


def test_what_is_to_be_typed_for_a_comparison_can_be_typed() -> None:
    (found,) = problems("trainer=debug", name="compare")
    remedy = found.rpartition("write ")[2].strip('"')
    assert plan("compare", [remedy])[0]["overrides"] == ["trainer=debug"]


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("loss=optoin_b", "loss=optoin_b: choose one of balanced_softmax, cross_entropy, dice, fading, focal, generalized_ce, label_smoothing, ldam, ldam_drw, logit_adjusted, lovasz, option_a, option_b, option_c, poly1, tversky, vs (did you mean option_b?)"),
        ("loss.gama=1", "unknown key loss.gama (did you mean loss.gamma?)"),
        ("lr=0.1", "unknown key lr (did you mean optimizer.lr?)"),
        ("debug=true", "unknown key debug (did you mean trainer=debug?)"),
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
        ("loss=[", "cannot read the override loss=["),
        ("data.path=a=b/c.npz", "cannot read the override data.path=a=b/c.npz; quote its value: \"data.path='a=b/c.npz'\""),
        ("data.path=rené/c.npz", "quote its value: \"data.path='rené/c.npz'\""),
        ("trainer.strategy=ddp", "trainer.strategy is not among the keys of this config; to add it for lightning.pytorch.Trainer, write +trainer.strategy=ddp"),
        ("trainer.limit_train_batches=10", "write +trainer.limit_train_batches=10"),
        ("trainer.max_epoch=10", "unknown key trainer.max_epoch (did you mean trainer.max_epochs?)"),
        ("los.gamma=1", "unknown key los.gamma (did you mean loss.gamma?)"),
        ("losss=option_a", "unknown key losss (did you mean loss?)"),
        ("trainer.check_val_every_n_epoch=5", "trainer.check_val_every_n_epoch=5 must be 1: "),
        ("model.num_colors=9", "model.num_colors=9 must be 10: a grid has ten colours"),
        ("model._target_=arcvae.grid.model.BetaVAE", "model._target_=arcvae.grid.model.BetaVAE is now arcvae.grid.models.beta_vae.BetaVAE"),
        ("callbacks.beta_annealing=null", "callbacks.beta_annealing is gone: beta follows the epochs of any run"),
        ("~callbacks.beta_annealing", "callbacks.beta_annealing is gone"),
        ("model._target_=arcvae.io.files.write_json", "is not among what may be built"),
        ("~data", "data is missing"),
        ("monitor=val/loss", "monitor=val/loss is better low: set monitor_mode=min"),
        ("trainer.precision=16-mixed", "set optimizer.fused=false"),
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


@pytest.mark.slow
def test_what_hydra_refuses_hides_nothing_else() -> None:
    mistakes = ["seed=???", "loss=[", "model.latent_dim.x=1", "trainer.max_epochs=0", "nonsense=1", "a=b=c"]
    found = problems(*mistakes, "loss.gamma=1")
    assert len(found) == len(mistakes)
    for part in ("Missing mandatory value", "override loss=[", "max_epochs=0 must", "nonsense", "\"a='b=c'\""):
        assert len([line for line in found if part in line]) == 1, part


@pytest.mark.slow
def test_parameter_of_the_chosen_loss_that_its_config_leaves_out_is_to_be_added() -> None:
    with temporary_losses():

        @register_loss("gce")
        def gce(logits: Tensor, target: Tensor, *, q: float = 0.7) -> Tensor:
            return (1 - (-cross_entropy(logits, target)).exp() ** q) / q

        chosen = ["loss=cross_entropy", "loss.name=gce"]
        assert problems(*chosen, "loss.q=0.5") == [
            "loss.q is not among the keys of this config; to add it for arcvae.imbalance.losses.make_loss, "
            "write +loss.q=0.5"
        ]
        assert plan("train", [*chosen, "+loss.q=0.5"])[0]["loss"]["q"] == 0.5
        assert problems(*chosen, "loss.q=abc") == ["loss.q=abc must be a number"]
        assert problems("loss.q=0.5") == ["unknown key loss.q: the parameters of the loss focal are gamma, alpha"]


@pytest.mark.slow
def test_mistake_in_one_job_of_a_sweep_is_found_before_the_first_starts() -> None:
    assert problems("loss.gamma=1,2,11", multirun=True) == ["loss.gamma=11 must be a number at least 0 and at most 10"]


@pytest.mark.slow
def test_sweep_gives_a_config_for_each_job() -> None:
    configs = plan("train", ["loss.gamma=0,2", "loss=option_b,option_c"], multirun=True)
    assert [(c["loss"]["gamma"], c["loss"]["class_weights"]) for c in configs] == [
        (0, "sqrt_inverse"), (0, "inverse"), (2, "sqrt_inverse"), (2, "inverse"),
    ]  # fmt: skip


def test_further_arguments_of_lightning_are_accepted_by_signature() -> None:
    (config,) = plan("train", ["+trainer.limit_train_batches=3"])
    assert config["trainer"]["limit_train_batches"] == 3
    assert "takes no limit_train_batch (did you mean" in problems("+trainer.limit_train_batch=3")[0]


@pytest.mark.slow
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


def test_yaml_cannot_build_python_objects(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "evil.yaml").write_text(f"a: !!python/object/apply:os.system ['touch {tmp_path}/canary']\n")
    with pytest.raises(ConfigError, match=r"could not determine a constructor"):
        plan("train", ["model=evil"], config_dir=str(tmp_path))
    assert not (tmp_path / "canary").exists()


@pytest.mark.slow
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


@pytest.mark.slow
def test_audio_experiments_hold_what_they_promise() -> None:
    for experiment, model, channels in (
        ("audio_cnn", "AudioCNN", 1), ("audio_cnn_v2", "AudioCNNv2", 3),
        ("audio_seed_cnn", "AudioCNN", 1), ("audio_seed_cnn_v2", "AudioCNNv2", 3),
    ):  # fmt: skip
        full, quick = plan("train", [f"experiment={experiment}", "trainer=default,quick_test"], multirun=True)
        assert quick["trainer"]["max_epochs"] == 5  # in which a warm-up of five epochs is cut to one, not refused
        for config in (full, quick):
            assert config["model"]["_target_"] == f"arcvae.audio.model.{model}"
            seed = "seed" in experiment
            assert (config["model"]["bands"], config["model"]["head"]) == ((0, "linear") if seed else (40, "cosine"))
            assert (config["loss"]["name"], config["loss"]["defer"]) == (("focal", 0.0) if seed else ("ldam", 0.8))
            assert config["data"]["channels"] == channels
            assert config["monitor"] == "val/f1_macro"
            assert config["callbacks"]["early_stopping"]["patience"] == 7
            assert config["scheduler"]["warmup_epochs"] == 5
            assert config["scheduler"]["warmup_start"] == 0.1
            assert not config.get("beta")
            assert "snapshots" not in config["callbacks"]
            assert config["task"] == {"_target_": "arcvae.audio.task.AudioTask"}


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


def test_callback_without_settings_can_be_switched_off() -> None:
    (config,) = plan("train", ["callbacks.step_log=null"])
    assert config["callbacks"]["step_log"] is None


@pytest.mark.slow
def test_folder_of_the_user_is_found_by_both_ways_of_naming_it(tmp_path: Path) -> None:
    odd = tmp_path / "it's, a [folder]"
    for folder, name in ((odd, "mine"), (tmp_path / "b", "other")):
        (folder / "loss").mkdir(parents=True)
        (folder / "loss" / f"{name}.yaml").write_text("defaults:\n  - focal\n\ngamma: 4.0\n")
    path = f"hydra.searchpath=['file://{tmp_path}/b']"
    assert plan("train", [path, "loss=other"])[0]["loss"]["gamma"] == 4.0
    found = plan("train", [path, "loss=mine,other"], multirun=True, config_dir=str(odd))
    assert [config["loss"]["gamma"] for config in found] == [4.0, 4.0]
    with pytest.raises(ConfigError, match=r"loss=mine: choose one of .*option_c, other"):
        plan("train", [path, "loss=mine"])
    assert len(plan("train", ["loss=glob(m*)"], multirun=True, config_dir=str(odd))) == 1
    with pytest.raises(ConfigError, match="--config-dir nowhere: there is no such folder"):
        plan("train", [], config_dir="nowhere")


def test_jobs_of_a_sweep_are_those_that_hydra_runs() -> None:
    # The oracle is Hydra's own sweeper.
    words = [
        "loss=option_b,option_c",
        "+x=1",
        "loss.gamma=range(0,3)",
        "seed=choice(1,2)",
        "~beta",
        "tags=[a,b]",
        "y='a,b'",
    ]
    parsed = parse_overrides(words)
    (expected,) = BasicSweeper.split_arguments(parsed, max_batch_size=None)
    assert _jobs_of_sweep(parsed, []) == expected
    assert len(expected) == 12


@pytest.mark.slow
def test_both_ends_of_an_interval_are_checked() -> None:
    assert [c["loss"]["gamma"] for c in plan("train", ["loss.gamma=interval(0,2)"], multirun=True)] == [0.0, 2.0]
    assert problems("loss.gamma=interval(1,11)", multirun=True) == [
        "loss.gamma=11.0 must be a number at least 0 and at most 10"
    ]


def test_config_of_another_command_is_composed_within_a_running_one() -> None:
    register_resolvers()
    plan("train", [])
    running = object()
    GlobalHydra.instance().hydra = running  # type: ignore[assignment]
    try:
        plan("evaluate", [])
        assert GlobalHydra.instance().hydra is running
        with pytest.raises(ConfigError):
            plan("evaluate", ["seed=-1"])
        assert GlobalHydra.instance().hydra is running
    finally:
        GlobalHydra.instance().clear()


def test_all_overrides_that_cannot_be_read_are_reported_at_once() -> None:
    assert len(problems("loss=[", "data.path=a=b", "seed=1")) == 2


@pytest.mark.slow
def test_quoted_form_that_is_told_can_be_typed() -> None:
    for value in ("a=b", "it's", "x{y", "a\\b=c", 'a"b', "$HOME=`x`"):
        (problem,) = problems(f"data.path={value}")
        (form,) = shlex.split(problem.partition("quote its value: ")[2])  # as a shell takes it
        assert parse_overrides([form])[0].value() == value


def of_user(folder: Path, content: str | bytes) -> list[str]:
    """What is said of a loss of the user's with this YAML."""
    (folder / "loss").mkdir(exist_ok=True)
    (folder / "loss" / "mine.yaml").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigError) as caught:
        plan("train", ["loss=mine"], config_dir=str(folder))
    return caught.value.problems


@pytest.mark.parametrize("within", ["loss", "hydra"])
def test_file_of_the_user_that_stands_for_more_than_it_holds_is_refused_at_once(tmp_path: Path, within: str) -> None:
    lines = ["  - &a0 [x,x,x,x,x,x,x,x,x]", *(f"  - &a{n} [{','.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9))]
    content = "\n".join(["gamma:" if within == "loss" else "# @package _global_\nhydra:", *lines])
    assert len(content) < 500
    started = time.process_time()
    (line,) = of_user(tmp_path, content)
    assert (
        line
        == f"{tmp_path}/loss/mine.yaml is not a config (it stands for more than 2,000 values, or 64 levels of them)"
    )
    assert time.process_time() - started < 2  # with the files of arcvae that come before


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("7", "{} is not a config"),
        ("- 1", "{} is not a config; write keys with values"),
        ("text", "loss.text"),
        ("a: &a [*a]", "{} is not a config (it stands for more"),
        ("a: *b", "found undefined alias 'b'"),
        ("a: " + "[" * 20_000, "{} is not a config (it stands for more"),
        (b"a: \xff", "a config file is not UTF-8"),
        (b"a: \0", "unacceptable character"),
        ("a: 1\na: 2", "found duplicate key a"),
        ("a: !!set {x, y}", "is not a supported primitive type"),
        ("null: 2", "Incompatible key type 'NoneType'"),
        ("a: ${", "no viable alternative"),
        ("defaults: [mine]", "a config file stands in its own defaults"),
        ("defaults: 7", "defaults must be a list"),
        ("gamma: " + "9" * 5000, "{} is not a config (Exceeds the limit"),
    ],
)
def test_odd_yaml_of_the_user_is_one_line(tmp_path: Path, content: str | bytes, said: str) -> None:
    problems = of_user(tmp_path, content)
    assert said.format(f"{tmp_path}/loss/mine.yaml") in problems[0]
    assert not [line for line in problems if "\n" in line or line == "ConfigCompositionException"]


def test_anchors_of_the_user_are_his_own_matter(tmp_path: Path) -> None:
    (tmp_path / "loss").mkdir()
    (tmp_path / "loss" / "mine.yaml").write_text("defaults: [focal]\ngamma: &g 3.0\nalpha: *g\n")
    load = OmegaConf.load
    (config,) = plan("train", ["loss=mine"], config_dir=str(tmp_path))
    assert (config["loss"]["gamma"], config["loss"]["alpha"]) == (3.0, 3.0)
    assert OmegaConf.load is load
