"""A set of tasks as a folder: a file of ARC's form for each, in a folder for each split, and an index.

``tasks.jsonl`` has a line for each task; see :meth:`arcvae.grid.tasks.task.Task.index_line`. It is written last: a
folder without it holds no set.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from arcvae.errors import DataError, FileSystemError
from arcvae.grid.tasks.collection import SPLITS
from arcvae.grid.tasks.task import Task, from_arc, replay
from arcvae.io.files import write_atomic

INDEX: Final = "tasks.jsonl"


def arc_bytes(task: Task) -> bytes:
    """The content of the file of a task."""
    return (json.dumps(task.to_arc(), separators=(", ", ": ")) + "\n").encode()


def write_tasks(folder: Path, tasks: Sequence[Task]) -> None:
    """Write tasks and their index; a crash leaves no half of a split, and no index.

    Args:
        folder: An existing folder without tasks.
        tasks: Each with a split.

    Raises:
        FileSystemError: The operating system refused.
    """
    for name in SPLITS:
        part = folder / f".{name}.{os.getpid()}.part"
        try:
            part.mkdir()
            for task in tasks:
                if task.split == name:
                    (part / f"{task.id}.json").write_bytes(arc_bytes(task))
            os.replace(part, folder / name)
        except BaseException as error:
            shutil.rmtree(part, ignore_errors=True)
            if isinstance(error, OSError):
                raise FileSystemError(f"cannot write {folder / name}: {error.strerror or error}") from error
            raise
    lines = [json.dumps(task.index_line()) for task in tasks]
    write_atomic(folder / INDEX, ("\n".join(lines) + "\n").encode())


def read_tasks(folder: str | os.PathLike[str]) -> Iterator[Task]:
    """The tasks of a folder, in the order of its index.

    Raises:
        DataError: There is no index, or a line or file that does not describe a task; the message names it.
    """
    for task, _ in _read(Path(folder)):
        yield task


def replay_folder(folder: str | os.PathLike[str], report: Callable[[int], object] = lambda done: None) -> int:
    """Make every output of a folder again, in pixels, from the line of the index and the input alone.

    Args:
        folder: Of :func:`write_tasks`.
        report: Called after each task.

    Returns:
        How many tasks there are: the file of each has the same bytes.

    Raises:
        DataError: A file has other bytes, or is not there, or is not in the index.
    """
    folder, count = Path(folder), 0
    known = set()
    for task, content in _read(folder):
        outputs = tuple(replay(task.program, given) for given in task.inputs)
        again = Task(task.id, task.program, task.objects, task.inputs, outputs)
        if arc_bytes(again) != content:
            raise DataError(f"{folder}: {task.id} does not replay: {task.program} leads to other outputs")
        known.add((task.split, f"{task.id}.json"))
        count += 1
        report(1)
    there = {(name, file.name) for name in SPLITS for file in (folder / name).glob("*.json")}
    if more := sorted(there - known):
        raise DataError(f"{folder / more[0][0] / more[0][1]} is not in {INDEX}; {len(more)} such files")
    return count


def _read(folder: Path) -> Iterator[tuple[Task, bytes]]:
    """Each task, and the bytes of its file."""
    try:
        lines = (folder / INDEX).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise DataError(f"{folder} holds no tasks ({INDEX}: {_words(error)}); give a folder of arcvae.tasks") from error
    for number, text in enumerate(lines, 1):
        try:
            line: dict[str, Any] = json.loads(text)
            path = folder / line["split"] / f"{line['id']}.json"
            if line["split"] not in SPLITS or path.parent.parent != folder:
                raise ValueError("no such split")
            content = path.read_bytes()
            yield from_arc(line, json.loads(content)), content
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(f"{folder / INDEX}:{number}: {_words(error)}") from error


def _words(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__)
