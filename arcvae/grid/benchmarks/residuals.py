"""Laws that operations should keep: identity, inverse, commutation, closure; and by how much they miss them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from arcvae.grid.operations.program import Program

Numbers = NDArray[np.float32]
Grids = NDArray[np.uint8]

LAWS: Final[Mapping[str, tuple[str, str]]] = {
    "identity: move by nothing": ("translate()", ""),
    "inverse: down, then up": ("translate(dy=1) | translate(dy=-1)", ""),
    "commutation: down right, right down": ("translate(dy=1) | translate(dx=1)", "translate(dx=1) | translate(dy=1)"),
    "closure: four quarter turns": ("rotate(90) | rotate(90) | rotate(90) | rotate(90)", ""),
    "two quarter turns, a half turn": ("rotate(90) | rotate(90)", "rotate(180)"),
    "two horizontal reflections": ("reflect_x() | reflect_x()", ""),
    "two vertical reflections": ("reflect_y() | reflect_y()", ""),
}
"""Two programs that should make the same of any code; the empty one leaves it as it is."""


def residuals(
    run: Callable[[Program], Numbers], decode: Callable[[Numbers], Grids], steps: frozenset[str] | None = None
) -> list[dict[str, Any]]:
    """By how much each law is missed.

    Args:
        run: The codes ``(N, L)`` of N grids after a program.
        decode: The grids that such codes stand for.
        steps: Steps that there are operators for; laws with others are left out. None: all.

    Returns:
        For each law ``law``; ``largest``, the largest difference of a number; ``relative``, the root mean square of the
        differences divided by that of the codes' deviations from their mean; and ``same``, the share of grids that
        decode to the same.
    """
    codes = run(Program())
    spread = float(np.sqrt(np.square(codes - codes.mean(0)).mean()))
    found = []
    for law, programs in LAWS.items():
        one, other = (Program.parse(text) for text in programs)
        if steps is not None and not {str(step) for program in (one, other) for step in program.steps} <= steps:
            continue
        left, right = run(one), run(other)
        difference = left.astype(np.float64) - right
        found.append(
            {
                "law": law,
                "largest": float(np.abs(difference).max(initial=0)),
                "relative": float(np.sqrt(np.square(difference).mean())) / spread if spread else 0.0,
                "same": float((decode(left) == decode(right)).all((1, 2)).mean()),
            }
        )
    return found
