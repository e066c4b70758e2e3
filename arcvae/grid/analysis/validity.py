"""How much generated grids resemble those of a corpus."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial.distance import jensenshannon

from arcvae.grid.analysis.objects import LARGEST, Components, Grids, find_components

MAX_PAIRS: Final = 100_000
"""Most pairs of grids whose distance is averaged."""
_COLORS: Final = 10


@dataclass(frozen=True)
class Reference:
    """What samples are compared with: the train split of a corpus. Make one with :meth:`of`."""

    grids: Grids
    """``(N, S, S)`` uint8."""
    max_objects: int
    """Most objects of a valid grid."""
    components: Components
    """Of ``grids``."""
    known: frozenset[bytes]
    """The bytes of each of ``grids``."""

    @classmethod
    def of(cls, grids: Grids, max_objects: int | None = None) -> Reference:
        """Describe a train split ``(N, S, S)`` uint8.

        Args:
            grids: N >= 1.
            max_objects: Most objects of a valid grid, >= 1; None: as many as a grid of the split has.
        """
        components = find_components(grids)
        if max_objects is None:
            max_objects = max(1, int(components.objects_per_grid.max()))
        return cls(grids, max_objects, components, frozenset(grid.tobytes() for grid in grids))

    def score(self, grids: Grids, seed: int = 0) -> dict[str, float]:
        """What a set of grids is worth as grids of this corpus.

        Args:
            grids: ``(M, S, S)`` uint8, M >= 1.
            seed: Seed of the choice of pairs whose distance is averaged.

        Returns:
            ``valid``: share of grids made of 1 to ``max_objects`` objects of 2-15 cells, one colour each. Cells of one
            colour that touch, over corners too, are one object, or the fewest of at most 15 cells that make it up.
            ``objects_js``, ``sizes_js``, ``colors_js``: Jensen-Shannon distance (base 2, in [0, 1]) of the number of
            objects, the size of components and the colour of coloured cells from the train split.
            ``colored_cells``: mean per grid. ``novel``: share that is not in the train split. ``distinct``: share of
            different grids. ``pair_distance``: mean number of cells in which two of them differ; NaN for one alone.
        """
        found = find_components(grids)
        different = {grid.tobytes() for grid in grids}
        return {
            "valid": float(found.valid(self.max_objects).mean()),
            "objects_js": js_distance(found.objects_per_grid, self.components.objects_per_grid, self.max_objects + 2),
            "sizes_js": js_distance(found.size, self.components.size, LARGEST + 2),
            "colors_js": js_distance(grids[grids > 0], self.grids[self.grids > 0], _COLORS),
            "colored_cells": float((grids > 0).sum() / len(grids)),
            "novel": float(np.mean([grid.tobytes() not in self.known for grid in grids])),
            "distinct": len(different) / len(grids),
            "pair_distance": _pair_distance(grids, seed),
        }


def _pair_distance(grids: Grids, seed: int) -> float:
    """Mean number of cells in which two of ``(M, S, S)`` differ, over random pairs of different ones."""
    count, generator = len(grids), np.random.default_rng(seed)
    if count < 2:
        return math.nan
    first = generator.integers(0, count, min(MAX_PAIRS, 50 * count))
    second = (first + generator.integers(1, count, len(first))) % count
    return float((grids[first] != grids[second]).sum((1, 2)).mean())


def js_distance(first: ArrayLike, second: ArrayLike, bins: int) -> float:
    """Jensen-Shannon distance (base 2, in [0, 1]) between the distributions of two sets of whole numbers >= 0.

    Args:
        first: Any number of them; a set without any is at distance 1 from every other.
        second: As ``first``.
        bins: Bins of the histograms; the last one holds all larger numbers.

    Example:
        >>> js_distance([0, 0], [1, 7], bins=3), js_distance([5], [6], bins=3)
        (1.0, 0.0)
    """
    histograms = [
        np.bincount(np.minimum(np.asarray(values, dtype=np.int64), bins - 1), minlength=bins)
        for values in (first, second)
    ]
    if not histograms[0].any() or not histograms[1].any():
        return 1.0
    return float(jensenshannon(*histograms, base=2))
