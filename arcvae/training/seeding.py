"""Seeds for every step of a run, derived from one seed, so that a resumed run draws what an uninterrupted one does."""

from __future__ import annotations

from typing import Final

import numpy as np
import torch

STREAMS: Final = ("order", "augmentation", "noise", "generator")


def derive_seed(seed: int, stream: str, index: int) -> int:
    """A 63-bit seed for one step or epoch of one stream; streams and indices do not collide.

    Args:
        seed: The run's seed, 0 <= seed < 2^32.
        stream: One of ``STREAMS``.
        index: Step or epoch, >= 0.

    Example:
        >>> derive_seed(0, "order", 1) == derive_seed(0, "order", 1) != derive_seed(0, "noise", 1)
        True
    """
    words = np.random.SeedSequence([seed, STREAMS.index(stream), index]).generate_state(1, np.uint64)
    return int(words[0]) >> 1


def seed_step(seed: int, device: torch.device) -> None:
    """Seed the generators that a training step draws from: that of the CPU and that of the device.

    ``torch.manual_seed`` also prepares the seeds of devices that are absent, and is much slower.
    """
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)
    elif device.type == "mps":
        torch.mps.manual_seed(seed)
