"""Seeds of steps: none twice, and all that a step draws from."""

from __future__ import annotations

import numpy as np
import torch

from arcvae.training.seeding import STREAMS, derive_seed, seed_step


def test_seeds_of_streams_and_steps_do_not_collide() -> None:
    seeds = {derive_seed(seed, stream, i) for seed in (0, 1, 2**32 - 1) for stream in STREAMS for i in range(500)}
    assert len(seeds) == 3 * len(STREAMS) * 500
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_seeds_are_those_of_numpy_and_stay_the_same() -> None:
    words = np.random.SeedSequence([7, STREAMS.index("noise"), 3]).generate_state(2, np.uint32)
    assert derive_seed(7, "noise", 3) == (int(words[0]) + (int(words[1]) << 32)) >> 1
    assert STREAMS.index("order") == 0  # a stream that is moved would change every run of before
    assert derive_seed(0, "order", 0) == 7896617691693857887


def test_step_draws_the_same_again() -> None:
    def draws() -> list[float]:
        seed_step(derive_seed(0, "noise", 4), torch.device("cpu"))
        return [*torch.rand(3).tolist(), torch.randn(()).item()]

    first = draws()
    torch.rand(10)
    assert draws() == first
