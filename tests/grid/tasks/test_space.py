"""The space is finite, has every operation, and says each step once."""

from __future__ import annotations

from arcvae.grid.operations.program import OPERATIONS, Program
from arcvae.grid.tasks.space import CATEGORIES, CATEGORY, CHOICES, STEPS, step_on


def test_every_operation_has_steps_and_a_category() -> None:
    assert {step.name for step in STEPS} == set(OPERATIONS) == set(CATEGORY)
    assert sum(map(len, CATEGORIES.values())) == len(OPERATIONS) == 16
    assert len(set(STEPS)) == len(STEPS) == 86
    assert len(CHOICES) == 16


def test_steps_on_choices_print_and_parse() -> None:
    for step in STEPS[::7]:
        for choice in CHOICES:
            program = Program([step_on(step, choice)])
            assert Program.parse(str(program)) == program
            assert ("objects" in dict(program.steps[0].arguments)) == (choice is not None)
