"""The programs of the benchmark: each operation with several arguments, and chains of them drawn at random."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from arcvae.errors import DataError
from arcvae.grid.operations.drawings import Drawing, Size, draw, hidden
from arcvae.grid.operations.pixels import apply
from arcvae.grid.operations.program import OPERATIONS, Program

_ARGUMENTS: Final[Mapping[str, Sequence[str]]] = {
    "translate": ("dy=1", "dy=-1", "dx=1", "dy=2, dx=-1", "dy=3"),
    "rotate": ("90", "180", "90, about='object'"),
    "scale": ("2", "2, objects=smallest", "0.5"),
    "reflect_x": ("", "about='object'"),
    "reflect_y": ("",),
    "recolor": ("3", "4, objects=largest"),
    "connect": ("", "color=5"),
    "group": ("", "by=2"),
    "separate": ("",),
    "union": ("align=True", ""),
    "intersection": ("align=True",),
    "difference": ("align=True",),
    "duplicate": ("dy=5, dx=4", "dx=6, objects=largest"),
    "repeat": ("2, dx=4, objects=largest", "3, dy=3, objects=smallest"),
    "symmetrize": ("", "axis='x'", "about='grid'"),
    "tile": ("columns=1, objects=largest", "objects=smallest"),
}
"""Arguments of each operation."""
SINGLE: Final = tuple(Program.parse(f"{name}({arguments})") for name in OPERATIONS for arguments in _ARGUMENTS[name])
"""Each operation with each of its arguments."""
REPEATED: Final = Program.parse("translate(dy=1) | translate(dy=1) | translate(dy=1)")
"""A size reached in steps: what trained operators make of one that they have not been trained on."""
EXACT: Final = (
    *("translate", "rotate", "reflect_x", "reflect_y", "recolor"),
    *("group", "separate", "duplicate", "repeat", "tile"),
)
"""Operations that touch place, colour and number, or permute the numbers of a shape: on codes, nothing is learned."""
DEPTHS: Final = (1, 2, 3, 4, 5)
"""Numbers of steps of chains."""

_OF_SEVERAL: Final = ("connect", "group", "separate", "union", "intersection", "difference")
_TRIED: Final = 16
"""Scenes that a chain is tried on before it is taken."""
_GOOD: Final = 5
"""How many of them must come out changed, not empty, and with all cells of all objects seen."""
_MOST: Final = 16
"""Most objects of a scene on the way."""
_ATTEMPTS: Final = 20_000


def operations_of(program: Program) -> list[str]:
    """Names of the operations of a program, in their order."""
    return [step.name for step in program.steps]


def least_objects(program: Program) -> int:
    """Fewest objects of a grid on which each step of a program can have an effect: 1 or 2."""
    return 2 if any(name in _OF_SEVERAL for name in operations_of(program)) else 1


def chains(
    depth: int, count: int, scenes: Sequence[Sequence[Drawing]], size: Size, seed: int, *, exact: bool = False
) -> list[Program]:
    """Programs of several steps, drawn at random: an operation uniformly, then one of its arguments uniformly.

    A chain is drawn again if it says little: unless on a third of some scenes the result is not empty, differs from
    the source, and shows all cells of all objects. No scene may come to hold more than 16 objects.

    Args:
        depth: Steps, >= 1.
        count: Chains.
        scenes: The objects of each grid; the first with at least two objects are tried.
        size: Height and width of the grids.
        seed: The same seed draws the same chains.
        exact: Only operations of :data:`EXACT`.

    Raises:
        DataError: No such chain was found: empty scenes, or such that every change leaves the grid.
    """
    rng = np.random.default_rng([seed, depth, exact])
    names = EXACT if exact else tuple(OPERATIONS)
    trials = [scene for scene in scenes if len(scene) > 1][:_TRIED] or list(scenes[:_TRIED])
    found: list[Program] = []
    for _ in range(_ATTEMPTS):
        if len(found) == count:
            return found
        drawn = [names[index] for index in rng.integers(len(names), size=depth).tolist()]
        program = Program.parse(" | ".join(f"{name}({rng.choice(_ARGUMENTS[name])})" for name in drawn))
        if _says_something(program, trials, size):
            found.append(program)
    raise DataError(f"no {count} chains of depth {depth} change these grids without hiding cells; take larger grids")


def _says_something(program: Program, scenes: Sequence[Sequence[Drawing]], size: Size) -> bool:
    good, needed = 0, -(-len(scenes) * _GOOD // _TRIED)
    for tried, scene in enumerate(scenes):
        if good + len(scenes) - tried < needed:
            return False
        after = list(scene)
        for step in program.steps:
            after = apply(Program([step]), after, size)
            if len(after) > _MOST:
                return False
        seen = bool(after) and not hidden(after, size)
        good += seen and not np.array_equal(draw(after, size), draw(scene, size))
    return good >= needed
