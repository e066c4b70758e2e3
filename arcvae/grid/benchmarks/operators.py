"""Operations on codes that are learned from pairs: the mean difference, ridge regression, and a small network.

They are what codes without objects can do, and controls beside operations on codes of objects. All work on the latents
of a model, the numbers in which its decoder is smooth, scaled to mean 0 and variance 1 over the train split; a step of
a program is one operator, so that programs of several steps are compositions that were not trained.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from arcvae.grid.operations.program import Program

log = logging.getLogger(__name__)

Latents = NDArray[np.float32]

PENALTIES: Final = (0.1, 1.0, 10.0, 100.0, 1000.0)
"""Penalties of ridge regression that validation chooses from, for each operation."""
_WIDTH: Final = 512
_BATCH: Final = 256
_EPOCHS: Final = 60
_LR: Final = 1e-3
_SMALLEST_DEVIATION: Final = 1e-4


@dataclass(frozen=True)
class Pairs:
    """Latents of grids, and of what each of several steps makes of the same grids.

    Attributes:
        source: ``(P, L)``.
        targets: By the text of the step, ``(P, L)`` each.
    """

    source: Latents
    targets: Mapping[str, Latents]


@dataclass(frozen=True)
class Scale:
    """Mean and standard deviation of latents, ``(L,)`` each."""

    mean: Latents
    deviation: Latents

    @classmethod
    def of(cls, latents: Latents) -> Scale:
        """Those of latents ``(P, L)``; numbers that do not vary keep their size."""
        deviation = latents.std(0)
        return cls(latents.mean(0), np.where(deviation > _SMALLEST_DEVIATION, deviation, 1).astype(np.float32))

    def down(self, latents: Latents) -> Latents:
        """To mean 0 and variance 1."""
        scaled: Latents = ((latents - self.mean) / self.deviation).astype(np.float32)
        return scaled

    def up(self, scaled: Latents) -> Latents:
        """The inverse of :meth:`down`."""
        latents: Latents = (scaled * self.deviation + self.mean).astype(np.float32)
        return latents


class Operator:
    """Operators by the text of their step."""

    def step(self, text: str, latents: Latents) -> Latents:
        """Latents ``(N, L)`` after one step."""
        raise NotImplementedError

    def __call__(self, program: Program, latents: Latents) -> Latents:
        """Latents ``(N, L)`` after all steps of a program."""
        for step in program.steps:
            latents = self.step(str(step), latents)
        return latents


class MeanDifference(Operator):
    """Adds to each code what the step adds on average.

    Args:
        train: Pairs of the train split.
    """

    def __init__(self, train: Pairs) -> None:
        self.shift = {text: (target - train.source).mean(0) for text, target in train.targets.items()}

    def step(self, text: str, latents: Latents) -> Latents:
        """The latents moved by the mean difference of a step."""
        moved: Latents = latents + self.shift[text]
        return moved


class Ridge(Operator):
    """Affine maps with the least squared error and a penalty on their coefficients, one for each step.

    Args:
        train: Pairs of the train split.
        val: Pairs of the validation split, which choose the penalty.
        scale: Of the source latents of the train split.

    Attributes:
        penalties: The chosen penalty, by step.
        errors: Mean squared error on validation of scaled latents, by step.
    """

    def __init__(self, train: Pairs, val: Pairs, scale: Scale) -> None:
        self.scale = scale
        self.maps: dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]] = {}
        self.penalties: dict[str, float] = {}
        self.errors: dict[str, float] = {}
        source, held_out = (scale.down(pairs.source).astype(np.float64) for pairs in (train, val))
        center = source.mean(0)
        values, vectors = np.linalg.eigh((source - center).T @ (source - center))
        for text, latents in train.targets.items():
            target = scale.down(latents).astype(np.float64)
            middle = target.mean(0)
            product = vectors.T @ (source - center).T @ (target - middle)
            best: tuple[float, float, NDArray[np.float64]] | None = None
            for penalty in PENALTIES:
                weights = vectors @ (product / (values.clip(0) + penalty)[:, None])
                missed = (held_out - center) @ weights + middle - scale.down(val.targets[text])
                error = float(np.square(missed).mean())
                if best is None or error < best[0]:
                    best = error, penalty, weights
            if best is not None:
                self.errors[text], self.penalties[text] = best[:2]
                self.maps[text] = best[2], middle - center @ best[2]

    def step(self, text: str, latents: Latents) -> Latents:
        """The affine map of a step."""
        weights, offset = self.maps[text]
        return self.scale.up((self.scale.down(latents) @ weights + offset).astype(np.float32))


class Network(Operator):
    """One small network for all steps, which is told the step: two hidden layers of 512, and the code added to it.

    Args:
        train: Pairs of the train split.
        val: Pairs of the validation split: the weights of the best epoch on them are kept.
        scale: Of the source latents of the train split.
        seconds: Train no longer than this.
        seed: Of the weights and the order of the pairs.

    Attributes:
        error: Mean squared error on validation of scaled latents.
        epochs: Epochs of training.
        seconds: That training took.
    """

    def __init__(self, train: Pairs, val: Pairs, scale: Scale, seconds: float, seed: int) -> None:
        started = time.monotonic()
        self.scale, self.steps = scale, {text: index for index, text in enumerate(train.targets)}
        generator = torch.Generator().manual_seed(seed)
        length = train.source.shape[1]
        self.network = nn.Sequential(
            *(nn.Linear(length + len(self.steps), _WIDTH), nn.SiLU(), nn.Linear(_WIDTH, _WIDTH), nn.SiLU()),
            nn.Linear(_WIDTH, length),
        )
        _initialize(self.network, generator)
        source, target, held_out, wanted = (
            torch.from_numpy(part)
            for pairs in (train, val)
            for part in (scale.down(pairs.source), np.stack([scale.down(pairs.targets[text]) for text in self.steps]))
        )
        optimizer = torch.optim.Adam(self.network.parameters(), lr=_LR)
        self.error, self.epochs, best = float("inf"), 0, _copy(self.network)
        while self.epochs < _EPOCHS and time.monotonic() - started < seconds:
            share = max(self.epochs / _EPOCHS, (time.monotonic() - started) / max(seconds, 1e-9))
            optimizer.param_groups[0]["lr"] = _LR * max(0.02, 1 - share)
            self._epoch(source, target, optimizer, generator)
            self.epochs += 1
            error = self._error(held_out, wanted)
            if error < self.error:
                self.error, best = error, _copy(self.network)
        self.network.load_state_dict(best)
        self.seconds = time.monotonic() - started

    def step(self, text: str, latents: Latents) -> Latents:
        """The latents, and what the network adds to them for a step."""
        with torch.no_grad():
            source = torch.from_numpy(self.scale.down(latents))
            which = torch.full((len(source),), self.steps[text])
            return self.scale.up(self._moved(source, which).numpy())

    def _moved(self, source: Tensor, step: Tensor) -> Tensor:
        told = nn.functional.one_hot(step, len(self.steps)).to(source.dtype)
        moved: Tensor = source + self.network(torch.cat([source, told], 1))
        return moved

    def _epoch(
        self, source: Tensor, target: Tensor, optimizer: torch.optim.Optimizer, generator: torch.Generator
    ) -> None:
        """One pass over all pairs of all steps, ``(S, P, L)``, in a new order."""
        for some in torch.randperm(target.shape[0] * target.shape[1], generator=generator).split(_BATCH):
            step, pair = some // target.shape[1], some % target.shape[1]
            optimizer.zero_grad()
            nn.functional.mse_loss(self._moved(source[pair], step), target[step, pair]).backward()
            optimizer.step()

    @torch.no_grad()
    def _error(self, source: Tensor, target: Tensor) -> float:
        errors = [
            nn.functional.mse_loss(self._moved(source, torch.full((len(source),), step)), wanted).item()
            for step, wanted in enumerate(target)
        ]
        return sum(errors) / len(errors)


def _copy(network: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in network.state_dict().items()}


def _initialize(network: nn.Sequential, generator: torch.Generator) -> None:
    """Weights of torch's default range, the last layer at 0, so that a step begins as nothing."""
    for layer in network:
        if isinstance(layer, nn.Linear):
            bound = layer.in_features**-0.5
            nn.init.uniform_(layer.weight, -bound, bound, generator=generator)
            nn.init.zeros_(layer.bias)
    nn.init.zeros_(network[-1].weight)  # type: ignore[arg-type]


def pairs_of(source: Latents, targets: Mapping[str, Latents], part: slice) -> Pairs:
    """The pairs of some of the grids."""
    return Pairs(source[part], {text: latents[part] for text, latents in targets.items()})
