"""Learned operators: they recover planted maps, do not look at what is held out, and compose."""

from __future__ import annotations

import numpy as np
import pytest

from arcvae.grid.benchmarks.operators import MeanDifference, Network, Pairs, Ridge, Scale, pairs_of
from arcvae.grid.operations.program import Program

RNG = np.random.default_rng(0)
LENGTH = 6
MAPS = {f"translate(dy={step})": RNG.normal(size=(LENGTH, LENGTH)).astype(np.float32) for step in (1, 2)}
SHIFT = RNG.normal(size=LENGTH).astype(np.float32)


def planted(count: int, noise: float = 0.0) -> Pairs:
    source = (3 * RNG.normal(size=(count, LENGTH)) + 5).astype(np.float32)
    targets = {text: source @ weights + SHIFT for text, weights in MAPS.items()}
    targets = {t: (v + noise * RNG.normal(size=v.shape)).astype(np.float32) for t, v in targets.items()}
    return Pairs(source, targets)


def test_ridge_recovers_a_planted_affine_map_and_composes_it() -> None:
    train, val = planted(400), planted(50)
    ridge = Ridge(train, val, Scale.of(train.source))
    some = planted(20)
    one, two = MAPS.values()
    expected = (some.source @ one + SHIFT) @ two + SHIFT
    program = Program.parse("translate(dy=1) | translate(dy=2)")
    assert np.allclose(ridge(program, some.source), expected, rtol=1e-2, atol=0.05)
    assert max(ridge.errors.values()) < 1e-3


def test_ridge_is_that_of_a_textbook_at_the_penalty_it_chose() -> None:
    train, val = planted(30, noise=5.0), planted(30, noise=5.0)
    scale = Scale.of(train.source)
    ridge = Ridge(train, val, scale)
    for text in MAPS:
        x, y = (scale.down(part).astype(np.float64) for part in (train.source, train.targets[text]))
        x0, y0 = x - x.mean(0), y - y.mean(0)
        errors = {}
        for penalty in (0.1, 1.0, 10.0, 100.0, 1000.0):
            weights = np.linalg.solve(x0.T @ x0 + penalty * np.eye(LENGTH), x0.T @ y0)
            predicted = (scale.down(val.source) - x.mean(0)) @ weights + y.mean(0)
            errors[penalty] = float(np.square(predicted - scale.down(val.targets[text])).mean())
        best = min(errors, key=lambda penalty: errors[penalty])
        assert ridge.penalties[text] == best
        assert ridge.errors[text] == pytest.approx(errors[best], rel=1e-5)


def test_mean_difference_moves_by_the_mean() -> None:
    train = planted(50)
    moved = MeanDifference(train)(Program.parse("translate(dy=2)"), train.source)
    assert np.allclose((moved - train.source)[0], (train.targets["translate(dy=2)"] - train.source).mean(0), atol=1e-3)
    assert np.allclose(moved.mean(0), train.targets["translate(dy=2)"].mean(0), atol=1e-3)


def test_network_is_told_the_step_and_learns_it() -> None:
    source = (3 * RNG.normal(size=(300, LENGTH)) + 5).astype(np.float32)
    way = 9 * np.eye(LENGTH, dtype=np.float32)[2]
    whole = Pairs(source, {"translate(dy=1)": source + way, "translate(dy=2)": source - way})
    train, val = (pairs_of(whole.source, whole.targets, part) for part in (slice(240), slice(240, None)))
    scale = Scale.of(train.source)
    network = Network(train, val, scale, seconds=60, seed=1)
    still = np.square(way / scale.deviation).mean()  # what doing nothing would miss
    assert network.error < 0.05 * still
    one, two = (network.step(text, val.source) for text in MAPS)
    assert np.allclose((one - two)[:, 2], 18, atol=4)
    missed = [scale.down(a) - scale.down(val.targets[t]) for a, t in zip((one, two), MAPS, strict=True)]
    assert np.square(missed).mean() == pytest.approx(network.error, rel=1e-3)  # the weights of the best epoch


def test_network_without_time_does_nothing() -> None:
    train = planted(20)
    network = Network(train, planted(5), Scale.of(train.source), seconds=0, seed=1)
    assert network.epochs == 0
    assert np.allclose(network.step("translate(dy=1)", train.source), train.source, atol=1e-4)


def test_scale_goes_back_and_forth_and_keeps_numbers_that_do_not_vary() -> None:
    latents = np.array([[1, 7], [3, 7]], dtype=np.float32)
    scale = Scale.of(latents)
    assert scale.down(latents).tolist() == [[-1, 0], [1, 0]]
    assert np.array_equal(scale.up(scale.down(latents)), latents)


def test_pairs_are_cut_together() -> None:
    train = planted(8)
    part = pairs_of(train.source, train.targets, slice(6, None))
    assert len(part.source) == 2
    assert np.array_equal(part.targets["translate(dy=1)"], train.targets["translate(dy=1)"][6:])
