"""The picture of many tasks."""

from __future__ import annotations

from arcvae.grid.tasks.collection import Collection
from arcvae.grid.tasks.pictures import sheet, spread


def test_sheet_has_a_panel_and_the_program_for_each_task(collection: Collection) -> None:
    tasks = spread(collection.tasks, 5)
    assert [task.depth for task in tasks] == sorted(task.depth for task in tasks)
    assert (tasks[0].depth, tasks[-1].depth) == (1, 3)
    figure = sheet(tasks, "five", columns=2)
    assert len(figure.axes) == 6
    for axes, task in zip(figure.axes, tasks, strict=False):
        name, *program = axes.get_title().split("\n")
        assert (name, " ".join(program)) == (task.id, str(task.program))
    assert len(spread(collection.tasks, 100)) == 36
