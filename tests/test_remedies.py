"""Every message that says what to set, use, try or write instead: typed as it stands, it has to lead on.

``TYPED`` holds those that are about a command line: what was typed, and how the remedy stands in the message. It is cut
out of the message that is really given, appended to the command line, and then nothing may be said of it any more.
``CALLED`` names the test of a message about Python code or files. A message without a row fails.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import arcvae
from arcvae.app.checks import require_arguments
from arcvae.app.compose import plan
from arcvae.app.preflight import check_files
from arcvae.audio.task import AudioTask
from arcvae.errors import ConfigError, DataError
from arcvae.grid.corpus.data import GridDataModule
from arcvae.grid.task import GridTask
from arcvae.imbalance.losses import make_loss
from tests.conftest import save_arrays

PACKAGE = Path(arcvae.__file__).parent
ROOT = Path(__file__).parents[1]
WORDS = re.compile(r"\b(set|use|try|did you mean)\b|write \+|\b(train|export|load) (it\b|checkpoints/)")
THAT = r"(model\.\w+)=\S+ but .* ha(?:s|ve) (\d+); set it to that"

# Text in the source, with {} for what is filled in -> command, words, and the remedy in the message.
TYPED: dict[str, tuple[str, list[str], str]] = {
    "model.{}={} but the {} of {} have {}; set it to that": ("train", ["model.grid_size=8"], THAT),
    "model.grid_size={} but a corpus without data.path has {}; set it to that": ("train", ["model.grid_size=8"], THAT),
    "model.num_classes={} but {} has {}; set it to that": (
        "train", ["experiment=audio_cnn", "data.path=CLIPS", "model.num_classes=7"], THAT),
    "set it to that": ("train", ["data.path=GRIDS", "model.grid_size=8"], THAT),
    "{} has no value; set it": ("train", ["loss.gamma='???'"], r"(loss\.gamma) has no value; set it"),
    "monitor={} is better {}: set monitor_mode={}": ("train", ["monitor=val/loss"], r"set (monitor_mode=\w+)"),
    "trainer.precision=16-mixed cannot clip gradients of a fused optimizer; set optimizer.fused=false": (
        "train", ["trainer.precision=16-mixed"], "set (optimizer.fused=false)"),
    "loss.class_weights={}: the loss {} is over a whole {} and takes no class weights; set loss.class_weights=none": (
        "train", ["plugins=[whole]", "loss=cross_entropy", "loss.name=whole", "loss.class_weights=inverse"],
        "set (loss.class_weights=none)"),
    "loss.defer={} begins with class weights when loss.fade={} has ended them; set loss.fade=0": (
        "train", ["loss=option_b", "loss.defer=0.8", "loss.fade=0.5"], "set (loss.fade=0)"),
    "loss.fade={}: the loss {} has nothing that fades; set loss.fade=0": (
        "train", ["loss=cross_entropy", "loss.fade=0.5"], "set (loss.fade=0)"),
    "loss.defer={} defers class weights, but there are none; set loss.class_weights=balanced": (
        "train", ["loss.defer=0.8"], "set (loss.class_weights=balanced)"),
    "loss.name={} compares regions, and a clip has one label; use loss=balanced_softmax": (
        "train", ["experiment=audio_cnn", "loss=dice"], "use (loss=balanced_softmax)"),
    "loss.name={} has margins between cosines, and the head is linear; set model.head=cosine": (
        "train", ["experiment=audio_seed_cnn", "loss=ldam"], "set (model.head=cosine)"),
    "loss.name={} has margins between cosines, which {} does not give; use loss=vs": (
        "train", ["model=spatial", "loss=ldam"], "use (loss=vs)"),
    "data.sampler={} draws grids of the train split, but {} makes new ones; set data.sampler=instance": (
        "train", ["data.sampler=balanced", "data.fresh=true"], "set (data.sampler=instance)"),
    " (did you mean {}?)": ("train", ["los.gamma=1"], r"did you mean (loss\.gamma)\?"),
    "{} is not among the keys of this config; to add it for {}, write +{}={}": (
        "train", ["trainer.strategy=ddp"], r"write (\+trainer\.strategy=ddp)"),
    "{}={}: this machine has no such device; use {}=cpu": (
        "train", ["trainer.accelerator=mps"], "use (trainer.accelerator=cpu)"),
}  # fmt: skip

# Text -> file and line of the test in which it is given and followed.
CALLED = {
    "--config-name, --config-path and --experimental-rerun are not supported; use overrides": (
        "app/test_command.py", "are not supported; use overrides"),
    "out={} exists; choose another name or set overwrite=true": ("test_remedies.py", "set (overwrite=true)"),
    "out of shared memory; set data.num_workers=0, or give more (docker run --shm-size=8g)": (
        "app/test_faults.py", "out of shared memory; set data.num_workers=0"),
    "{}={}: {} is a model for {}; set {}=null": ("test_evaluate.py", "is a model for clips; set refine=null"),
    "{} has {} epochs behind it; set trainer.max_epochs to more than that": ("app/jobs/test_train.py", "behind it"),
    "{} holds only the encoder and has no use for {}; load {}.pth": (
        "grid/test_opening.py", "has no use for a prior"),
    "{} has codes without objects; use encode, or a model=objects": ("grid/test_codec.py", "has codes without objects"),
    "{} has no tuned logit adjustment; use decision='argmax'": (
        "training/test_predictor.py", "has no tuned logit adjustment; use decision='argmax'"),
    "prior={} is not for codes of objects; use prior=objects": (
        "grid/codes/test_sources.py", "is not for codes of objects; use prior=objects"),
    "{} has grids of {}x{}, and data.fresh=true draws grids of {}x{}; set data.fresh=false": (
        "test_remedies.py", 'GridDataModule(str(corpus), fresh=False)'),
    "use loss.reduction=sum": ("test_remedies.py", '["loss.reduction=sum"]'),
    " or use loss.reduction=sum": ("test_remedies.py", '["loss.reduction=sum"]'),
    "{} needs the size of the grids; take the codes from codec.codes(grids), or set size=": (
        "grid/operations/test_checks.py", "needs the size of the grids"),
    "; did you mean {}?": ("grid/operations/test_program.py", "did you mean"),
    "rotate({}) about the centre needs square grids, these are {} x {}; use 180 degrees, or about='object'": (
        "grid/operations/test_turns.py", "about the centre needs square grids"),
    "{} comes without a prior; make one with arcvae.sample prior=objects and set prior_path, or set corpus to a file "
    "of grids": ("grid/tasks/test_writer.py", "comes without a prior"),
    "factor={} has no operator; use 2, 3 or 1/2, or via='pixels'": (
        "grid/operations/test_by_codes.py", "has no operator"),
    "{}={} cannot fade, because it is not a number; set fade=0": ("test_remedies.py", "fade=0)"),
    "loss {} is over a whole {} and takes no class weights; set class_weights=none": (
        "imbalance/test_loss_kinds.py", "takes no class weights"),
    "loss {} has no default for {}; set loss.{}": ("imbalance/test_loss_kinds.py", "has no default for"),
    # The environment is the shell's.
    "hydra.job.env_set.{} is not among the variables that a config may set; set it for the command: {}=...": (
        "app/test_hydra_nodes.py", "set it for the command"),
    "{} cannot name an export; use lower-case letters, digits and underscores": (
        "io/test_exports.py", "cannot name an export"),
    "{} does not say how its features were computed; train it again for that": (
        "audio/test_predictions.py", "does not say how its features were computed"),
    "load checkpoints/best.ckpt of its run, or train it again": (
        "app/test_loading.py", "load checkpoints/best.ckpt of its run"),
    # Nothing to type: whether there is an older one, and where, is known to nobody.
    "{} is damaged ({}); use an older checkpoint": ("io/test_tensors.py", "use an older checkpoint"),
    "{} is damaged (its digest differs); use an older checkpoint": ("io/test_tensors.py", "its digest differs"),
    "it can be evaluated, perhaps, but not continued; use another checkpoint": (
        "io/test_stamp.py", "require_resumable"),
    "{} cannot be continued ({}); use another checkpoint": (
        "app/jobs/test_train_resumed.py", "cannot be continued"),
    # What is to be added is built as the message spells it.
    "the clock was not set before this batch; add arcvae.training.clock.ClockCallback() to the callbacks": (
        "training/test_clock.py", "to the callbacks"),
}  # fmt: skip


def messages() -> Iterator[tuple[str, str]]:
    """Place and text of each string of the package, but docstrings, in which one of ``WORDS`` occurs."""
    for path in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(path.read_text())
        documents = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                text = "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)  # type: ignore[misc]
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documents | parts:
                text = node.value
            else:
                continue
            if WORDS.search(text.replace('"use strict"', "")) and " " in text:
                yield f"{path.relative_to(PACKAGE)}:{node.lineno}", text


def test_every_message_with_a_remedy_has_a_row() -> None:
    found = dict(messages())
    without = {place: text for place, text in found.items() if text not in TYPED and text not in CALLED}
    assert without == {}, "add a row to TYPED or CALLED, with a test that types the remedy"
    assert {*TYPED, *CALLED} - {*found.values()} == set(), "rows of messages that are gone"


def said(command: str, words: list[str]) -> list[str]:
    """What is wrong with a command line, as the command says it before it runs."""
    try:
        configs = plan(command, words)
        require_arguments(configs)
        for config in configs:
            check_files({**config, "task": config["task"]})
            if config["data"].get("path"):
                task = AudioTask() if "Audio" in config["task"]["_target_"] else GridTask()
                task.check_corpus(config["data"], config["model"])
    except ConfigError as error:
        return error.problems
    return []


@pytest.mark.parametrize("text", TYPED)
def test_remedy_leads_on_once_it_is_typed(
    text: str, tmp_path: Path, tiny_corpus: Path, tiny_clips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "whole.py").write_text(
        "from arcvae.imbalance.losses import register_loss\n"
        "@register_loss('whole', over='batch')\n"
        "def whole(logits, target, *, valid): return (logits.sum(1) * valid).sum()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    command, words, pattern = TYPED[text]
    words = [word.replace("GRIDS", f"'{tiny_corpus}'").replace("CLIPS", f"'{tiny_clips}'") for word in words]
    (problem,) = said(command, words)
    found = re.search(pattern, problem)
    assert found, problem
    remedy = "=".join(found.groups())
    typed = remedy if "=" in remedy else f"{remedy}=1"
    key = typed.lstrip("+").partition("=")[0]
    misspelt = [word for word in words if word.partition("=")[0] == key or "did you mean" in problem]
    assert said(command, [*(word for word in words if word not in misspelt), typed]) == []


@pytest.mark.parametrize("text", CALLED)
def test_test_of_a_remedy_is_there(text: str) -> None:
    file, line = CALLED[text]
    assert line in (ROOT / "tests" / file).read_text()


def test_fresh_grids_are_switched_off_as_the_message_says(tmp_path: Path) -> None:
    small = np.zeros((10, 8, 8), dtype=np.uint8)
    corpus = save_arrays(tmp_path / "small.npz", train=small, val=small, test=small)
    with pytest.raises(DataError, match=r"set data\.fresh=false"):
        GridDataModule(str(corpus), fresh=True).corpus  # noqa: B018
    assert GridDataModule(str(corpus), fresh=False).corpus.grid_size == 8


def test_loss_that_cannot_fade_is_made_as_the_message_says() -> None:
    with pytest.raises(ValueError, match="cannot fade, because it is not a number; set fade=0"):
        make_loss("focal", gamma=None, fade=0.5)
    assert make_loss("focal", gamma=None, fade=0).fade == 0


def test_options_that_messages_name_are_there() -> None:
    (config,) = plan("train", ["loss.reduction=sum"])
    assert config["loss"]["reduction"] == "sum"
    (config,) = plan("sample", ["prior=objects"])
    assert config["prior"]["_target_"].endswith("FittedObjects")
    (config,) = plan("evaluate", ["refine=null"])
    assert config["refine"] is None
    (config,) = plan("train", ["model=objects", "data.batch_size=1"])
    assert config["data"]["batch_size"] == 1


def test_file_is_replaced_as_the_message_says(command, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:  # type: ignore[no-untyped-def]
    words = ("num_grids=20", "out=c.npz")
    assert command("corpus", *words) == 0
    assert command("corpus", *words, "seed=2") == 2
    (remedy,) = re.findall(r"set (overwrite=true)", capsys.readouterr().err)
    before = (tmp_path / "c.npz").read_bytes()
    assert command("corpus", *words, "seed=2", remedy) == 0
    assert (tmp_path / "c.npz").read_bytes() != before
