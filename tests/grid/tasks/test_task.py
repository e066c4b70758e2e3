"""A task as ARC writes it, as a line of an index, and as a picture."""

from __future__ import annotations

import json

import numpy as np
import pytest

from arcvae.grid.operations.program import Program
from arcvae.grid.tasks.collection import Collection
from arcvae.grid.tasks.task import Task, from_arc, replay, wrapped


def test_arc_form_is_lists_of_pairs_and_comes_back(collection: Collection) -> None:
    for task in collection.tasks[:6]:
        arc = json.loads(json.dumps(task.to_arc()))
        assert set(arc) == {"train", "test"}
        assert len(arc["test"]) == 1
        assert 2 <= len(arc["train"]) <= 5
        for pair in arc["train"] + arc["test"]:
            assert set(pair) == {"input", "output"}
            for grid in pair.values():
                assert len(grid) == 16
                assert all(len(row) == 16 and all(type(cell) is int and 0 <= cell <= 9 for cell in row) for row in grid)
        again = from_arc(json.loads(json.dumps(task.index_line())), arc)
        assert repr(again) == repr(task)
        assert (again.seed, again.split) == (task.seed, task.split)
        assert all(np.array_equal(a, b) for a, b in zip(again.outputs, task.outputs, strict=True))


def test_programs_name_slots_in_reading_order() -> None:
    grid = np.array([[0, 0, 4], [5, 0, 0], [0, 0, 0]], dtype=np.uint8)
    assert replay(Program.parse("recolor(9, objects=0)"), grid).tolist() == [[0, 0, 9], [5, 0, 0], [0, 0, 0]]
    assert replay(Program.parse("translate(dy=1, objects=1)"), grid).tolist() == [[0, 0, 4], [0, 0, 0], [5, 0, 0]]


def test_index_line_says_what_the_program_is_made_of(collection: Collection) -> None:
    task = collection.tasks[-1]
    line = task.index_line()
    assert (line["n"], line["k"], line["demonstrations"]) == (len(task.program), task.objects, len(task.inputs) - 1)
    grids = (np.zeros((3, 4), dtype=np.uint8),)
    mixed = Task("x", Program.parse("recolor(3) | translate(dx=1) | reflect_x() | tile()"), 1, grids, grids)
    assert mixed.categories == ["colour", "geometric", "patterns"]
    assert mixed.index_line()["size"] == [3, 4]


def test_picture_shows_every_pair(collection: Collection) -> None:
    task = collection.tasks[0]
    figure = task.show()
    assert len(figure.axes) == 2 * len(task.inputs)
    assert figure.axes[len(task.inputs) - 1].get_title() == "test"
    assert wrapped("a() | b() | c()", 9) == "a() | b() |\nc()"


@pytest.mark.parametrize(
    ("line", "grid", "message"),
    [
        ({}, [[0]], "KeyError 'id'|KeyError 'program'"),
        ({"program": "jump()"}, [[0]], "no operation is called 'jump'"),
        ({"program": "", "k": 1, "seed": 0, "id": "a", "split": "training"}, [[0, 1], [2]], "a grid|inhomogeneous"),
        ({"program": "", "k": 1, "seed": 0, "id": "a", "split": "training"}, [[10]], "whole numbers 0 to 9"),
    ],
)
def test_what_is_no_task_is_refused(line: dict[str, object], grid: object, message: str) -> None:
    pair = {"input": grid, "output": grid}
    with pytest.raises(ValueError, match=message):
        from_arc(line, {"train": [pair], "test": [pair]})
