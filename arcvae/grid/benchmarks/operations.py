"""The benchmark of operations on codes: each operation and chains of them, against the same done in pixels.

Beside every figure stand controls: a black grid, doing nothing, the mean difference of codes, ridge regression and a
small network from code to code, operating in pixels on the decoded grid before it is encoded and decoded again, and
what the oracle draws of the objects as they were coded. For codes without objects the two that are trained are all.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from arcvae.grid.benchmarks.cases import Cases, joined
from arcvae.grid.benchmarks.operators import MeanDifference, Network, Operator, Pairs, Ridge, Scale, pairs_of
from arcvae.grid.benchmarks.programs import operations_of
from arcvae.grid.benchmarks.residuals import residuals
from arcvae.grid.benchmarks.scoring import exact_match, figures
from arcvae.grid.benchmarks.subject import Subject
from arcvae.grid.benchmarks.workload import Lessons, Workload
from arcvae.grid.codec import Codec
from arcvae.grid.operations.drawings import Drawing, draw, objects_of
from arcvae.grid.operations.pixels import apply
from arcvae.grid.operations.program import Program

log = logging.getLogger(__name__)

Grids = NDArray[np.uint8]
Latents = NDArray[np.float32]
Outputs = dict[str, Grids]
Seconds = dict[str, float]
Value = TypeVar("Value")

LEARNED: Final = ("mean difference", "ridge", "network")
"""Names of the controls that are learned."""
CONTROLS: Final = ("black", "nothing", *LEARNED, "pixels", "renderer")
"""Names of all controls."""
_LAWFUL: Final = 200
"""Grids on which laws are tried."""


def measure_operations(codec: Codec, work: Workload, *, seconds: float, refine: int, seed: int) -> dict[str, Any]:
    """The figures of one model, as JSON can hold them.

    Args:
        codec: The model.
        work: What it is asked to do.
        seconds: Train the network of the controls no longer than this.
        refine: Moves of a search for better codes of new shapes, as a further way of operations that offer it; 0: no.
        seed: Of the network of the controls.

    Returns:
        ``main``, the name of the figures that count: ``operation``, or for codes without objects the better of
        ``ridge`` and ``network`` on validation. ``programs`` and ``chains``: rows with ``cases`` (numbers of them),
        ``figures`` by way and control, and ``seconds`` per 1,000 grids. ``residuals`` by way, ``pictures``, ``plain``
        and ``training``.
    """
    bench = _Bench(Subject(codec), work)
    facts = bench.learn(seconds, seed)
    found: dict[str, Any] = {"main": bench.main, "objects": bench.subject.objects, "training": facts}
    found["limits"] = None if bench.subject.limits is None else vars(bench.subject.limits)
    found["programs"] = []
    pictures: dict[str, Any] = {}
    for cases in work.single:
        row, outputs = bench.row([cases], refine)
        found["programs"].append({"program": str(cases.program)} | row)
        _log_row(str(cases.program), row, bench.main)
        if len(cases.program) == 1:
            pictures.setdefault(operations_of(cases.program)[0], bench.picture(cases, outputs))
    found["chains"] = []
    for (kind, depth), several in work.chains.items():
        row, _ = bench.row(several, refine)
        found["chains"].append({"kind": kind, "depth": depth, "chains": [str(c.program) for c in several]} | row)
        _log_row(f"chains of depth {depth}, {kind} operations", row, bench.main)
    found["residuals"] = bench.residuals()
    found["pictures"] = pictures
    found["plain"] = bench.plain_figures
    return found


def _log_row(name: str, row: Mapping[str, Any], main: str) -> None:
    exact = row["figures"][main]["clear"]["exact"]
    log.info("%-45s exact %s", name, "—" if exact is None else f"{exact:.3f}")


class _Bench:
    """One model at work: what it has encoded and learned."""

    def __init__(self, subject: Subject, work: Workload) -> None:
        self.subject, self.work, self.size = subject, work, work.size
        self.operators: dict[str, Operator] = {}
        self.main = "operation"
        used = [cases.index for cases in [*work.single, *(c for several in work.chains.values() for c in several)]]
        grids = work.pool[: 1 + max((int(index.max()) for index in used if len(index)), default=0)]
        started = time.perf_counter()
        self.latents = subject.encode(grids)
        encoded = time.perf_counter()
        self.plain = subject.decode(self.latents, self.size)
        decoded = time.perf_counter()
        self.plain_figures = {
            "grids": len(grids),
            "exact": float(exact_match(grids, self.plain).mean()),
            "encode_seconds": 1000 * (encoded - started) / len(grids),
            "decode_seconds": 1000 * (decoded - encoded) / len(grids),
        }
        if subject.objects:
            self.codes = subject.codes(grids)
            self.parsed = subject.parsed(grids)

    def learn(self, seconds: float, seed: int) -> dict[str, Any]:
        """Learn the operators, and say how."""
        train, val, took = encoded_pairs(self.subject, self.work.lessons)
        scale = Scale.of(train.source)
        started = time.perf_counter()
        ridge = Ridge(train, val, scale)
        fitted = time.perf_counter() - started
        log.info("A small network for all steps, %s pairs, at most %.0f s", f"{train.source.shape[0]:,}", seconds)
        network = Network(train, val, scale, seconds, seed)
        self.operators = {"mean difference": MeanDifference(train), "ridge": ridge, "network": network}
        error = float(np.mean(list(ridge.errors.values())))
        if not self.subject.objects:
            self.main = "network" if network.error < error else "ridge"
        return {
            "pairs": len(train.source), "steps": len(train.targets), "encode_seconds": took,
            "ridge_error": error, "ridge_seconds": fitted, "penalties": ridge.penalties,
            "network_error": network.error, "network_seconds": network.seconds, "network_epochs": network.epochs,
        }  # fmt: skip

    def row(self, several: Sequence[Cases], refine: int) -> tuple[dict[str, Any], Outputs]:
        """Figures of the cases of some programs together, and the grids of each way and control."""
        parts = [self.outputs(cases, refine) for cases in several]
        cases = joined(several)
        outputs = {name: np.concatenate([_way(found, name) for found, _ in parts]) for name in _names(parts, 0)}
        seconds = {
            name: 1000 * sum(_way(took, name) for _, took in parts) / max(1, len(cases)) for name in _names(parts, 1)
        }
        masks = {"clear": cases.clear, "every": cases.every}
        if limits := self.subject.limits:
            fit = (cases.cells <= limits.max_cells) & (cases.extent <= limits.frame) & (cases.objects <= limits.slots)
            masks["fit"] = cases.clear & fit
        # What the grids before and after give when they are plainly reconstructed.
        wanted = {"source": self.work.pool[cases.index]}
        found = {
            name: figures(
                wanted.get(name, cases.target), grids, cases.objects, masks,
                detail=name == self.main or name not in (*CONTROLS, "source", "target"),
            )
            for name, grids in outputs.items()
        }  # fmt: skip
        row = {
            "operations": [operations_of(one.program) for one in several],
            "cases": {name: int(mask.sum()) for name, mask in masks.items()},
            "figures": found,
            "seconds": seconds,
        }
        return row, outputs

    def outputs(self, cases: Cases, refine: int) -> tuple[Outputs, Seconds]:
        """What each way and control makes of the cases of a program, ``(M, H, W)``, and the seconds it took."""
        found: Outputs = {}
        seconds: Seconds = {}
        if self.subject.objects:
            codes = self.codes[cases.index]
            for name, program in self.subject.ways(cases.program, refine).items():
                found[name], seconds[name] = timed(lambda p=program: self.subject.show(p(codes)))  # type: ignore[misc]
        plain = self.plain[cases.index]
        found["black"] = np.zeros_like(plain)
        found["nothing"] = found["source"] = plain
        for name, operator in self.operators.items():
            run = lambda o=operator: o(cases.program, self.latents[cases.index])  # noqa: E731
            found[name], seconds[name] = timed(lambda r=run: self.subject.decode(r(), self.size))  # type: ignore[misc]
        found["target"] = self._again(cases.target)
        found["pixels"] = found["target"].copy()
        wrong = np.flatnonzero(~exact_match(self.work.pool[cases.index], plain))
        if len(wrong):
            found["pixels"][wrong] = self._again(self._drawn(cases.program, [objects_of(plain[i]) for i in wrong]))
        found["renderer"] = cases.target.copy()
        if self.subject.objects:
            other = [i for i, at in enumerate(cases.index) if set(self.parsed[at]) != set(self.work.scenes[at])]
            for i in other:
                found["renderer"][i] = self._drawn(cases.program, [self.parsed[cases.index[i]]])[0]
        return found, seconds

    def _again(self, grids: Grids) -> Grids:
        return self.subject.decode(self.subject.encode(grids), self.size)

    def _drawn(self, program: Program, scenes: Sequence[list[Drawing]]) -> Grids:
        return np.stack([draw(apply(program, scene, self.size), self.size) for scene in scenes])

    def residuals(self) -> dict[str, list[dict[str, Any]]]:
        """By how much each way to operate misses the laws."""
        few = slice(0, _LAWFUL)
        if self.subject.objects:
            codes = self.codes[few]
            shape = codes.numbers.shape
            show = lambda numbers: self.subject.show(replace(codes, numbers=numbers.reshape(shape)))  # noqa: E731
            return {"operation": residuals(lambda program: program(codes).flat, show)}
        steps = frozenset(self.work.lessons.targets)
        return {
            name: residuals(
                lambda program, o=self.operators[name]: o(program, self.latents[few]),  # type: ignore[misc]
                lambda latents: self.subject.decode(latents, self.size),
                steps,
            )
            for name in ("ridge", "network")
        }

    def picture(self, cases: Cases, outputs: Outputs) -> dict[str, Any]:
        """Source, result and oracle of two clear cases: the first with several objects, and the next that is wrong."""
        result = outputs[self.main]
        good = np.flatnonzero(cases.clear & (cases.objects > 1) & cases.target.any((1, 2))).tolist()
        wrong = set(np.flatnonzero(~exact_match(cases.target, result)).tolist())
        shown = good[:1] + sorted(good[1:], key=lambda case: (case not in wrong, case))[:1]
        return {
            "program": str(cases.program),
            "cases": [
                [grid.tolist() for grid in (self.work.pool[cases.index[i]], result[i], cases.target[i])] for i in shown
            ],
        }


def encoded_pairs(subject: Subject, lessons: Lessons) -> tuple[Pairs, Pairs, float]:
    """Latents of the grids to learn from, of the train and of the validation split, and the seconds it took."""
    log.info("Encoding %s grids to learn from", f"{len(lessons.source) * (1 + len(lessons.targets)):,}")
    started = time.perf_counter()
    source = subject.encode(lessons.source)
    targets = {text: subject.encode(grids) for text, grids in lessons.targets.items()}
    train, val = (pairs_of(source, targets, part) for part in (slice(0, lessons.train), slice(lessons.train, None)))
    return train, val, time.perf_counter() - started


def _names(parts: Sequence[tuple[Outputs, Seconds]], which: int) -> list[str]:
    """Names of ways and controls that any of the programs has."""
    return list(dict.fromkeys(name for part in parts for name in part[which]))


def _way(found: Mapping[str, Value], name: str) -> Value:
    """What a program gives one way; one that does not know the way gives what the operation itself gives."""
    return found[name if name in found else "operation"]


def timed(run: Callable[[], Grids]) -> tuple[Grids, float]:
    """What a function returns, and the seconds it took."""
    started = time.perf_counter()
    found = run()
    return found, time.perf_counter() - started
