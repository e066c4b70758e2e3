"""A folder of tasks: written whole, read back, replayed, and every damage named."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from arcvae.errors import DataError, FileSystemError
from arcvae.grid.tasks.collection import SPLITS, Collection
from arcvae.grid.tasks.folder import INDEX, arc_bytes, read_tasks, replay_folder, write_tasks
from tests.io.crashes import MODES, WENT_ON, at_every_operation


@pytest.fixture
def folder(collection: Collection, tmp_path: Path) -> Path:
    write_tasks(tmp_path, collection.tasks)
    return tmp_path


def test_what_is_written_is_read_and_replayed(folder: Path, collection: Collection) -> None:
    lines = [json.loads(line) for line in (folder / INDEX).read_text().splitlines()]
    assert lines == [task.index_line() for task in collection.tasks]
    for name in SPLITS:
        files = sorted((folder / name).iterdir())
        assert [file.stem for file in files] == sorted(task.id for task in collection.tasks if task.split == name)
    assert [repr(task) for task in read_tasks(folder)] == [repr(task) for task in collection.tasks]
    counted: list[int] = []
    assert replay_folder(folder, counted.append) == 36 == sum(counted)
    assert sorted(path.name for path in folder.iterdir()) == sorted([*SPLITS, INDEX])


def other_output(folder: Path) -> None:
    task = next(iter(read_tasks(folder)))
    path = folder / task.split / f"{task.id}.json"
    arc = json.loads(path.read_text())
    arc["test"][0]["output"][0][0] = (arc["test"][0]["output"][0][0] + 1) % 10
    path.write_text(json.dumps(arc))


def other_program(folder: Path) -> None:
    lines = (folder / INDEX).read_text().splitlines()
    line = json.loads(lines[0])
    (folder / INDEX).write_text("\n".join([json.dumps(line | {"program": "translate(dx=9)"}), *lines[1:]]))


def no_file(folder: Path) -> None:
    next((folder / "training").iterdir()).unlink()


def further_file(folder: Path) -> None:
    (folder / "evaluation" / "more.json").write_text("{}")


def no_index(folder: Path) -> None:
    (folder / INDEX).unlink()


def half_a_line(folder: Path) -> None:
    (folder / INDEX).write_text((folder / INDEX).read_text()[:50])


def elsewhere(folder: Path) -> None:
    (folder / INDEX).write_text(json.dumps({"id": "../../x", "split": "training"}))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (other_output, "does not replay"),
        (other_program, "does not replay: translate"),
        (no_file, r"tasks\.jsonl:\d+: No such file"),
        (further_file, r"more\.json is not in tasks\.jsonl; 1 such"),
        (no_index, r"holds no tasks \(tasks\.jsonl: No such file or directory\); give a folder of arcvae\.tasks"),
        (half_a_line, r"tasks\.jsonl:1: "),
        (elsewhere, r"tasks\.jsonl:1: no such split"),
    ],
)
def test_damage_is_named(folder: Path, damage: Callable[[Path], None], message: str) -> None:
    damage(folder)
    with pytest.raises(DataError, match=message):
        replay_folder(folder)


def test_nothing_half_written_is_left(collection: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[Path] = []

    def fails_at_the_third(self: Path, _: bytes) -> None:
        written.append(self)
        if len(written) == 3:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fails_at_the_third)
    with pytest.raises(FileSystemError, match=r"cannot write .*training: No space left on device"):
        write_tasks(tmp_path, collection.tasks)
    assert list(tmp_path.iterdir()) == []


def test_bytes_of_a_task_are_json_on_one_line(collection: Collection) -> None:
    content = arc_bytes(collection.tasks[0])
    assert content.count(b"\n") == 1
    assert json.loads(content) == collection.tasks[0].to_arc()


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_folder_holds_all_tasks_or_none_after_an_interruption_at_every_operation(
    tmp_path: Path, collection: Collection, mode: str
) -> None:
    tasks = [task for name in SPLITS for task in collection.tasks if task.split == name][::9]

    def clear() -> None:
        shutil.rmtree(tmp_path / "set", ignore_errors=True)
        (tmp_path / "set").mkdir()

    codes = []
    for at, code in at_every_operation(clear, lambda: write_tasks(tmp_path / "set", tasks), mode):
        codes.append(code)
        if code == 0:
            assert [task.id for task in read_tasks(tmp_path / "set")] == [task.id for task in tasks]
        elif (tmp_path / "set" / INDEX).exists():
            assert replay_folder(tmp_path / "set") == len(tasks)
        else:
            with pytest.raises(DataError, match="holds no tasks"):
                list(read_tasks(tmp_path / "set"))
        assert mode == "kill" or list((tmp_path / "set").glob(".*")) == [], at
    assert set(codes) == ({0, -9} if mode == "kill" else {0, WENT_ON, 5})
