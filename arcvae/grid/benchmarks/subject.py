"""A model as the benchmark sees it: grids to codes, codes to latents, codes to grids, and its limits."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from arcvae.grid.codec import Codec
from arcvae.grid.codes.object_codes import ObjectCodes
from arcvae.grid.models.objects import ObjectsVAE
from arcvae.grid.operations.drawings import Cell, Drawing, Size
from arcvae.grid.operations.program import OPERATIONS, Program, Step

Grids = NDArray[np.uint8]
Latents = NDArray[np.float32]

SLOTS = 64
"""Slots of codes of objects while they are operated on: programs of the benchmark need fewer."""


@dataclass(frozen=True)
class Limits:
    """What an object of a model can be at most."""

    slots: int
    frame: int
    """Largest height and width."""
    max_cells: int


@dataclass(frozen=True)
class Subject:
    """A codec and what the benchmark asks of it.

    Args:
        codec: Encodes and decodes grids.
    """

    codec: Codec

    @cached_property
    def objects(self) -> bool:
        """Whether its codes are made of objects."""
        return isinstance(self.codec.model, ObjectsVAE)

    @cached_property
    def limits(self) -> Limits | None:
        """Those of a model of objects."""
        model = self.codec.model
        if not isinstance(model, ObjectsVAE):
            return None
        return Limits(model.slots or 1, model.frame.size, model.encoder.max_cells)

    def encode(self, grids: Grids) -> Latents:
        """Latents ``(N, L)`` of grids; what has no room in a code is left out without a warning."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            codes: Latents = self.codec.latents(self.codec.encode(grids)[0])
        return codes

    def decode(self, latents: Latents, size: Size) -> Grids:
        """The grids of latents."""
        grids: Grids = self.codec.decode(self.codec.pack(np.nan_to_num(latents)), size=size)
        return grids

    def codes(self, grids: Grids) -> ObjectCodes:
        """Codes of objects, with room for more of them."""
        return Program()(self.codec.codes(grids), max_objects=SLOTS)

    def show(self, codes: ObjectCodes) -> Grids:
        """The grids of codes of objects."""
        grids: Grids = self.codec.decode(codes)
        return grids

    def ways(self, program: Program, refine: int) -> dict[str, Program]:
        """How a program can be run on codes of objects, by name: by default, and by what its operations offer beside.

        Args:
            program: What is done.
            refine: Moves of a search for better codes of new shapes; 0: not tried.
        """
        found = {"operation": program}
        if refine and (other := _with(program, {"refine": refine})):
            found["refined"] = other
        if getattr(self.codec, "operators", None) is not None and (other := _with(program, {"via": "codes"})):
            found["via codes"] = other
        return found

    def parsed(self, grids: Grids) -> list[list[Drawing]]:
        """The objects of each grid as a model of objects finds, cuts and leaves them out."""
        model = self.codec.model
        scenes: list[list[Drawing]] = [[] for _ in grids]
        if not isinstance(model, ObjectsVAE) or not len(grids):
            return scenes
        found = model.encoder.find(torch.from_numpy(grids))
        frame = model.frame.size
        for index in range(len(found.grid)):
            mask = found.shapes[index].reshape(frame, frame)
            cells = np.argwhere(mask)
            height, width = np.ptp(cells, axis=0) + 1
            corner = cells.min(0)
            top = round(float(found.row[index]) - (height - 1) / 2)
            left = round(float(found.column[index]) - (width - 1) / 2)
            where: frozenset[Cell] = frozenset((int(r - corner[0] + top), int(c - corner[1] + left)) for r, c in cells)
            scenes[found.grid[index]].append(Drawing(int(found.color[index]), where))
        return [_largest(scene, model.slots or 1) for scene in scenes]


def _largest(scene: list[Drawing], slots: int) -> list[Drawing]:
    """The objects that get a slot, in their order: the largest."""
    kept = sorted(range(len(scene)), key=lambda index: -len(scene[index].cells))[:slots]
    return [scene[index] for index in sorted(kept)]


def _with(program: Program, words: Mapping[str, Any]) -> Program | None:
    """The program with further arguments wherever an operation takes them; None if none does."""
    steps = []
    for step in program.steps:
        taken = {word: v for word, v in words.items() if word in inspect.signature(OPERATIONS[step.name]).parameters}
        steps.append(Step(step.name, **dict(step.arguments), **taken))
    changed = Program(steps)
    return None if changed == program else changed
