"""The command of tasks: what it leaves, what it refuses, and the replay."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from arcvae.app.shipped import shipped
from arcvae.grid.tasks import collection, read_tasks
from arcvae.io.exports import read_export
from arcvae.io.locks import lock_folder
from arcvae.io.tensors import save_torch
from tests.conftest import NamedCommand, fault, metrics, save_arrays

SMALL = ("num_tasks=6", "max_depth=2", "max_objects=3", "workers=1", "solver=1")


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.json*")}


@pytest.mark.slow
def test_a_set_is_made_replayed_and_not_written_over(
    command: NamedCommand, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("tasks", *SMALL, "out=one") == 0
    folder = tmp_path / "one"
    assert {path.name for path in folder.iterdir()} == {
        *("training", "validation", "evaluation", "tasks.jsonl", "statistics.json", "tasks.png", "metrics.json"),
        "run.lock",
    }
    assert len(list(read_tasks(folder))) == 6
    record = metrics(folder)
    assert record["config"]["num_tasks"] == 6
    assert json.loads((folder / "statistics.json").read_text())["splits"] == {
        "training": 4, "validation": 1, "evaluation": 1,
    }  # fmt: skip
    assert [path.name for path in tmp_path.iterdir()] == ["one"]
    before = content(folder)
    capsys.readouterr()
    assert command("tasks", *SMALL, "out=one") == 7
    assert fault(capsys) == "arcvae: error[E_BUSY]: out=one holds files already; choose another name"
    assert command("tasks", "replay=one") == 0
    assert "Replayed 6 tasks of one in pixels: the bytes are the same" in capsys.readouterr().out
    assert content(folder) == before
    (folder / "tasks.jsonl").write_text("{}\n")
    assert command("tasks", "replay=one") == 3


@pytest.mark.slow
def test_model_of_a_plugin_makes_tasks(
    command: NamedCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "my_objects.py").write_text(
        "from arcvae.grid.models.objects import ObjectsVAE\nclass Mine(ObjectsVAE): ...\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    weights = shipped(Path("atomic-objects"))
    export = read_export(weights)
    save_torch(tmp_path / "mine.pth", export | {"model": export["model"] | {"_target_": "my_objects.Mine"}})
    prior = f"prior_path={weights.with_suffix('.prior.safetensors')}"
    words = ("num_tasks=2", "max_depth=1", "max_objects=2", "workers=1", "solver=0", "ckpt_path=mine.pth", prior)
    assert command("tasks", *words, "out=none") == 4
    assert "my_objects.Mine, which is not arcvae's" in fault(capsys)
    assert command("tasks", *words, "out=one", "plugins=[my_objects]") == 0
    assert len(list(read_tasks(tmp_path / "one"))) == 2


def test_folder_in_which_tasks_are_being_made_is_refused(
    command: NamedCommand, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with lock_folder(tmp_path / "one", key="out"):
        assert command("tasks", *SMALL, "out=one") == 7
    assert fault(capsys) == "arcvae: error[E_BUSY]: another run is going on in one; choose another out"


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bytes_with_any_number_of_processes(
    command: NamedCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collection, "_BLOCK", 15)
    for name, *words in (("one", "num_tasks=40"), ("two", "num_tasks=40", "workers=2")):
        assert command("tasks", *SMALL, *words, f"out={name}") == 0
    one, two = (content(tmp_path / name) for name in ("one", "two"))
    assert one.keys() == two.keys()
    assert all(one[name] == two[name] for name in one if name not in ("metrics.json", "statistics.json"))


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("num_tasks=0",), 2, "num_tasks=0 must be a whole number at least 1"),
        (("min_demonstrations=4", "max_demonstrations=3"), 2, "min_demonstrations=4 must be at most max_demonst"),
        (("max_objects=7",), 2, "max_objects=7 must be 1 to 6, the slots of"),
        (("ckpt_path=atomic-d10",), 4, "codes without objects; tasks need a model of objects"),
        (("ckpt_path=nowhere",), 4, "nowhere"),
        (("prior_path=nowhere",), 4, "prior_path=nowhere: there is no such prior"),
        (("corpus=nowhere.npz",), 3, "corpus=nowhere.npz: there is no such file"),
        (("corpus=bad.npz",), 3, "bad.npz"),
        (("out=bad.npz",), 2, "out=bad.npz is a file; choose the name of a folder"),
        (("out=null",), 2, "out=null: name the folder"),
        (("replay=nowhere",), 3, "replay=nowhere: there is no such folder"),
        (("replay=.",), 3, "holds no tasks"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    command: NamedCommand,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    code: int,
    message: str,
) -> None:
    save_arrays(tmp_path / "bad.npz", train=None)
    assert command("tasks", *words) == code
    assert message in fault(capsys)
    assert not list(tmp_path.rglob("*.json*"))
