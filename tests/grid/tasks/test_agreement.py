"""Many programs at once on codes give what each gives alone."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from arcvae.grid.codec import Codec
from arcvae.grid.operations.drawings import draw
from arcvae.grid.tasks import agreement
from arcvae.grid.tasks.agreement import outputs_on_codes
from arcvae.grid.tasks.drafts import Draft, add_inputs, draw_program
from arcvae.grid.tasks.inputs import Pool
from arcvae.grid.tasks.scenes import drawing_of
from tests.grid.tasks.conftest import SIZE
from tests.grid.tasks.test_drafts import parts_of


def test_programs_together_are_programs_alone(codec: Codec, pool: Pool) -> None:
    rng = np.random.default_rng(0)
    drafts = []
    while len(drafts) < 12:
        draft = Draft(draw_program(rng, pool, 1 + len(drafts) % 4, 3), 2)
        if add_inputs(draft, rng, pool, 3, 3, Counter()):
            drafts.append(draft)
    inputs = np.stack([draw(map(drawing_of, scene), SIZE) for draft in drafts for scene in draft.inputs])
    found, done = outputs_on_codes(codec, [draft.parts for draft in drafts for _ in range(3)], inputs)
    assert done.all()
    for index, draft in enumerate(drafts):
        rows = slice(3 * index, 3 * index + 3)
        alone = codec.decode(draft.program(codec.codes(inputs[rows]), max_objects=72))
        assert np.array_equal(found[rows], alone), draft.program


def test_what_has_no_slots_is_not_done_and_spoils_nothing_else(codec: Codec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agreement, "_ROOM", 6)
    grid = np.zeros((2, 16, 16), dtype=np.uint8)
    grid[:, 2:4, 2:4] = 5
    grid[1, 8:10, 2:4] = 6
    many, few = parts_of("tile(2, 2)"), parts_of("tile(2, 2)")
    found, done = outputs_on_codes(codec, [many, few], grid)
    assert done.tolist() == [True, False]
    assert found[1].max() == 0
    assert np.array_equal(found[0], codec.decode(codec.codes(found[:1]))[0])
