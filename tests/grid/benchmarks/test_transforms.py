"""The experiment of three transforms: figures of a codec that knows everything, and brute force."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from arcvae.errors import DataError
from arcvae.grid.benchmarks.transforms import (
    TRANSFORMS,
    in_order,
    measure_transforms,
    retrieval,
    separability,
    slot_differences,
    transformed,
    transforms_markdown,
)
from arcvae.grid.codec import Codec
from arcvae.grid.corpus.files import Corpus
from arcvae.grid.models.beta_vae import BetaVAE
from arcvae.grid.operations.drawings import hidden, objects_of
from arcvae.grid.operations.pixels import apply
from tests.grid.operations.scenes import SIZE, knowing, scenes

GRIDS = scenes(120, seed=7, most=2)
CORPUS = Corpus(GRIDS[:30], GRIDS[30:40], GRIDS[40:], Path("scenes.npz"))


def test_only_grids_that_all_transforms_keep_whole_are_taken() -> None:
    source, targets = transformed(CORPUS.test, 12)
    assert len(source) == 12
    assert [len(target) for target in targets] == [12, 12, 12]
    wholes = [
        grid
        for grid in CORPUS.test
        if grid.any() and not any(hidden(apply(program, objects_of(grid), SIZE), SIZE) for program in TRANSFORMS)
    ]
    assert np.array_equal(source, wholes[:12])
    assert np.array_equal(targets[1], np.rot90(source, 1, (1, 2)))
    with pytest.raises(DataError, match="only 0 test grids"):
        transformed(np.zeros((4, 16, 16), dtype=np.uint8), 12)


def test_a_codec_that_knows_every_shape_passes() -> None:
    found = measure_transforms(knowing(GRIDS, *TRANSFORMS), CORPUS, limit=20, pairs=1, seconds=1, seed=0)
    assert found["objects"]
    assert found["visible_sizes"] > 0.6  # by chance .333
    fits = [row["figures"]["operation"] for row in found["rows"][:2]]  # what is scaled may outgrow a slot
    assert all(row["exact"] == 1 and row["hits"] > 0.95 and row["blank"] == 0 for row in fits)
    assert found["rows"][0]["figures"]["nothing"]["exact"] == 0
    text = transforms_markdown({"mine": [found]})
    assert "- mine: **" in text
    assert "`rotate(90)` 1.000, go" in text
    assert "Hits@1 0.050" in text


def test_codes_without_objects_learn_their_operators() -> None:
    found = measure_transforms(
        Codec(BetaVAE(widths=(8, 8, 8), hidden=16)), CORPUS, limit=10, pairs=20, seconds=0.3, seed=0
    )
    assert [set(row["figures"]) for row in found["rows"]] == [{"ridge", "network", "nothing"}] * 3
    assert "**STOP**" in transforms_markdown({"theirs": [found]})


def test_differences_are_those_of_partners() -> None:
    before = np.zeros((1, 3, 5), dtype=np.float32)
    before[0, 0], before[0, 1] = [1, 1, 4, 0.5, 0], [8, 8, 6, 0, 0.5]
    after = np.zeros_like(before)
    after[0, 0], after[0, 1] = before[0, 1] + [2, 0, 0, 0, 0], before[0, 0] + [0, 3, 0, 0, 0]  # the other way round
    found = slot_differences(before, after).reshape(3, 5)
    assert found.tolist() == [[0, 3, 0, 0, 0], [2, 0, 0, 0, 0], [0, 0, 0, 0, 0]]
    after[0, 1] = 0
    assert slot_differences(before, after).reshape(3, 5).tolist() == [[0] * 5, [2, 0, 0, 0, 0], [0] * 5]


def test_order_of_slots_does_not_matter() -> None:
    codes = np.zeros((1, 3, 4), dtype=np.float32)
    codes[0, 0], codes[0, 2] = [5, 1, 2, 0.3], [2, 9, 7, 0.1]
    wider = np.zeros((1, 6, 4), dtype=np.float32)
    wider[0, 1], wider[0, 4] = codes[0, 2], codes[0, 0]
    one, other = in_order(codes.reshape(1, -1), 4), in_order(wider.reshape(1, -1), 4)
    assert one[0].tolist() == pytest.approx([2, 9, 7, 0.1, 5, 1, 2, 0.3, 0, 0, 0, 0])
    assert np.array_equal(one[0], other[0, :12])
    assert retrieval(one, other) == {"hits": 1, "mrr": 1}


def test_retrieval_is_that_of_a_brute_force() -> None:
    rng = np.random.default_rng(0)
    query, keys = rng.normal(size=(40, 3)), rng.normal(size=(40, 3))
    ranks = [
        1 + sum(np.linalg.norm(query[i] - keys[j]) < np.linalg.norm(query[i] - keys[i]) for j in range(40))
        for i in range(40)
    ]
    found = retrieval(query, keys)
    assert found["hits"] == pytest.approx(np.mean([rank == 1 for rank in ranks]))
    assert found["mrr"] == pytest.approx(np.mean([1 / rank for rank in ranks]))
    same = np.ones((4, 2))  # all keys are as near: one of four by chance
    assert retrieval(same, same)["hits"] == 0.25


def test_separability_is_one_for_what_differs_and_chance_for_noise() -> None:
    rng = np.random.default_rng(0)
    noise = [rng.normal(size=(200, 3)) for _ in range(3)]
    assert separability(noise, seed=0) < 0.5
    assert separability([part + 9 * index for index, part in enumerate(noise)], seed=0) == 1


def test_blank_grids_and_wrong_colours_hold_up() -> None:
    figures = {"exact": 0.9, "hits": 1.0, "mrr": 1.0, "blank": 0.0, "wrong_color": 0.0}
    run: dict[str, Any] = {"pairs": 500, "visible": 1.0, "visible_sizes": 1.0}
    said = []
    for change in ({}, {"blank": 0.1}, {"wrong_color": 0.1}, {"exact": 0.75}, {"exact": 0.75, "blank": 0.1}):
        rows = [{"program": "rotate(90)", "figures": {"operation": figures | change, "nothing": figures}}]
        said.append(transforms_markdown({"mine": [run | {"rows": rows}]}).split("- mine: **")[1].split("**")[0])
    assert said == ["GO", "ITERATE", "ITERATE", "ITERATE", "ITERATE"]
