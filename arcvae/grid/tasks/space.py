"""The steps that programs of tasks are made of: a finite list, so that one can search it.

A step is one of :data:`STEPS`, on the objects that one of :data:`CHOICES` chooses. A program is from the space if all
its steps are. Moves are short, so that objects stay on a grid of 16 x 16.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Final

from arcvae.grid.operations.program import Step
from arcvae.grid.operations.selection import Selector, largest, of_color, smallest, touching_border

Choice = None | int | Selector

CATEGORIES: Final[dict[str, tuple[str, ...]]] = {
    "geometric": ("translate", "rotate", "scale", "reflect_x", "reflect_y"),
    "topological": ("connect", "group", "separate"),
    "sets": ("union", "intersection", "difference", "duplicate"),
    "patterns": ("repeat", "symmetrize", "tile"),
    "colour": ("recolor",),
}
"""Operations by kind."""
CATEGORY: Final = {name: category for category, names in CATEGORIES.items() for name in names}
"""The kind of each operation."""

_AXES: Final = ((0, 1), (0, -1), (1, 0), (-1, 0))
_NONE: Final = range(0)
_DIAGONALS: Final = ((1, 1), (1, -1), (-1, 1), (-1, -1))


def _ways(straight: range, diagonal: range) -> list[dict[str, int]]:
    """Steps down and right: along an axis, and along a diagonal."""
    pairs = [(_AXES, straight), (_DIAGONALS, diagonal)]
    return [{"dy": y * by, "dx": x * by} for axes, lengths in pairs for y, x in axes for by in lengths]


def _all_steps() -> Iterator[Step]:
    yield from (Step("translate", **way) for way in _ways(range(1, 4), range(1, 3)))
    for about in ("grid", "object"):
        yield from (Step("rotate", degrees, about) for degrees in (90, 180, 270))
        yield from (Step(f"reflect_{axis}", about) for axis in "xy")
        yield from (Step("symmetrize", axis, about) for axis in "xy")
    yield from (Step("scale", factor) for factor in (2, 3, 0.5))
    yield from (Step("recolor", color) for color in range(1, 10))
    yield Step("connect")
    yield from (Step(name, by) for name in ("group", "separate") for by in (1, 2))
    yield from (Step(name, align=align) for name in ("union", "intersection", "difference") for align in (False, True))
    yield from (Step("duplicate", **way) for way in _ways(range(4, 8, 2), range(4, 5)))
    yield from (
        Step("repeat", n, **way) for n, by in ((2, 3), (2, 4), (3, 3)) for way in _ways(range(by, by + 1), _NONE)
    )
    yield from (Step("tile", rows, columns) for rows, columns in ((2, 2), (1, 2), (2, 1)))
    yield from (Step("tile", rows, columns, 5, 5) for rows, columns in ((2, 2), (1, 3)))


STEPS: Final = tuple(_all_steps())
"""What a step may do, on all objects."""
SLOTS: Final = 3
"""Slots that a step may name, from the first on."""
CHOICES: Final[tuple[Choice, ...]] = (
    None, largest, smallest, touching_border, *range(SLOTS), *(of_color(color) for color in range(1, 10)),
)  # fmt: skip
"""What a step may take: everything; the largest or smallest object; those at the border; that of a slot; a colour."""


@cache
def step_on(step: Step, choice: Choice) -> Step:
    """A step of :data:`STEPS` on the objects of a choice.

    Example:
        >>> step_on(STEPS[0], 2)
        translate(dx=1, objects=2)
    """
    return step if choice is None else Step(step.name, **dict(step.arguments), objects=choice)
