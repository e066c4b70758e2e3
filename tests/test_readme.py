"""README is true: its commands compose, its example runs, its tree is the tree."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from arcvae.app.compose import plan
from arcvae.errors import ConfigError
from arcvae.imbalance.registry import temporary_losses
from tests.conftest import FAST, Command

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
TABLE = [line for line in README.splitlines() if line.startswith("| ")]
# In prose and tables a command ends at the backtick, in blocks at the end of the line.
COMMANDS = sorted(set(re.findall(r"(?<!\$ )python -m arcvae\.([a-z]+)([^`\n]*)", README)))
WORDS = sorted({word for line in TABLE for word in re.findall(r"`(\w+=\w+)`", line)})


@pytest.mark.parametrize(("name", "arguments"), COMMANDS)
def test_commands_compose(name: str, arguments: str) -> None:
    words = [word for word in shlex.split(arguments) if word not in ("-m", "--cfg", "job", "NAME")]
    if "plugins=[my_losses]" in words:
        words.remove("+loss.ceiling=3.0")  # known only to the module of the example, which has a test of its own
    jobs = plan(name, words, multirun="-m" in shlex.split(arguments))
    assert len(jobs) == (4 if "-m" in shlex.split(arguments) else 1)


def test_all_commands_of_the_table_were_found() -> None:
    assert len(COMMANDS) >= 18
    assert {"trainer=mps", "trainer=ddp", "logger=wandb", "logger=none"} <= set(WORDS)


@pytest.mark.parametrize("word", WORDS)
def test_single_words_compose(word: str) -> None:
    assert plan("train", [word])


def test_reported_mistakes_are_what_is_printed() -> None:
    block = re.search(r"\$ python -m arcvae\.train (.*)\n((?:arcvae: .*\n)+)", README)
    assert block
    with pytest.raises(ConfigError) as caught:
        plan("train", block[1].split())
    assert caught.value.lines() == block[2].splitlines()


def test_example_of_a_loss_trains(train: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = re.search(r"```python\n(from arcvae\.imbalance\.losses import .*?)```", README, re.DOTALL)
    command = re.search(r"python -m arcvae\.train (plugins=.*)", README)
    assert code
    assert command
    (tmp_path / "my_losses.py").write_text(code[1])
    monkeypatch.syspath_prepend(tmp_path)
    with temporary_losses():
        assert train(*command[1].split(), *FAST, "trainer.max_epochs=1") == 0
    (record,) = tmp_path.glob("outputs/train/*/metrics.json")
    assert json.loads(record.read_text())["config"]["loss"]["name"] == "capped"


def test_example_with_codes_runs(run_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = re.findall(r"```python\n(import numpy as np\nimport arcvae.*?)```", README, re.DOTALL)
    monkeypatch.chdir(run_folder.parent.parent.parent)
    names: dict[str, Any] = {}
    exec(code, names)
    assert names["mu"].shape == (3, 10)
    assert names["halfway"].shape == names["moved"].shape == (16, 16)
    assert names["sharper"].shape == (3, 16, 16)


def test_targets_of_make_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"(?:`|^)make (\w+)", README, re.MULTILINE))
    assert targets
    assert all(re.search(rf"^{target}:.*## ", makefile, re.MULTILINE) for target in targets)


def test_tree_is_the_tree() -> None:
    tree = README.split("## The tree")[1].split("```")[1]
    named = {name for line in tree.splitlines() for name in re.findall(r"\b(\w+\.py)\b", line)}
    there = {path.name for path in (ROOT / "arcvae").rglob("*.py")} - {"__init__.py"}
    assert named == there
    assert all(group.name in tree for group in (ROOT / "conf").iterdir())


def test_picture_is_there_and_small() -> None:
    for picture in re.findall(r"!\[.*?\]\((.*?)\)", README):
        assert 5_000 < (ROOT / picture).stat().st_size < 200_000


def test_exit_codes_are_those_of_the_faults() -> None:
    from arcvae import errors

    words = {2: "config", 3: "data", 4: "checkpoint", 5: "file system", 6: "non-finite", 7: "run folder in use"}
    faults = [
        fault for fault in vars(errors).values() if isinstance(fault, type) and issubclass(fault, errors.ArcvaeError)
    ]
    assert {fault.exit_code for fault in faults} == {1, *words}
    sentence = " ".join(README.split("Exit codes:")[1].split("\n\n")[0].split())
    assert all(re.search(rf"{code} {word}", sentence) for code, word in words.items())


def test_no_figure_is_missing() -> None:
    assert not re.search(r"[A-Z]+_TABLE", README)
