"""A small reference solver: breadth-first search over programs of at most two steps, on codes.

It sees what a solver sees: the pairs that are shown, and the input of the test. Objects are what the codes of inputs
draw, and the answer is decoded from the codes of the test after the first program that explains all demonstrations.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from arcvae.grid.codec import Codec
from arcvae.grid.operations.cells import whole_objects
from arcvae.grid.operations.drawings import Drawing
from arcvae.grid.operations.program import Program
from arcvae.grid.tasks.board import Demonstration
from arcvae.grid.tasks.scenes import Planes, planes_of, scene_of
from arcvae.grid.tasks.search import explanations
from arcvae.grid.tasks.task import Grid, Task

BUDGET: Final = 200
"""First steps that are followed further. A task with one object has no more than 86 (the steps of the space), one with
six objects several hundred."""
_ROOM: Final = 72
"""Slots to work with."""


def solve(codec: Codec, task: Task, budget: int | None = BUDGET) -> tuple[Program, Grid] | None:
    """The first program of at most two steps that explains the demonstrations, and its answer ``(H, W)`` to the test.

    Args:
        codec: Of a model of objects.
        task: Its last output is not looked at.
        budget: See :data:`BUDGET`; None: the whole space is searched.
    """
    codes = codec.codes(np.stack(task.inputs))
    scenes: list[list[Drawing]] = [[] for _ in task.inputs]
    for (grid, slot), cells in whole_objects(codes, codes.filled, "solve").items():
        color = int(codes.color[grid, slot].round())
        scenes[grid].append(Drawing(color, frozenset((int(row), int(column)) for row, column in cells)))
    if not all(found.cells for scene in scenes for found in scene):
        return None  # an object that the decoder does not draw
    height, width = task.inputs[0].shape
    shown: list[Planes] = [planes_of(output) for output in task.outputs[:-1]]
    demonstrations = [Demonstration(scene_of(s), p) for s, p in zip(scenes[:-1], shown, strict=True)]
    found = next(explanations(demonstrations, scene_of(scenes[-1]), (height, width), budget), None)
    if found is None:
        return None
    try:
        answer = codec.decode(found.program(codes[-1:], max_objects=_ROOM))
    except ValueError:  # more objects than slots
        return None
    return found.program, np.asarray(answer[0])


def solve_rates(
    codec: Codec, tasks: Sequence[Task], each: int, report: Callable[[int], object] = lambda done: None
) -> dict[str, float]:
    """Share of tasks that :func:`solve` solves, by depth and number of objects (``"n1k1"``, ...).

    Args:
        codec: Of a model of objects.
        tasks: Any.
        each: The first so many of each depth and number of objects are tried.
        report: Called after each task.
    """
    solved: dict[str, list[bool]] = {}
    for task in tasks:
        results = solved.setdefault(f"n{task.depth}k{task.objects}", [])
        if len(results) < each:
            found = solve(codec, task)
            results.append(found is not None and np.array_equal(found[1], task.outputs[-1]))
            report(1)
    return {cell: float(np.mean(results)) for cell, results in solved.items() if results}
