"""Making tasks: drafts are drawn, asked of codes all at once, and judged; what is refused is drawn again and counted.

Each task has a random generator of its own, of the seed, its depth, its number of objects and its number among those
of as many, so that what it becomes does not depend on how many others there are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from arcvae.grid.codec import Codec
from arcvae.grid.operations.drawings import draw
from arcvae.grid.tasks.agreement import outputs_on_codes
from arcvae.grid.tasks.board import Demonstration
from arcvae.grid.tasks.drafts import Draft, Part, add_inputs, draw_program, run
from arcvae.grid.tasks.inputs import Pool
from arcvae.grid.tasks.scenes import Scene, drawing_of, paint
from arcvae.grid.tasks.search import explanations
from arcvae.grid.tasks.task import Task, replay

Grids = NDArray[np.uint8]

_SPARE: Final = 0.5
"""Pairs that are drawn beyond those that are wanted, as a share of these: codes and pixels may differ on some."""
_ROUNDS: Final = 3
"""A draft is given up if it is not complete after as many rounds of inputs, or not to the same share before."""


class Place(NamedTuple):
    """Which task is to be made.

    Args:
        depth: Steps of its program, n.
        objects: Objects of an input, k.
        number: Its number among the tasks of the same n and k.
        attempt: How often it has been a duplicate of another task.
    """

    depth: int
    objects: int
    number: int
    attempt: int = 0

    @property
    def id(self) -> str:
        """Name of the task."""
        return f"n{self.depth}k{self.objects}-{self.number:04d}"

    def again(self) -> Place:
        """The same place, for another task."""
        return self._replace(attempt=self.attempt + 1)


def places(count: int, max_depth: int, max_objects: int) -> list[Place]:
    """The tasks of a set: as many of each depth and number of objects, or one more of the first ones.

    Example:
        >>> [place.id for place in places(3, 1, 2)]
        ['n1k1-0000', 'n1k2-0000', 'n1k1-0001']
    """
    cells = [(depth, objects) for depth in range(1, max_depth + 1) for objects in range(1, max_objects + 1)]
    return [Place(*cells[index % len(cells)], index // len(cells)) for index in range(count)]


@dataclass(frozen=True)
class Maker:
    """What makes tasks.

    Args:
        codec: Of a model of objects.
        pool: What inputs are made of.
        seed: The same seed makes the same tasks.
        demonstrations: Fewest and most pairs to show, beside that of the test.
    """

    codec: Codec
    pool: Pool
    seed: int
    demonstrations: tuple[int, int] = (2, 5)

    def make(
        self, wanted: Sequence[Place], reasons: Counter[str], report: Callable[[int], object] = lambda done: None
    ) -> list[Task]:
        """Tasks for some places, in their order.

        Args:
            wanted: Which.
            reasons: Counts what was refused, by reason, and ``pairs``: those that codes and pixels were compared on.
            report: Called with the number of tasks that have been finished since the last call.
        """
        rngs = {place: np.random.default_rng([self.seed, *place]) for place in wanted}
        open_drafts: dict[Place, Draft | None] = dict.fromkeys(wanted)
        made: dict[Place, Task] = {}
        while open_drafts:
            for place, draft in open_drafts.items():
                open_drafts[place] = self._prepared(place, draft, rngs[place], reasons)
            self._compare([draft for draft in open_drafts.values() if draft], reasons)
            for place, draft in list(open_drafts.items()):
                if draft is None or draft.agreed < draft.wanted:
                    continue
                task = self._task(place, draft)
                if problem := task_problem(draft.parts, draft.inputs[: draft.wanted], task, self.pool):
                    reasons[problem] += 1
                    open_drafts[place] = None
                else:
                    made[place] = task
                    del open_drafts[place]
                    report(1)
        return [made[place] for place in wanted]

    def _prepared(self, place: Place, draft: Draft | None, rng: np.random.Generator, reasons: Counter[str]) -> Draft:
        """A draft with inputs to ask codes about: the one there is, or a new one."""
        while True:
            if draft is not None and draft.agreed * _ROUNDS < draft.wanted * draft.rounds:
                reasons["a program on which codes and pixels mostly differ"] += 1
                draft = None
            if draft is None:
                fewest, most = self.demonstrations
                parts = draw_program(rng, self.pool, place.depth, place.objects)
                draft = Draft(parts, int(rng.integers(fewest, most + 1)))
            missing = draft.wanted - draft.agreed
            more = missing + round(_SPARE * missing + 0.5) * (1 + draft.rounds)
            draft.rounds += 1
            if add_inputs(draft, rng, self.pool, place.objects, more, reasons):
                return draft
            reasons["a program that suits few inputs"] += 1
            draft = None

    def _compare(self, drafts: Sequence[Draft], reasons: Counter[str]) -> None:
        """Ask codes about the new inputs of drafts; those on which they agree with pixels stay."""
        asked = [(draft, scene) for draft in drafts for scene in draft.inputs[draft.agreed :]]
        if not asked:
            return
        inputs = np.stack([grid_of(scene, self.pool) for _, scene in asked])
        found, done = outputs_on_codes(self.codec, [draft.parts for draft, _ in asked], inputs)
        for draft in drafts:
            del draft.inputs[draft.agreed :]
        for (draft, scene), given, answer, could in zip(asked, inputs, found, done, strict=True):
            reasons["pairs"] += 1
            if could and np.array_equal(answer, replay(draft.program, given)):
                draft.inputs.append(scene)
                draft.grids.append((given, answer))
            else:
                reasons["a pair on which codes and pixels differ"] += 1

    def _task(self, place: Place, draft: Draft) -> Task:
        inputs, outputs = zip(*draft.grids[: draft.wanted], strict=True)
        return Task(place.id, draft.program, place.objects, inputs, outputs, self.seed)


def grid_of(scene: Scene, pool: Pool) -> Grids:
    """The grid ``(H, W)`` that shows a scene."""
    return draw(map(drawing_of, scene), pool.size)


def task_problem(parts: Sequence[Part], scenes: Sequence[Scene], task: Task, pool: Pool) -> str | None:
    """Why pairs that suit a program are no good task together; None if they are.

    Args:
        parts: The program.
        scenes: Its inputs, that of the test last.
        task: The same as grids.
        pool: Knows the size of the grids.
    """
    *shown, asked = (output.tobytes() for output in task.outputs)
    if asked in shown:
        return "a test whose output is shown"
    if len({given.tobytes() for given in task.inputs}) < len(task.inputs):
        return "an input twice"
    wanted = [paint(run(tuple(parts), scene, pool)[-1], pool.size)[0] for scene in scenes]
    for index in range(len(parts)) if len(parts) > 1 else ():
        rest = (*parts[:index], *parts[index + 1 :])
        if all(
            paint(run(rest, scene, pool)[-1], pool.size)[0] == picture
            for scene, picture in zip(scenes, wanted, strict=True)
        ):
            return "a step that changes no output"
    demonstrations = [Demonstration(scene, picture) for scene, picture in zip(scenes[:-1], wanted, strict=False)]
    shorter = False
    for program, answer in explanations(demonstrations, scenes[-1], pool.size):
        if answer != wanted[-1]:
            return "an ambiguous task"
        shorter = shorter or len(program) < len(parts)
    return "a shorter program says the same" if shorter else None
