"""Settings of the commands themselves, whatever the task."""

from __future__ import annotations

from typing import Final

from arcvae.io.settings import Choice, Flag, ListOf, Number, OneOf, Settings, Text
from arcvae.training.settings import SEED

_NUMBER = Number(-1e9, 1e9)

SETTINGS: Final = Settings(
    rules={
        # corpus
        "source": Text(optional=True),
        "out": Text(optional=True),
        "overwrite": Flag(),
        "writer.seed": SEED,
        "writer.path": Text(optional=True),
        "writer.folder": Text(),
        # evaluate
        "split": Choice(("train", "val", "test")),
        "limit": Number(1, 1e8, integer=True),
        # sample
        "num_samples": Number(1, 1e6, integer=True),
        "decision": Choice(("argmax", "adjusted"), former={"corrected": "adjusted"}),
        # compare
        "runs": ListOf(Text()),
        "seeds": ListOf(SEED, shortest=1),
        "overrides": ListOf(Text()),
        "study.variants.*": ListOf(Text()),
        "study.overrides": ListOf(Text()),
        "study.columns": ListOf(Text(), shortest=1),
        "study.rank": ListOf(Text(), shortest=1),
        "study.curves.*": Text(),
        "study.planes.*": ListOf(Text(), shortest=2),
        "study.samples": Number(1, 1e6, integer=True),
        "study.goals.reference": Text(),
        "study.goals.better": ListOf(Text()),
        "study.goals.above.*": OneOf((_NUMBER, ListOf(_NUMBER, shortest=1))),
    },
)
"""What the commands beside ``train`` ask for."""
