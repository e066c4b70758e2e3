"""Latent codes for symbolic grids, learned from classes of wildly different frequency; see README.md.

``arcvae.load(path)`` opens a trained model to compute with; it needs neither Lightning nor Hydra.
``arcvae.train_model(overrides)`` trains one as ``python -m arcvae.train`` does.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from arcvae.app.from_python import train_model as train_model
    from arcvae.app.loading import load as load

__version__: Final = "0.2.0"

__all__ = ["__version__", "load", "train_model"]

# The threads of torch wait for each other hundreds of times a step. By default they spin meanwhile, even where another
# program could use the processor that they wait for: beside one such program, steps of small dense layers took five
# times as long as with 10,000 turns, which are as fast on a free machine, and those of the reference model 1.2 times.
# The library of threads reads this when torch is imported; what the user has set is left alone.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")


def __getattr__(name: str) -> Any:
    # torch takes seconds to import, and a command with a typing error should not.
    if name == "load":
        from arcvae.app.loading import load

        return load
    if name == "train_model":
        from arcvae.app.from_python import train_model

        return train_model
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
