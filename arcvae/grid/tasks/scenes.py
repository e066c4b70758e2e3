"""The operations of :data:`~arcvae.grid.tasks.space.STEPS` on rows of bits, for a search of many programs.

They do what :mod:`arcvae.grid.operations.pixels` does, which remains the judge of every task; tests hold the two equal.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import cache, lru_cache, reduce
from itertools import pairwise
from operator import and_, or_
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from arcvae.grid.operations.drawings import Drawing, Size
from arcvae.grid.operations.program import OPERATIONS, Step
from arcvae.grid.operations.selection import Selector, largest, smallest
from arcvae.grid.tasks.shapes import Shape, canvas, cells_of, flipped, pieces, scaled, symmetric, turned
from arcvae.grid.tasks.space import SLOTS, Choice


class Thing(NamedTuple):
    """An object: its colour, its shape, and the first row and column of its bounding box."""

    color: int
    shape: Shape
    top: int
    left: int

    @property
    def bottom(self) -> int:
        """Its last row."""
        return self.top + len(self.shape.rows) - 1

    @property
    def right(self) -> int:
        """Its last column."""
        return self.left + self.shape.width - 1


Scene = tuple[Thing, ...]
Planes = tuple[int, ...]
"""What a grid shows: for each colour, 0 to 9, its cells, bit ``row * W + column``; none for the background."""
Image = Callable[[Thing, Size], Thing]
_JOINED: Final = {"union": or_, "intersection": and_, "difference": lambda first, other: first & ~other}


def thing_of(found: Drawing) -> Thing:
    """An object as rows of bits."""
    top, left, bottom, right = found.box
    rows = [0] * (bottom - top + 1)
    for row, column in found.cells:
        rows[row - top] |= 1 << (column - left)
    return Thing(found.color, Shape(right - left + 1, tuple(rows)), top, left)


def scene_of(objects: Sequence[Drawing]) -> Scene:
    """Objects as rows of bits, in their order."""
    return tuple(map(thing_of, objects))


def drawing_of(thing: Thing) -> Drawing:
    """The same object as a set of cells."""
    return Drawing(thing.color, frozenset(_places(thing)))


def paint(scene: Scene, size: Size) -> tuple[Planes, bool]:
    """What a scene shows: the cells of each colour, 0 to 9, and whether every object shows one of its cells."""
    planes, covered, all_seen = [0] * 10, 0, True
    for color, shape, top, left in reversed(scene):
        seen = canvas(shape, top, left, size) & ~covered
        covered |= seen
        planes[color] |= seen
        all_seen = all_seen and seen != 0
    return tuple(planes), all_seen


def planes_of(grid: NDArray[np.integer]) -> Planes:
    """What a grid ``(H, W)`` shows."""
    planes = [0] * 10
    for row, column in np.argwhere(grid > 0).tolist():
        planes[grid[row, column]] |= 1 << (row * grid.shape[1] + column)
    return tuple(planes)


def chosen(choice: Choice, scene: Scene, size: Size) -> int:
    """The objects that a choice takes: bit i for that of slot i."""
    if choice is None:
        return (1 << len(scene)) - 1
    if not isinstance(choice, Selector):
        return 1 << choice if choice < len(scene) else 0
    if choice.name == "of_color":
        return sum(1 << i for i, thing in enumerate(scene) if thing.color == choice.arguments[0])
    if choice.name == "touching_border":
        return sum(1 << i for i, thing in enumerate(scene) if _at_border(thing, size))
    best = {"largest": max, "smallest": min}[choice.name]
    return 1 << best(range(len(scene)), key=lambda i: len(cells_of(scene[i].shape))) if scene else 0


def possible_choices(scene: Scene, size: Size, needed: int) -> list[int]:
    """What the choices of the space take of a scene, as :func:`chosen` says it, each once; not nothing.

    Args:
        scene: Objects.
        size: Of the grid.
        needed: Objects that have to be among them.
    """
    everything = (1 << len(scene)) - 1
    if needed == everything:
        return [everything] if scene else []
    must = members(needed) if needed else range(len(scene))
    found = [everything]
    colors = {scene[i].color for i in must}
    if not needed or len(colors) == 1:
        found += [sum(1 << i for i, thing in enumerate(scene) if thing.color == color) for color in sorted(colors)]
    if not needed or all(_at_border(scene[i], size) for i in must):
        found.append(sum(1 << i for i, thing in enumerate(scene) if _at_border(thing, size)))
    if not needed & (needed - 1):
        found += [1 << i for i in must if i < SLOTS]
        if len(scene) > SLOTS:
            found += [which for choice in (largest, smallest) if not needed & ~(which := chosen(choice, scene, size))]
    return [which for which in dict.fromkeys(found) if which]


def _at_border(thing: Thing, size: Size) -> bool:
    return thing.top <= 0 or thing.left <= 0 or thing.bottom >= size[0] - 1 or thing.right >= size[1] - 1


def members(which: int) -> list[int]:
    """The slots that a set of bits names."""
    return [i for i in range(which.bit_length()) if which >> i & 1]


def perform(step: Step, scene: Scene, which: int, size: Size) -> Scene:
    """A scene after a step of the space, which takes some of its objects."""
    if image := image_of(step):
        return tuple(image(thing, size) if which >> i & 1 else thing for i, thing in enumerate(scene))
    if (ways := copies_of(step, size)) is not None:
        taken = [scene[i] for i in members(which)]
        return scene + tuple(moved(thing, y, x) for y, x in ways for thing in taken)
    if step.name in ("group", "separate"):
        result = list(scene)
        for i, away in from_the_middle(scene, which):
            result[i] = moved(scene[i], *way_of(step, away))
        return tuple(result)
    if step.name == "symmetrize":
        mirror = mirror_of(step)
        return scene + tuple(mirror(scene[i], size) for i in members(which))
    if which.bit_count() < 2:
        return scene  # one object has nobody to be joined with
    if step.name == "connect":
        lines, color = lines_between(scene, which), arguments_of(step)["color"]
        return scene + (lines if color is None else tuple(line._replace(color=color) for line in lines))
    first, *_ = slots = members(which)
    rest = (thing for i, thing in enumerate(scene) if i > first and not which >> i & 1)
    return scene[:first] + _joined(step, [scene[i] for i in slots]) + tuple(rest)


@lru_cache(maxsize=1 << 14)
def lines_between(scene: Scene, which: int) -> Scene:
    """What ``connect`` adds to a scene, each line in the colour of its first object."""
    taken = [scene[i] for i in members(which)]
    return tuple(line for first, second in pairwise(taken) for line in _line(first, second))


@lru_cache(maxsize=1 << 14)
def _line(first: Thing, second: Thing) -> Scene:
    """Cells between the nearest two of two objects: none, or one object."""
    _, _, _, start, end = min(
        ((a - c) ** 2 + (b - d) ** 2, i, j, (a, b), (c, d))
        for i, (a, b) in enumerate(_places(first))
        for j, (c, d) in enumerate(_places(second))
    )
    down, right = end[0] - start[0], end[1] - start[1]
    length = max(abs(down), abs(right))
    cells = frozenset(
        (start[0] + (2 * i * down + length) // (2 * length), start[1] + (2 * i * right + length) // (2 * length))
        for i in range(1, length)
    )
    return (thing_of(Drawing(first.color, cells)),) if cells else ()


def _places(thing: Thing) -> list[tuple[int, int]]:
    return [(thing.top + r, thing.left + c) for r, c in cells_of(thing.shape)]


def _joined(step: Step, taken: Sequence[Thing]) -> Scene:
    """What a step on sets makes of some objects: its connected parts, by their first cells."""
    placed = [(thing.shape, y, x) for thing, (y, x) in zip(taken, corners(step, taken), strict=True)]
    top, left = min(y for _, y, _ in placed), min(x for _, _, x in placed)
    height = max(y + len(shape.rows) for shape, y, _ in placed) - top
    width = max(x + shape.width for shape, _, x in placed) - left + 1  # pieces() wants a free column
    masks = [canvas(shape, y - top, x - left, (height, width)) for shape, y, x in placed]
    return tuple(Thing(taken[0].color, shape, top + y, left + x) for shape, y, x in pieces(joined(step, masks), width))


def corners(step: Step, taken: Sequence[Thing]) -> list[tuple[int, int]]:
    """Where a step on sets lays each object: the first row and column of its box."""
    if arguments_of(step)["align"]:
        return [(taken[0].top, taken[0].left)] * len(taken)
    return [(thing.top, thing.left) for thing in taken]


def joined(step: Step, masks: Sequence[int]) -> int:
    """What a step on sets makes of the cells of some objects."""
    return reduce(_JOINED[step.name], masks)


@cache
def arguments_of(step: Step) -> dict[str, Any]:
    """All arguments of a step by name, those that it leaves to the operation too."""
    parameters = inspect.signature(OPERATIONS[step.name]).parameters.values()
    return {parameter.name: parameter.default for parameter in parameters} | dict(step.arguments)


def moved(thing: Thing, y: int, x: int) -> Thing:
    """The same object elsewhere."""
    return Thing(thing.color, thing.shape, thing.top + y, thing.left + x)


@cache
def copies_of(step: Step, size: Size) -> tuple[tuple[int, int], ...] | None:
    """Cells down and right from an object to each copy, for a step that adds copies; None for another."""
    given = arguments_of(step)
    if step.name == "tile":
        rows, columns = given["rows"], given["columns"]
        y = size[0] // rows if given["dy"] is None else given["dy"]
        x = size[1] // columns if given["dx"] is None else given["dx"]
        return tuple((r * y, c * x) for r in range(rows) for c in range(columns) if r or c)
    if step.name not in ("duplicate", "repeat"):
        return None
    times = given["n"] if step.name == "repeat" else 1
    return tuple((time * given["dy"], time * given["dx"]) for time in range(1, times + 1))


def from_the_middle(scene: Scene, which: int) -> list[tuple[int, tuple[int, int, int]]]:
    """How far the taken objects are from the middle of them all, by their slots: down and right, in parts of a cell,
    and how many such parts a cell has."""
    taken = members(which)
    places = [(2 * t + len(shape.rows) - 1, 2 * c + shape.width - 1) for _, shape, t, c in (scene[i] for i in taken)]
    count, down, right = len(taken), sum(place[0] for place in places), sum(place[1] for place in places)
    return [(i, (count * y - down, count * x - right, 2 * count)) for i, (y, x) in zip(taken, places, strict=True)]


def way_of(step: Step, away: tuple[int, int, int]) -> tuple[int, int]:
    """Where ``group`` or ``separate`` moves an object that is so far from the middle: cells down and right."""
    by, apart, (down, right, parts) = arguments_of(step)["by"], step.name == "separate", away
    if apart:
        return by * ((down > 0) - (down < 0)), by * ((right > 0) - (right < 0))
    y, x = min(by, abs(down) // parts), min(by, abs(right) // parts)
    return -y if down > 0 else y, -x if right > 0 else x


@cache
def image_of(step: Step) -> Image | None:
    """What a step makes of an object, whatever is beside it; None for a step of which that cannot be said."""
    given, name = arguments_of(step), step.name
    if name == "translate":
        y, x = given["dy"], given["dx"]
        return lambda thing, size: moved(thing, y, x)
    if name == "recolor":
        return lambda thing, size: Thing(given["color"], *thing[1:])
    if name == "scale":
        return lambda thing, size: Thing(thing[0], scaled(thing[1], given["factor"]), *thing[2:])
    if name == "symmetrize" and given["about"] == "object":
        up_down = given["axis"] == "x"
        return lambda thing, size: Thing(thing[0], symmetric(thing[1], up_down), *thing[2:])
    if name in ("reflect_x", "reflect_y"):
        return _reflection(name == "reflect_x", given["about"] == "grid")
    if name == "rotate":
        quarters = given["degrees"] // 90 % 4
        return (
            _rotation(quarters) if given["about"] == "grid" else lambda thing, size: _turned_in_place(thing, quarters)
        )
    return None


def mirror_of(step: Step) -> Image:
    """What ``symmetrize`` adds of an object on the other side of a grid."""
    return _reflection(up_down=arguments_of(step)["axis"] == "x", about_grid=True)


@cache
def _reflection(up_down: bool, about_grid: bool) -> Image:
    def image(thing: Thing, size: Size) -> Thing:
        color, shape, top, left = thing
        if about_grid and up_down:
            top = size[0] - 1 - thing.bottom
        elif about_grid:
            left = size[1] - 1 - thing.right
        return Thing(color, flipped(shape, up_down), top, left)

    return image


def _rotation(quarters: int) -> Image:
    def image(thing: Thing, size: Size) -> Thing:
        corners = [
            (thing.top, thing.left),
            (size[1] - 1 - thing.right, thing.top),
            (size[0] - 1 - thing.bottom, size[1] - 1 - thing.right),
            (thing.left, size[0] - 1 - thing.bottom),
        ]
        return Thing(thing.color, turned(thing.shape, quarters), *corners[quarters])

    return image


def _turned_in_place(thing: Thing, quarters: int) -> Thing:
    color, shape, top, left = thing
    for _ in range(quarters):
        height, width = len(shape.rows), shape.width
        row, column = 2 * top + height - 1, 2 * left + width - 1  # of the centre, in half cells
        if height % 2 != width % 2:
            row, column = row + (-1 if row % 2 else 1), column + (-1 if column % 2 else 1)
        shape, top, left = turned(shape, 1), (row - width + 1) // 2, (column - height + 1) // 2
    return Thing(color, shape, top, left)
