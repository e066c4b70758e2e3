"""The search finds what trying every program finds, and nothing else."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from arcvae.grid.operations.drawings import draw
from arcvae.grid.operations.pixels import apply
from arcvae.grid.operations.program import Program
from arcvae.grid.tasks.board import Demonstration
from arcvae.grid.tasks.inputs import Pool
from arcvae.grid.tasks.scenes import Planes, Scene, chosen, drawing_of, paint, perform, planes_of
from arcvae.grid.tasks.search import explanations
from arcvae.grid.tasks.space import CATEGORY, CHOICES, STEPS, step_on
from tests.grid.tasks.conftest import SIZE

Parts = list[tuple[int, int]]


def run(parts: Parts, scene: Scene) -> list[Scene]:
    scenes = [scene]
    for step, choice in parts:
        scenes.append(perform(STEPS[step], scenes[-1], chosen(CHOICES[choice], scenes[-1], SIZE), SIZE))
    return scenes


def suits(scenes: list[Scene]) -> bool:
    """Whether every step changes the picture, and every object of the last scene is seen."""
    pictures = [paint(scene, SIZE) for scene in scenes]
    return pictures[-1][1] and all(a[0] != b[0] for a, b in pairwise(pictures))


def example(pool: Pool, parts: Parts, count: int, seed: int) -> tuple[list[Demonstration], Scene] | None:
    """Two demonstrations of a program, and a test input."""
    rng = np.random.default_rng(seed)
    found: list[list[Scene]] = []
    for _ in range(60):
        scene = pool.draw(rng, count)
        if scene and suits(scenes := run(parts, scene)):
            found.append(scenes)
        if len(found) == 3:
            shown = [Demonstration(scenes[0], paint(scenes[-1], SIZE)[0]) for scenes in found[:2]]
            return shown, found[2][0]
    return None


def by_trying_all(shown: list[Demonstration], test: Scene) -> set[tuple[int, Planes]]:
    """Length and answer of every program of the space that explains some demonstrations."""
    starts = (*(demonstration.scene for demonstration in shown), test)
    singles = [(step, choice) for step in range(len(STEPS)) for choice in range(len(CHOICES))]
    found, middles = set(), {}
    for single in singles:
        ends = [run([single], start) for start in starts]
        if all(paint(scenes[0], SIZE)[0] != paint(scenes[1], SIZE)[0] for scenes in ends[:-1]):
            middles[tuple(scenes[1] for scenes in ends)] = single
            if all(suits(s) and paint(s[1], SIZE)[0] == d.wanted for s, d in zip(ends, shown, strict=False)):
                found.add((1, paint(ends[-1][1], SIZE)[0]))
    for middle in middles:
        tried = set()
        for step, choice in singles:
            which = tuple(chosen(CHOICES[choice], scene, SIZE) for scene in middle)
            if (step, which) in tried:
                continue
            tried.add((step, which))
            for index, scene in enumerate(middle):
                end = perform(STEPS[step], scene, which[index], SIZE)
                picture, seen = paint(end, SIZE)
                if index == len(shown):
                    found.add((2, picture))
                elif picture != shown[index].wanted or not seen or picture == paint(scene, SIZE)[0]:
                    break
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("count", "seed"),
    [(1, 0), (1, 1), *(pytest.param(k, s, marks=pytest.mark.slow) for k, s in [(1, 2), (2, 3), (2, 4)])],
)
def test_search_finds_what_trying_all_programs_finds(pool: Pool, count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    tested = 0
    while tested < 2:
        parts = [(int(rng.integers(len(STEPS))), int(rng.integers(len(CHOICES)))) for _ in range(1 + tested)]
        task = example(pool, parts, count, seed)
        if task is None:
            continue
        tested += 1
        found = {(len(program), answer) for program, answer in explanations(*task, SIZE)}
        assert found == by_trying_all(*task)
        assert found


@pytest.mark.parametrize("count", [2, 3, 5])
def test_programs_of_two_steps_are_found_and_explain_in_pixels(pool: Pool, count: int) -> None:
    rng = np.random.default_rng(count)
    tested = 0
    while tested < 6:
        parts = [(int(rng.integers(len(STEPS))), int(rng.integers(len(CHOICES)))) for _ in range(2)]
        task = example(pool, parts, count, int(rng.integers(1000)))
        if task is None:
            continue
        tested += 1
        found = list(explanations(*task, SIZE))
        assert paint(run(parts, task[1])[-1], SIZE)[0] in {answer for _, answer in found}, parts
        for program, answer in found:
            for scene, wanted in [*((d.scene, d.wanted) for d in task[0]), (task[1], answer)]:
                picture = draw(apply(program, [drawing_of(thing) for thing in scene], SIZE), SIZE)
                assert planes_of(picture) == wanted


@pytest.mark.parametrize("name", CATEGORY)
def test_what_the_first_step_leaves_rules_out_no_kind_of_second_step(pool: Pool, name: str) -> None:
    rng = np.random.default_rng(list(CATEGORY).index(name))
    seconds = [index for index, step in enumerate(STEPS) if step.name == name]
    tested = 0
    for _ in range(400):
        # The first step takes some objects; the second finds the others as they are in the input.
        first = int(rng.integers(len(STEPS))), int(rng.integers(1, len(CHOICES)))
        parts = [first, (seconds[rng.integers(len(seconds))], 0)]
        task = example(pool, parts, 5, int(rng.integers(1000)))
        if task is not None:
            assert paint(run(parts, task[1])[-1], SIZE)[0] in {answer for _, answer in explanations(*task, SIZE)}, parts
            tested += 1
        if tested == 5:
            break
    assert tested


def test_a_limit_follows_fewer_first_steps(pool: Pool) -> None:
    move, turn = STEPS.index(Program.parse("translate(dx=1)").steps[0]), len(STEPS) - 1
    task = example(pool, [(move, 0), (turn, 0)], 2, seed=0)
    assert task is not None
    everything = [str(program) for program, _ in explanations(*task, SIZE)]
    assert str(Program([step_on(STEPS[move], None), step_on(STEPS[turn], None)])) in everything
    assert list(explanations(*task, SIZE, limit=0)) == []
