"""Numbers of a set, counted again in another way."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from arcvae.grid.operations.drawings import objects_of
from arcvae.grid.tasks.collection import Collection
from arcvae.grid.tasks.statistics import describe, table


def test_numbers_are_those_of_the_tasks(collection: Collection) -> None:
    found = describe(collection.tasks, collection.reasons)
    assert found["tasks"] == 36 == sum(found["splits"].values()) == sum(found["cells"].values())
    names = Counter(name for task in collection.tasks for name in {step.name for step in task.program.steps})
    assert {name: count for name, count in found["functions"].items() if count} == dict(names)
    assert len(found["functions"]) == 16
    with_sets = sum("sets" in task.categories for task in collection.tasks)
    assert found["categories"]["sets"] == with_sets
    assert found["programs"]["distinct"] == len({str(task.program) for task in collection.tasks})
    objects = [drawing for task in collection.tasks for grid in task.inputs for drawing in objects_of(grid)]
    assert found["shapes"]["objects"] == len(objects)
    assert found["shapes"]["mean_cells"] == pytest.approx(np.mean([len(drawing.cells) for drawing in objects]))
    reds = sum(any((grid == 2).any() for grid in (*task.inputs, *task.outputs)) for task in collection.tasks)
    assert found["colors"][2] == reds


def test_rates_are_of_what_was_drawn(collection: Collection) -> None:
    reasons = {"pairs": 200, "a pair on which codes and pixels differ": 50, "an ambiguous task": 12, "identity": 5}
    found = describe(collection.tasks, reasons)
    assert found["rates"] == {"tasks_refused": 12 / 48, "pairs_that_differ": 0.25}
    assert "pairs" not in found["refused"]
    text = table(found | {"solved": {"n1k1": 1.0, "n1k2": 0.5, "n2k1": 0.25}})
    assert "n=1              1.00   0.50   0.75" in text
    assert "n=2              0.25      —   0.25" in text
