"""Which programs of at most two steps explain some demonstrations: exact over the space, without trying each of them.

A program explains demonstrations if, in each of them, it turns the input into the output, each of its steps changes the
picture, and no object of the result is hidden wholly. The search goes through the first steps on one demonstration. An
object that then has a cell on the background of the output, or a colour that the output lacks, must be changed by the
second step: most second steps are ruled out by that, and only the others are tried.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce
from itertools import product
from typing import NamedTuple

from arcvae.grid.operations.drawings import Size
from arcvae.grid.operations.program import Program, Step
from arcvae.grid.tasks.board import EVERYTHING, NOTHING, Board, Demonstration, Hope
from arcvae.grid.tasks.scenes import (
    Planes,
    Scene,
    chosen,
    paint,
    perform,
)
from arcvae.grid.tasks.space import CHOICES, STEPS, Choice, step_on


class Explanation(NamedTuple):
    """A program that explains all demonstrations, and what it makes of the test input."""

    program: Program
    answer: Planes


def explanations(
    demonstrations: Sequence[Demonstration], test: Scene, size: Size, limit: int | None = None
) -> Iterator[Explanation]:
    """The programs that explain some demonstrations, those of one step first.

    Of several programs that take the same objects in all demonstrations and in the test, one is enough.

    Args:
        demonstrations: One at least.
        test: Objects of the test input.
        size: Height and width of all grids.
        limit: Most first steps, of those that differ on one demonstration, that are followed by second ones; None: all.
    """
    base = min(demonstrations, key=lambda shown: sum(plane.bit_count() for plane in shown.wanted))
    shown = [base, *(other for other in demonstrations if other is not base)]
    starts = [*(demonstration.scene for demonstration in shown), test]
    boards = [Board(demonstration, size) for demonstration in shown]
    board = boards[0]
    choices = list(_by_taken(_distinct(CHOICES, starts, size)).values())
    hopes = [reduce(Hope.either, (_hope(boards, which) for _, which in taken), NOTHING) for taken in choices]
    firsts = []
    for index, (step, (taken, hope)) in enumerate(product(STEPS, zip(choices, hopes, strict=True))):
        scene, state = board.first(step, taken[0][1][0]) if any(hope) else (base.scene, board.start_state)
        if scene == base.scene:
            continue
        if limit is None or index < limit:
            firsts.append((step, scene, state, hope, taken))
        if not state.wrong and paint(scene, size)[0] == base.wanted:
            for choice, which in taken:
                if _explains(step, starts, which, shown, size):
                    answer = paint(perform(step, test, which[-1], size), size)[0]
                    yield Explanation(Program([step_on(step, choice)]), answer)
    for step, scene, state, hope, taken in firsts:
        for second, now in board.seconds(scene, state, hope):
            for choice, which in taken:
                middles = [perform(step, start, w, size) for start, w in zip(starts, which, strict=True)]
                if not _changes(starts[:-1], middles[:-1], size):
                    continue
                seconds = [other for other in CHOICES if chosen(other, scene, size) == now]
                for other, whichever in _distinct(seconds, middles, size):
                    if _explains(second, middles, whichever, shown, size):
                        program = Program([step_on(step, choice), step_on(second, other)])
                        yield Explanation(program, paint(perform(second, middles[-1], whichever[-1], size), size)[0])


def _hope(boards: Sequence[Board], which: Sequence[int]) -> Hope:
    """What one step could do about what a first one leaves in each demonstration."""
    found = EVERYTHING
    for board, taken in zip(boards, which, strict=False):
        if any(found):
            found = found.both(board.hope(taken))
    return found


def _changes(before: Sequence[Scene], after: Sequence[Scene], size: Size) -> bool:
    """Whether each of some pictures has changed."""
    return all(paint(a, size)[0] != paint(b, size)[0] for a, b in zip(before, after, strict=True))


def _explains(
    step: Step, scenes: Sequence[Scene], which: Sequence[int], shown: Sequence[Demonstration], size: Size
) -> bool:
    """Whether a last step turns some scenes into the outputs, changes each, and hides no object wholly."""
    for scene, taken, demonstration in zip(scenes, which, shown, strict=False):
        picture, seen = paint(perform(step, scene, taken, size), size)
        if not seen or picture != demonstration.wanted or picture == paint(scene, size)[0]:
            return False
    return True


def _distinct(choices: Sequence[Choice], scenes: Sequence[Scene], size: Size) -> list[tuple[Choice, tuple[int, ...]]]:
    """Choices that differ in what they take of some scene, with what they take of each; all take something of all but
    the last, which is the test."""
    found: dict[tuple[int, ...], Choice] = {}
    for choice in choices:
        which = tuple(chosen(choice, scene, size) for scene in scenes)
        if all(which[:-1]):
            found.setdefault(which, choice)
    return [(choice, which) for which, choice in found.items()]


def _by_taken(choices: list[tuple[Choice, tuple[int, ...]]]) -> dict[int, list[tuple[Choice, tuple[int, ...]]]]:
    """Choices by what they take of the first scene."""
    found: dict[int, list[tuple[Choice, tuple[int, ...]]]] = {}
    for choice, which in choices:
        found.setdefault(which[0], []).append((choice, which))
    return found
