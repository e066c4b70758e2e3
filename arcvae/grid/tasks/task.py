"""A task: demonstrations of a program, and an input on which it is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from arcvae.grid.analysis.render import draw_grid
from arcvae.grid.operations.drawings import draw, objects_of
from arcvae.grid.operations.pixels import apply
from arcvae.grid.operations.program import Program
from arcvae.grid.tasks.space import CATEGORY
from arcvae.training.plots import new_figure

Grid = NDArray[np.uint8]

FIRST_SLOTS = "of the input, by their first cells, row by row"
"""Which objects the slots of a program are: what the index says under ``objects``."""


@dataclass(frozen=True, eq=False)
class Task:
    """A task in the sense of ARC, and where it is from.

    Args:
        id: Name of its file.
        program: What turns each input into its output. Slots are the objects of the input, cells of one colour that
            touch over edges or corners, in the order of their first cells; new ones follow as the operations say.
        objects: Objects of each input, k.
        inputs: One for each demonstration, and that of the test; each ``(H, W)`` uint8.
        outputs: Likewise.
        seed: Seed of the set that it belongs to.
        split: ``"training"``, ``"validation"`` or ``"evaluation"``; empty for a task without a set.
    """

    id: str
    program: Program
    objects: int
    inputs: tuple[Grid, ...]
    outputs: tuple[Grid, ...]
    seed: int = 0
    split: str = ""

    @property
    def depth(self) -> int:
        """Steps of the program, n."""
        return len(self.program)

    @property
    def categories(self) -> list[str]:
        """Kinds of the operations, in the order of the steps, each once."""
        return list(dict.fromkeys(CATEGORY[step.name] for step in self.program.steps))

    def to_arc(self) -> dict[str, Any]:
        """The task as ARC writes it: ``{"train": [{"input": ..., "output": ...}, ...], "test": [...]}``, of lists."""
        pairs = [
            {"input": given.tolist(), "output": wanted.tolist()}
            for given, wanted in zip(self.inputs, self.outputs, strict=True)
        ]
        return {"train": pairs[:-1], "test": pairs[-1:]}

    def index_line(self) -> dict[str, Any]:
        """What the index says of the task: all that is needed to make each output of its input again."""
        return {
            "id": self.id,
            "split": self.split,
            "program": str(self.program),
            "n": self.depth,
            "k": self.objects,
            "seed": self.seed,
            "categories": self.categories,
            "demonstrations": len(self.inputs) - 1,
            "size": list(self.inputs[0].shape),
            "objects": FIRST_SLOTS,
        }

    def show(self) -> Figure:
        """A picture: a column for each pair, inputs above outputs, the test last."""
        pairs = len(self.inputs)
        figure = new_figure(1.7 * pairs, 3.9, wrapped(str(self.program), 24 * pairs))
        cells = figure.subplots(2, pairs, squeeze=False)
        for index, (given, wanted) in enumerate(zip(self.inputs, self.outputs, strict=True)):
            draw_grid(cells[0][index], given)
            draw_grid(cells[1][index], wanted)
            cells[0][index].set_title("test" if index == pairs - 1 else f"{index + 1}", fontsize=9)
        return figure

    def __repr__(self) -> str:
        return f"Task({self.id}: {self.program}; {len(self.inputs) - 1} demonstrations, k={self.objects})"


def wrapped(text: str, width: int) -> str:
    """A program on several lines, broken between its steps."""
    lines: list[str] = []
    for step in text.split(" | "):
        if lines and len(lines[-1]) + len(step) + 3 <= width:
            lines[-1] += f" | {step}"
        else:
            lines.append(step)
    return " |\n".join(lines)


def replay(program: Program, given: NDArray[np.integer]) -> Grid:
    """What a program makes of an input, in pixels: no model has a part in it.

    Args:
        program: See :class:`Task`.
        given: ``(H, W)``.

    Returns:
        ``(H, W)`` uint8.

    Example:
        >>> replay(Program.parse("translate(dx=1)"), np.array([[3, 0]])).tolist()
        [[0, 3]]
    """
    height, width = given.shape
    return draw(apply(program, objects_of(given), (height, width)), (height, width))


def from_arc(line: Mapping[str, Any], arc: Mapping[str, Sequence[Mapping[str, Any]]]) -> Task:
    """The task that a line of an index and a file in ARC's form describe.

    Raises:
        ValueError: They do not describe one.
    """
    try:
        pairs = [*arc["train"], *arc["test"]]
        inputs, outputs = (tuple(_grid(pair[side]) for pair in pairs) for side in ("input", "output"))
        program, count, seed = Program.parse(line["program"]), int(line["k"]), int(line["seed"])
        return Task(str(line["id"]), program, count, inputs, outputs, seed, str(line["split"]))
    except (KeyError, TypeError) as error:
        raise ValueError(f"no task: {type(error).__name__} {error}") from None


def _grid(rows: Any) -> Grid:
    grid = np.array(rows)
    if grid.ndim != 2 or not grid.size or grid.dtype.kind not in "iu" or grid.min() < 0 or grid.max() > 9:
        raise ValueError("a grid must be rows of equal lengths, of whole numbers 0 to 9")
    return grid.astype(np.uint8)
