"""Settings of the commands themselves, whatever the task."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from arcvae.io.settings import Choice, Flag, Inside, ListOf, Number, OneOf, Rule, Settings, Text, value_at
from arcvae.training.settings import SEED

_NUMBER = Number(-1e9, 1e9)


@dataclass(frozen=True)
class NewestRuns(Rule):
    """The newest finished runs, by their number: ``last:5``."""

    def problem(self, value: Any) -> str | None:
        known = isinstance(value, str) and re.fullmatch(r"last:[1-9][0-9]{0,3}", value)
        return None if known else "must be last: and a number, such as last:5"


def check_samples(config: Mapping[str, Any]) -> list[str]:
    """A study that draws samples has to say from which priors."""
    study = config.get("study")
    if isinstance(study, Mapping) and study.get("samples") and not study.get("priors"):
        return ["study.samples needs study.priors: which options of `prior` the samples are drawn with"]
    return []


def check_pictures(config: Mapping[str, Any]) -> list[str]:
    """The pictures of a study are files in its folder."""
    planes = value_at(config, "study.planes")
    names = planes if isinstance(planes, Mapping) else ()
    return [f"study.planes.{name}: the name {problem}" for name in names if (problem := Inside().problem(name))]


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
        # predict
        "top": Number(1, 1000, integer=True),
        "overlap": Number(0, 0.95),
        # tasks
        "corpus": Text(optional=True),
        "prior_path": Text(optional=True),
        "replay": Text(optional=True),
        "workers": Number(1, 64, integer=True),
        # runs
        "prune": Flag(),
        # compare
        "runs": OneOf((ListOf(Text()), NewestRuns())),
        "seeds": ListOf(SEED, shortest=1),
        "overrides": ListOf(Text()),
        "study.variants.*": ListOf(Text()),
        "study.overrides": ListOf(Text()),
        "study.columns": ListOf(Text(), shortest=1),
        "study.rank": ListOf(Text(), shortest=1),
        "study.curves.*": Text(),
        "study.planes.*": ListOf(Text(), shortest=2),
        "study.samples": Number(1, 1e6, integer=True),
        "study.priors": ListOf(Text(), shortest=1),
        "study.goals.reference": Text(),
        "study.goals.better": ListOf(Text()),
        "study.goals.above.*": OneOf((_NUMBER, ListOf(_NUMBER, shortest=1))),
    },
    checks=(check_samples, check_pictures),
)
"""What the commands beside ``train`` ask for."""
