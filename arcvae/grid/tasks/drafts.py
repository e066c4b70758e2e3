"""Drawing a program and inputs for it, and what is wrong with them: all that can be said without a model.

A program grows step by step on one input, so that each step does something there. Then further inputs are drawn until
enough of them suit it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from arcvae.grid.operations.program import Program, Step
from arcvae.grid.operations.selection import Selector
from arcvae.grid.tasks.inputs import Pool
from arcvae.grid.tasks.scenes import Scene, chosen, paint, perform
from arcvae.grid.tasks.space import CATEGORIES, CHOICES, STEPS, Choice, step_on

Part = tuple[Step, Choice]
"""A step of the space, and what it takes."""

MAX_OBJECTS: Final = 24
"""Most objects on the way of a program."""
_BY_NAME: Final = {
    name: [step for step in STEPS if step.name == name] for names in CATEGORIES.values() for name in names
}
_NAMES: Final = (*_BY_NAME, "intersection", "intersection")
"""Operations to draw from: few objects have cells in common, and most intersections are refused."""
_GROWING: Final = ("scale", "symmetrize", "union", "connect")
_TRIES: Final = 40
"""Steps that are tried before a program is begun anew, and inputs for each pair that is wanted."""
_ALL: Final = 0.5
"""Probability that a step takes all objects where it could take fewer."""


@dataclass
class Draft:
    """A program and the inputs that suit it, on the way to a task."""

    parts: tuple[Part, ...]
    demonstrations: int
    """Pairs to show, beside that of the test."""
    inputs: list[Scene] = field(default_factory=list)
    """Those that suit the program."""
    grids: list[tuple[NDArray[np.uint8], NDArray[np.uint8]]] = field(default_factory=list)
    """Inputs and outputs of the first of them, on which codes and pixels agree; the rest is yet to be asked."""
    rounds: int = 0
    """How often inputs have been added."""

    @property
    def program(self) -> Program:
        """The program itself."""
        return Program([step_on(step, choice) for step, choice in self.parts])

    @property
    def agreed(self) -> int:
        """Inputs that codes and pixels agree on."""
        return len(self.grids)

    @property
    def wanted(self) -> int:
        """Pairs of the task."""
        return self.demonstrations + 1


def draw_program(rng: np.random.Generator, pool: Pool, depth: int, count: int) -> tuple[Part, ...]:
    """A program of so many steps, each of which changes the picture of one input of so many objects at least."""
    while True:
        scene = pool.draw(rng, count)
        parts: list[Part] = []
        while scene is not None and len(parts) < depth:
            found = _next(rng, pool, scene, parts, len(parts) == depth - 1)
            if found is None:
                break
            parts.append(found[0])
            scene = found[1]
        if len(parts) == depth:
            return tuple(parts)


def _next(
    rng: np.random.Generator, pool: Pool, scene: Scene, parts: list[Part], last: bool
) -> tuple[Part, Scene] | None:
    """A further step, and the scene after it."""
    before = paint(scene, pool.size)[0]
    for _ in range(_TRIES):
        name = _NAMES[rng.integers(len(_NAMES))]
        steps = _BY_NAME[name]
        step = steps[rng.integers(len(steps))]
        choice: Choice = None
        if len(scene) > 1 and rng.random() > _ALL:
            choice = CHOICES[1 + rng.integers(len(CHOICES) - 1)]
        if parts and parts[-1][0].name == name:
            continue  # two moves, or two colours, one after the other
        which = chosen(choice, scene, pool.size)
        if not which:
            continue
        after = perform(step, scene, which, pool.size)
        picture, seen = paint(after, pool.size) if 0 < len(after) <= MAX_OBJECTS else (before, False)
        if seen and picture != before and (last or not too_large(step, after, pool)):
            return (step, choice), after
    return None


def add_inputs(
    draft: Draft, rng: np.random.Generator, pool: Pool, count: int, more: int, reasons: Counter[str]
) -> bool:
    """Draw further inputs for a draft; returns whether enough of them suit its program.

    Args:
        draft: Gets the inputs.
        rng: Where chance comes from.
        pool: What inputs are made of.
        count: Objects of an input.
        more: Inputs that are wanted.
        reasons: Counts inputs that do not suit, by what is wrong.
    """
    missing = more
    for _ in range(_TRIES * more):
        colors = [_color(choice) for _, choice in draft.parts if _color(choice) and rng.random() < 0.8]
        scene = pool.draw(rng, count, [color for color in colors if color])
        if scene is None:
            continue
        if problem := pair_problem(draft.parts, scene, pool):
            reasons[problem] += 1
            continue
        draft.inputs.append(scene)
        missing -= 1
        if not missing:
            return True
    return False


def _color(choice: Choice) -> int:
    """The colour that a choice looks for; 0 if it looks for none."""
    return choice.arguments[0] if isinstance(choice, Selector) and choice.arguments else 0


def run(parts: tuple[Part, ...], scene: Scene, pool: Pool) -> list[Scene]:
    """A scene, and what it is after each step."""
    scenes = [scene]
    for step, choice in parts:
        scenes.append(perform(step, scenes[-1], chosen(choice, scenes[-1], pool.size), pool.size))
    return scenes


def too_large(step: Step, scene: Scene, pool: Pool) -> bool:
    """Whether a step has made an object of a scene that no slot of the model can hold."""
    return step.name in _GROWING and not all(map(pool.holds, scene))


def pair_problem(parts: tuple[Part, ...], scene: Scene, pool: Pool) -> str | None:
    """Why an input does not suit a program; None if it does.

    Every step has to change the picture; every object of the output has to show one of its cells at least, or nobody
    could tell what has become of it; the output must not be the input. What codes have no slots for is not asked of
    them: more than :data:`MAX_OBJECTS`, and objects that are too large for a slot in all but the output, where they may
    come in parts.
    """
    start = before = paint(scene, pool.size)[0]
    seen = True
    for index, (step, choice) in enumerate(parts, 1):
        scene = perform(step, scene, chosen(choice, scene, pool.size), pool.size)
        if len(scene) > MAX_OBJECTS:
            return "too many objects"
        if index < len(parts) and too_large(step, scene, pool):
            return "an object that no slot holds"
        picture, seen = paint(scene, pool.size)
        if picture == before:
            return "a step without effect"
        before = picture
    if not scene:
        return "an empty output"
    if not seen:
        return "a hidden object"
    return "identity" if before == start else None
