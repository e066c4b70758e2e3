"""The operations of :mod:`arcvae.operations` on grids themselves: what operations on codes are measured against.

Written without them, in plain Python, on objects as sets of cells. An object may lie outside of its grid, wholly or in
part: it is clipped when it is drawn. Objects are drawn in their order, so that later ones cover earlier ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any, Final, NamedTuple

from arcvae.grid.operations.drawings import Cell, Drawing, Size, split
from arcvae.grid.operations.program import Program
from arcvae.grid.operations.selection import Selector

Change = Callable[[Drawing], Drawing]


class _Scene(NamedTuple):
    """Objects, which of them an operation takes, by their places in the list, and the size of the grid."""

    objects: list[Drawing]
    which: list[int]
    size: Size

    @property
    def taken(self) -> list[Drawing]:
        """The objects that are taken."""
        return [self.objects[index] for index in self.which]

    @property
    def boxes(self) -> list[tuple[int, int, int, int]]:
        """The bounding boxes of all objects."""
        return [found.box for found in self.objects]

    def each(self, change: Change) -> list[Drawing]:
        """All objects, those that are taken after a change."""
        return [change(found) if index in self.which else found for index, found in enumerate(self.objects)]


def apply(program: Program, objects: Sequence[Drawing], size: Size) -> list[Drawing]:
    """Objects after a program.

    Args:
        program: Its arguments mean what they mean for codes, slots being the places in the list; ``max_objects``,
            ``refine`` and ``via`` mean nothing here.
        objects: In the order of their slots.
        size: Height and width of the grid.

    Example:
        >>> apply(Program.parse("translate(dx=1) | recolor(5)"), [Drawing(3, frozenset({(0, 0)}))], (4, 4))
        [Drawing(color=5, cells=frozenset({(0, 1)}))]
    """
    result = list(objects)
    for step in program.steps:
        arguments = dict(step.arguments)
        for word in ("max_objects", "refine", "via"):
            arguments.pop(word, None)
        which = _chosen(arguments.pop("objects", None), result, size)
        result = _APPLY[step.name](_Scene(result, which, size), **arguments)
    return result


def _chosen(objects: Any, scene: list[Drawing], size: Size) -> list[int]:
    """The places of the chosen objects in the list."""
    everywhere = range(len(scene))
    if objects is None:
        return list(everywhere)
    if not isinstance(objects, Selector):
        named = {objects} if isinstance(objects, int) else set(objects)
        return [index for index in everywhere if index in named]
    if objects.name == "of_color":
        return [index for index in everywhere if scene[index].color == objects.arguments[0]]
    if objects.name == "touching_border":
        boxes = [found.box for found in scene]
        return [
            index
            for index, (top, left, bottom, right) in enumerate(boxes)
            if top <= 0 or left <= 0 or bottom >= size[0] - 1 or right >= size[1] - 1
        ]
    best = {"largest": max, "smallest": min}[objects.name]
    return [best(everywhere, key=lambda index: len(scene[index].cells))] if scene else []


def _mapped(found: Drawing, rule: Callable[[int, int], Cell]) -> Drawing:
    return Drawing(found.color, frozenset(rule(row, column) for row, column in found.cells))


def _translate(scene: _Scene, dy: int = 0, dx: int = 0) -> list[Drawing]:
    return scene.each(lambda found: found.moved(dy, dx))


def _recolor(scene: _Scene, color: int) -> list[Drawing]:
    return scene.each(lambda found: Drawing(color, found.cells))


def _rotate(scene: _Scene, degrees: int, about: str = "grid") -> list[Drawing]:
    quarters = degrees // 90 % 4
    if about == "object":
        return scene.each(lambda found: _turned_in_place(found, quarters))
    height, width = scene.size
    rules: list[Callable[[int, int], Cell]] = [
        lambda row, column: (row, column),
        lambda row, column: (width - 1 - column, row),
        lambda row, column: (height - 1 - row, width - 1 - column),
        lambda row, column: (column, height - 1 - row),
    ]
    return scene.each(lambda found: _mapped(found, rules[quarters]))


def _turned_in_place(found: Drawing, quarters: int) -> Drawing:
    """Turned about the centre of its bounding box, which may move by half a cell."""
    for _ in range(quarters):
        top, left, bottom, right = found.box
        height, width = bottom - top + 1, right - left + 1
        row, column = Fraction(top + bottom, 2), Fraction(left + right, 2)
        if height % 2 != width % 2:
            row += Fraction(1, 2) if row.denominator == 1 else Fraction(-1, 2)
            column += Fraction(1, 2) if column.denominator == 1 else Fraction(-1, 2)
        first_row, first_column = row - Fraction(width - 1, 2), column - Fraction(height - 1, 2)
        found = Drawing(
            found.color, frozenset((int(first_row) + right - c, int(first_column) + r - top) for r, c in found.cells)
        )
    return found


def _reflect(scene: _Scene, about: str, axis: str) -> list[Drawing]:
    def mirrored(found: Drawing) -> Drawing:
        top, left, bottom, right = found.box if about == "object" else (0, 0, scene.size[0] - 1, scene.size[1] - 1)
        if axis == "x":
            return _mapped(found, lambda row, column: (top + bottom - row, column))
        return _mapped(found, lambda row, column: (row, left + right - column))

    return scene.each(mirrored)


def _reflect_x(scene: _Scene, about: str = "grid") -> list[Drawing]:
    return _reflect(scene, about, "x")


def _reflect_y(scene: _Scene, about: str = "grid") -> list[Drawing]:
    return _reflect(scene, about, "y")


def _symmetrize(scene: _Scene, axis: str = "y", about: str = "object") -> list[Drawing]:
    images = _reflect(scene, about, axis)
    if about == "grid":
        return scene.objects + [images[index] for index in scene.which]
    pairs = zip(scene.objects, images, strict=True)
    return [Drawing(found.color, found.cells | image.cells) for found, image in pairs]


def _scale(scene: _Scene, factor: float) -> list[Drawing]:
    def scaled(found: Drawing) -> Drawing:
        top, left, _, _ = found.box
        if factor < 1:
            part = round(1 / factor)
            return _mapped(found, lambda row, column: (top + (row - top) // part, left + (column - left) // part))
        times = round(factor)
        return Drawing(
            found.color,
            frozenset(
                (top + (row - top) * times + y, left + (column - left) * times + x)
                for row, column in found.cells
                for y in range(times)
                for x in range(times)
            ),
        )

    return scene.each(scaled)


def _by_the_middle(scene: _Scene, by: int, apart: bool) -> list[Drawing]:
    centers = [(Fraction(top + bottom, 2), Fraction(left + right, 2)) for top, left, bottom, right in scene.boxes]
    result = list(scene.objects)
    for index in scene.which:
        way = []
        for axis in (0, 1):
            total = sum((centers[other][axis] for other in scene.which), Fraction(0))
            away = centers[index][axis] - total / len(scene.which)
            direction = (away > 0) - (away < 0)
            way.append(direction * by if apart else -direction * min(by, math.floor(abs(away))))
        result[index] = result[index].moved(*way)
    return result


def _group(scene: _Scene, by: int = 1) -> list[Drawing]:
    return _by_the_middle(scene, by, apart=False)


def _separate(scene: _Scene, by: int = 1) -> list[Drawing]:
    return _by_the_middle(scene, by, apart=True)


def _repeat(scene: _Scene, n: int, dy: int = 0, dx: int = 0) -> list[Drawing]:
    return scene.objects + [found.moved(time * dy, time * dx) for time in range(1, n + 1) for found in scene.taken]


def _duplicate(scene: _Scene, dy: int = 0, dx: int = 0) -> list[Drawing]:
    return _repeat(scene, 1, dy, dx)


def _tile(
    scene: _Scene,
    rows: int = 2,
    columns: int = 2,
    dy: int | None = None,
    dx: int | None = None,
) -> list[Drawing]:
    height, width = scene.size
    down, right = height // rows if dy is None else dy, width // columns if dx is None else dx
    places = [(row, column) for row in range(rows) for column in range(columns) if row or column]
    return scene.objects + [found.moved(row * down, column * right) for row, column in places for found in scene.taken]


def _connect(scene: _Scene, color: int | None = None) -> list[Drawing]:
    lines = []
    for first, second in pairwise(scene.taken):
        pairs = ((a, b) for a in sorted(first.cells) for b in sorted(second.cells))
        a, b = min(pairs, key=lambda pair: math.dist(*pair))
        down, right = b[0] - a[0], b[1] - a[1]
        steps = max(abs(down), abs(right))
        line = [(a[0] + _rounded(down, i, steps), a[1] + _rounded(right, i, steps)) for i in range(1, steps)]
        if line:
            lines.append(Drawing(color or first.color, frozenset(line)))
    return scene.objects + lines


def _rounded(way: int, step: int, steps: int) -> int:
    """How many cells of a way lie behind after some steps of it, a half rounded up."""
    return math.floor(Fraction(way * step, steps) + Fraction(1, 2))


def _combine(scene: _Scene, align: bool, rule: Callable[[frozenset[Cell], frozenset[Cell]], Any]) -> list[Drawing]:
    if not scene.which:
        return scene.objects
    first, *others = scene.taken
    cells = first.cells
    for other in others:
        if align:
            other = other.moved(first.box[0] - other.box[0], first.box[1] - other.box[1])
        cells = rule(cells, other.cells)
    place = scene.which[0]
    after = [found for index, found in enumerate(scene.objects) if index > place and index not in scene.which]
    return scene.objects[:place] + split(first.color, cells) + after


def _union(scene: _Scene, align: bool = False) -> list[Drawing]:
    return _combine(scene, align, lambda one, other: one | other)


def _intersection(scene: _Scene, align: bool = False) -> list[Drawing]:
    return _combine(scene, align, lambda one, other: one & other)


def _difference(scene: _Scene, align: bool = False) -> list[Drawing]:
    return _combine(scene, align, lambda one, other: one - other)


_APPLY: Final[dict[str, Callable[..., list[Drawing]]]] = {
    function.__name__[1:]: function
    for function in (
        *(_translate, _rotate, _scale, _reflect_x, _reflect_y, _recolor),
        *(_connect, _group, _separate),
        *(_union, _intersection, _difference, _duplicate),
        *(_repeat, _symmetrize, _tile),
    )
}
