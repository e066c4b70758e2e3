"""Codes of objects with names for their numbers; printed, they are a table of objects."""

from __future__ import annotations

import operator
from dataclasses import dataclass, replace
from typing import Final, SupportsIndex

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float32]

_SHOWN: Final = 20
"""Objects in a printed table."""


@dataclass(frozen=True, eq=False)
class ObjectCodes:
    """Codes of N grids, K slots each.

    Args:
        numbers: ``(N, K, 3 + S)`` float32: row, column, colour (0 for an empty slot) and S numbers of the shape; see
            :mod:`arcvae.grid.models.objects`.
        left_out: ``(N,)``, objects of each grid that have no slot: the smallest of more than K, and those that are too
            large for a shape; None: unknown, as for codes that are not from grids.
        part_of: ``(N, K)`` int64, for the parts of an object that takes several slots, the slot of the first of them,
            for all other slots their own; None: no object has parts. Operations keep parts together.
        size: Height and width of the grids, in cells; None: unknown.
        codec: The :class:`~arcvae.grid.codec.Codec` that the codes are of, for operations that draw shapes and code
            new ones; None: unknown.

    ``codes[0]`` and the codes of a loop over grids are those of one grid, N = 1; a slice, a mask or a list of indices
    gives those of several.

    Raises:
        ValueError: Numbers without an axis for grids, slots and fields each.

    Example:
        >>> codes = ObjectCodes(np.array([[[2.5, 6, 3, *[0.5] * 8], [0] * 11]], dtype=np.float32))
        >>> print(codes)
        grid slot    row column color  shape
           0    0    2.5    6.0     3  +0.50 +0.50 +0.50 +0.50 +0.50 +0.50 +0.50 +0.50
        >>> codes.replace(column=codes.column + 1).column[0, 0]
        np.float32(7.0)
    """

    numbers: Numbers
    left_out: NDArray[np.int64] | None = None
    part_of: NDArray[np.int64] | None = None
    size: tuple[int, int] | None = None
    codec: object | None = None

    def __post_init__(self) -> None:
        if np.ndim(self.numbers) != 3:
            raise ValueError(f"codes of objects have shape {np.shape(self.numbers)}, expected (N, K, 3 + S)")

    @property
    def row(self) -> Numbers:
        """``(N, K)``, centre of each object in cells."""
        return self.numbers[..., 0]

    @property
    def column(self) -> Numbers:
        """``(N, K)``, centre of each object in cells."""
        return self.numbers[..., 1]

    @property
    def color(self) -> Numbers:
        """``(N, K)``, 0 for an empty slot."""
        return self.numbers[..., 2]

    @property
    def shapes(self) -> Numbers:
        """``(N, K, S)``, numbers of the shape of each object."""
        return self.numbers[..., 3:]

    @property
    def shape(self) -> tuple[int, int, int]:
        """``(N, K, 3 + S)``, as an array has it; the numbers of the shapes are :attr:`shapes`."""
        count, slots, size = self.numbers.shape
        return count, slots, size

    @property
    def filled(self) -> NDArray[np.bool_]:
        """``(N, K)``, which slots hold an object."""
        found: NDArray[np.bool_] = self.color.round() > 0
        return found

    @property
    def first(self) -> NDArray[np.bool_]:
        """``(N, K)``, which slots hold an object or the first part of one."""
        if self.part_of is None:
            return self.filled
        heads: NDArray[np.bool_] = self.filled & (self.part_of == np.arange(self.slots))
        return heads

    @property
    def slots(self) -> int:
        """K."""
        count: int = self.numbers.shape[1]
        return count

    @property
    def flat(self) -> Numbers:
        """``(N, K (3 + S))``, as a model's encoder gives them."""
        count, slots, size = self.shape
        return self.numbers.reshape(count, slots * size)  # -1 would not do without grids

    def replace(
        self,
        *,
        row: Numbers | None = None,
        column: Numbers | None = None,
        color: Numbers | None = None,
        shapes: Numbers | None = None,
    ) -> ObjectCodes:
        """Codes with some numbers replaced, each of the shape of its property; empty slots stay as they are."""
        numbers = self.numbers.copy()
        for index, values in ((0, row), (1, column), (2, color), (slice(3, None), shapes)):
            if values is not None:
                numbers[..., index] = values
        return replace(self, numbers=np.where(self.filled[..., None], numbers, self.numbers))

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(
        self, grids: SupportsIndex | slice | NDArray[np.integer] | NDArray[np.bool_] | list[int]
    ) -> ObjectCodes:
        if isinstance(grids, SupportsIndex) and not getattr(grids, "shape", ()):  # arrays have an __index__ as well
            index = operator.index(grids)
            if not -len(self) <= index < len(self):
                raise IndexError(f"there is no grid {index}: these are codes of {len(self)}")
            grids = [index]
        left_out = None if self.left_out is None else self.left_out[grids]
        part_of = None if self.part_of is None else self.part_of[grids]
        return replace(self, numbers=self.numbers[grids], left_out=left_out, part_of=part_of)

    def __str__(self) -> str:
        lines = ["grid slot    row column color  shape"]
        for grid, slot, row, column, color, *shape in self._rows():
            numbers = " ".join(f"{value:+.2f}" for value in shape)
            lines.append(f"{grid:>4} {slot:>4} {row:>6.1f} {column:>6.1f} {color:>5.0f}  {numbers}")
        return "\n".join([*lines, *self._beyond()])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """The same table, for notebooks."""
        names = ("grid", "slot", "row", "column", "color", *(f"s{index}" for index in range(self.shapes.shape[2])))
        rows = ["".join(f"<th>{name}</th>" for name in names)]
        for grid, slot, row, column, color, *shape in self._rows():
            cells = (str(grid), str(slot), f"{row:.1f}", f"{column:.1f}", f"{color:.0f}", *(f"{v:+.2f}" for v in shape))
            rows.append("".join(f"<td>{cell}</td>" for cell in cells))
        table = "".join(f"<tr>{row}</tr>" for row in rows)
        return "<br>".join([f"<table>{table}</table>", *self._beyond()])

    def _rows(self) -> list[list[float]]:
        """Grid, slot and numbers of the first objects."""
        return [[*place, *self.numbers[*place].tolist()] for place in np.argwhere(self.filled)[:_SHOWN].tolist()]

    def _beyond(self) -> list[str]:
        """What a table of the first objects does not show."""
        lines = []
        if (more := int(self.filled.sum()) - _SHOWN) > 0:
            lines.append(f"... and {more} more objects")
        if self.left_out is not None and self.left_out.any():
            lines.append(f"{self.left_out.sum()} objects of {(self.left_out > 0).sum()} grids have no slot")
        return lines
