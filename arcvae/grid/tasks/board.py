"""What the output of a demonstration allows: which steps could lead from a scene to it, told at a glance.

An object with a cell on the background of the output, or of a colour that the output lacks, must be changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from arcvae.grid.operations.drawings import Size
from arcvae.grid.operations.program import Step
from arcvae.grid.tasks.scenes import (
    Planes,
    Scene,
    Thing,
    arguments_of,
    copies_of,
    corners,
    from_the_middle,
    image_of,
    joined,
    lines_between,
    members,
    mirror_of,
    moved,
    paint,
    perform,
    possible_choices,
    way_of,
)
from arcvae.grid.tasks.shapes import Shape, canvas, cells_of
from arcvae.grid.tasks.space import STEPS

_IMAGES: Final = tuple((step, image) for step in STEPS if (image := image_of(step)))
"""Steps that make something of an object whatever is beside it."""
_ADDERS: Final = tuple(step for step in STEPS if step.name in ("duplicate", "repeat", "tile"))
_MIRRORS: Final = tuple(step for step in STEPS if step.name == "symmetrize" and not image_of(step))
_LINES: Final = tuple(step for step in STEPS if step.name == "connect")
_GROUPS: Final = tuple(step for step in STEPS if step.name in ("group", "separate"))
_UNION, _UNION_ALIGNED = (
    tuple(step for step in STEPS if step.name == "union" and arguments_of(step)["align"] == align)
    for align in (False, True)
)
_CUTS: Final = tuple(step for step in STEPS if step.name in ("intersection", "difference"))
_RECOLOR: Final = {arguments_of(step)["color"]: 1 << i for i, (step, _) in enumerate(_IMAGES) if step.name == "recolor"}
_RECOLORS: Final = sum(_RECOLOR.values())
_NEAR: Final = 3
"""How far a step moves an object down or right, at most, that it translates, groups or separates."""
_PAD, _STRIDE = 24, 64
"""Lines before the first of a grid, and lines altogether, of the board on which shapes are tried."""
_MOVING: Final = [
    (1 << i, (arguments_of(step)["dy"] + _NEAR) * _STRIDE + arguments_of(step)["dx"] + _NEAR)
    for i, (step, _) in enumerate(_IMAGES)
    if step.name == "translate"
]
"""Steps that move each object, and the bits of where it comes to lie, see :meth:`Board._window`."""
_TURNING: Final = [(1 << i, m) for i, (step, m) in enumerate(_IMAGES) if step.name not in ("translate", "recolor")]
_MOVES: Final = sum(bit for bit, _ in _MOVING)
_ALL_IMAGES: Final = (1 << len(_IMAGES)) - 1
_NEIGHBOURS: Final = sum(
    1 << (row * _STRIDE + column) for row in range(2 * _NEAR + 1) for column in range(2 * _NEAR + 1)
)


@dataclass(frozen=True)
class Demonstration:
    """An input as objects, and the picture that is wanted of it."""

    scene: Scene
    wanted: Planes


class State(NamedTuple):
    """What is wrong with a scene that is to be turned into an output by one more step."""

    lost: int
    """Objects with a cell on background of the output."""
    wrong: int
    """These, and objects of a colour that the output lacks: the step has to take them all."""


class Hope(NamedTuple):
    """Which steps could lead from a scene to an output; see :meth:`Board.hope`."""

    add: bool
    each: int
    """Of the steps that make something of each object, by their places in the list."""
    move: bool
    join: bool

    def both(self, other: Hope) -> Hope:
        """What could lead to this output and to another one."""
        return Hope(self.add and other.add, self.each & other.each, self.move and other.move, self.join and other.join)

    def either(self, other: Hope) -> Hope:
        """What could lead to this output or to another one."""
        return Hope(self.add or other.add, self.each | other.each, self.move or other.move, self.join or other.join)


NOTHING: Final = Hope(False, 0, False, False)
EVERYTHING: Final = Hope(True, _ALL_IMAGES, True, True)


class Board:
    """What the output of a demonstration allows objects to be."""

    def __init__(self, shown: Demonstration, size: Size) -> None:
        self.wanted, self.size = shown.wanted, size
        self.colored = sum(shown.wanted)
        self.colors = {color for color, plane in enumerate(shown.wanted) if plane}
        free, line = (1 << _STRIDE * (_STRIDE + 2 * _PAD)) - 1, (1 << size[1]) - 1  # all but background of the grid
        for row in range(size[0]):
            free ^= (~self.colored >> row * size[1] & line) << (row + _PAD) * _STRIDE + _PAD
        self.free = free
        self.places: dict[Shape, int] = {}
        self.after_image: dict[tuple[Shape, int, int], tuple[int, int]] = {}
        self.with_copies: dict[tuple[Shape, int, int], int] = {}
        self.start, self.start_state = shown.scene, State(0, 0)
        self.start_state = self.state(shown.scene)
        self.images: dict[Step, tuple[Scene, State]] = {}

    def hope(self, which: int) -> Hope:
        """What one step could do about the rest after any first step that takes these objects of the input.

        The second one has to take all others that are wrong, and finds them as they are.
        """
        wrong = [self.start[i] for i in members(self.start_state.wrong & ~which)]
        possible = _ALL_IMAGES
        for thing in wrong:
            possible = self._images(thing, possible)
        known = {thing.color for thing in self.start if thing not in wrong}
        return Hope(
            add=not wrong,
            each=possible,
            move=all(thing.color in self.colors and self._window(thing) for thing in wrong),
            # What is joined has one colour, and a first step that recolours brings another one.
            join=not wrong or len(self.colors - known) <= 2,
        )

    def state(self, scene: Scene) -> State:
        """What is wrong with a scene."""
        lost = wrong = 0
        for i, thing in enumerate(scene):
            if not self.fits(thing):
                lost |= 1 << i
            elif thing.color not in self.colors:
                wrong |= 1 << i
        return State(lost, lost | wrong)

    def first(self, step: Step, which: int) -> tuple[Scene, State]:
        """The input after a step that takes some of its objects, and what is wrong with it then."""
        image = image_of(step)
        if image is None:
            scene = perform(step, self.start, which, self.size)
            return scene, self.state(scene)
        if step not in self.images:
            things = tuple(image(thing, self.size) for thing in self.start)
            self.images[step] = things, self.state(things)
        things, after = self.images[step]
        scene = tuple(things[i] if which >> i & 1 else thing for i, thing in enumerate(self.start))
        before = self.start_state
        return scene, State(*(new & which | old & ~which for new, old in zip(after, before, strict=True)))

    def fits(self, thing: Thing) -> bool:
        """Whether no cell of an object, whatever its colour, lies where the output has background."""
        _, shape, top, left = thing
        places = self.places.get(shape)
        if places is None:
            places = self.places[shape] = self._places(shape)
        if not places or top < -_PAD or left < -_PAD or top >= self.size[0] or left >= self.size[1]:
            return not canvas(shape, top, left, self.size) & ~self.colored
        return bool(places >> ((top + _PAD) * _STRIDE + left + _PAD) & 1)

    def _places(self, shape: Shape) -> int:
        """Where the first cell of the box of a shape may be for it to fit; 0 for a shape that is too large to tell."""
        if len(shape.rows) > _STRIDE or shape.width > _PAD:
            return 0
        places = -1
        for row, column in cells_of(shape):
            places &= self.free >> (row * _STRIDE + column)
        return places

    def _images(self, thing: Thing, among: int = _ALL_IMAGES) -> int:
        """Which of some steps on each object, by their places in the list, leave it where it fits."""
        asked, found = self.after_image.get(thing[1:], (0, 0))
        if new := among & ~asked:
            if new & _RECOLORS and self.fits(thing):
                found |= _RECOLORS
            for bit, image in _TURNING:
                if bit & new and self.fits(image(thing, self.size)):
                    found |= bit
            if new & _MOVES and (window := self._window(thing)):
                for bit, place in _MOVING:
                    if window >> place & 1:
                        found |= bit
            self.after_image[thing[1:]] = asked | new, found
        return found & among

    def _copies(self, thing: Thing) -> int:
        """Which of the steps that add copies, by their places in the list, put those of an object where they fit."""
        found = self.with_copies.get(thing[1:])
        if found is None:
            found = 0
            for i, step in enumerate(_ADDERS):
                if all(self.fits(moved(thing, y, x)) for y, x in copies_of(step, self.size) or ()):
                    found |= 1 << i
            self.with_copies[thing[1:]] = found
        return found

    def _cells(self, thing: Thing) -> int:
        return canvas(thing.shape, thing.top, thing.left, self.size)

    def _window(self, thing: Thing) -> int:
        """Where an object fits after a short move, bit ``(down + 3) * 64 + right + 3``; all if that is not known."""
        places = self.places[thing.shape]  # there, because the object has been tried where it is
        inside = thing.top >= _NEAR - _PAD and thing.left >= _NEAR - _PAD
        corner = (thing.top - _NEAR + _PAD) * _STRIDE + thing.left - _NEAR + _PAD
        return places >> corner & _NEIGHBOURS if places and inside else _NEIGHBOURS

    def seconds(self, scene: Scene, state: State, hope: Hope = EVERYTHING) -> Iterator[tuple[Step, int]]:
        """Steps that lead from a scene to the output, each with the objects that it takes."""
        hope = self._still(scene, state, hope)
        for which in possible_choices(scene, self.size, state.wrong) if any(hope) else ():
            taken = [scene[i] for i in members(which)]
            for step in self._promising(scene, state, hope, which, taken):
                if paint(perform(step, scene, which, self.size), self.size)[0] == self.wanted:
                    yield step, which

    def _still(self, scene: Scene, state: State, hope: Hope) -> Hope:
        """What the objects of a scene that are wrong leave of the steps that could lead to the output."""
        add, each, move, join = hope
        lacking = self.colors - {thing.color for thing in scene}
        if lacking or state.wrong != state.lost:  # a colour too few or too many: recoloured, or joined to another
            add, each, move, join = False, each & _RECOLORS, False, join and not lacking
        for color in range(1, 10) if each & _RECOLORS else ():
            if color not in self.colors or lacking - {color}:
                each &= ~_RECOLOR[color]
        for i in members(state.wrong) if each else ():
            each = self._images(scene[i], each)
        move = move and all(self._window(scene[i]) for i in members(state.lost))
        return Hope(add and not state.wrong, each, move, join)

    def _promising(self, scene: Scene, state: State, hope: Hope, which: int, taken: Sequence[Thing]) -> Iterator[Step]:
        """Steps that are not ruled out at a glance; of those on each object, some."""
        rest = 0
        for i, thing in enumerate(scene):
            if not which >> i & 1:
                rest |= self._cells(thing)
        missing = self.colored & ~rest
        if hope.each:
            yield from self._each(taken, missing, hope.each)
        if hope.add:
            yield from self._added(scene, which, taken, missing)
        if hope.move and len(taken) > 1:
            yield from self._moved(scene, which)
        if hope.join and len(taken) > 1:
            yield from self._combined(taken, rest, bool(state.lost & which), missing)

    def _each(self, taken: Sequence[Thing], missing: int, possible: int) -> Iterator[Step]:
        """Those of some steps that make something of each object."""
        for thing in sorted(taken, key=lambda thing: thing[1:] not in self.after_image):
            possible = self._images(thing, possible)
            if not possible:
                return
        for i in members(possible):
            step, image = _IMAGES[i]
            cells = 0
            for thing in taken:
                cells |= self._cells(image(thing, self.size))
            if not missing & ~cells:
                yield step

    def _added(self, scene: Scene, which: int, taken: Sequence[Thing], missing: int) -> Iterator[Step]:
        """Steps that add objects; all others are right already."""
        possible = (1 << len(_ADDERS)) - 1
        for thing in taken:
            missing &= ~self._cells(thing)
            possible &= self._copies(thing)
        for i in members(possible):
            cells = 0
            for y, x in copies_of(_ADDERS[i], self.size) or ():
                for thing in taken:
                    cells |= self._cells(moved(thing, y, x))
            if not missing & ~cells:
                yield _ADDERS[i]
        for step in _MIRRORS:
            mirror = mirror_of(step)
            if all(self.fits(mirror(thing, self.size)) for thing in taken):
                yield step
        if len(taken) > 1 and all(map(self.fits, lines_between(scene, which))):
            yield from (step for step in _LINES if (arguments_of(step)["color"] or taken[0].color) in self.colors)

    def _moved(self, scene: Scene, which: int) -> Iterator[Step]:
        """Steps that move objects together or apart."""
        away = from_the_middle(scene, which)
        for step in _GROUPS:
            if all(self.fits(moved(scene[i], *way_of(step, far))) for i, far in away):
                yield step

    def _combined(self, taken: Sequence[Thing], rest: int, any_lost: bool, missing: int) -> Iterator[Step]:
        """Steps on sets: what they leave of the objects has one colour, and all else is what the rest shows.

        They may leave nothing, and so none of that colour; only a union never does.
        """
        color, _, top, left = first = taken[0]
        steps: list[Step] = []
        if color in self.colors:
            steps += () if any_lost else _UNION
            steps += _UNION_ALIGNED if all(self.fits(Thing(color, t.shape, top, left)) for t in taken) else ()
        if not missing & ~self._cells(first):  # of the first object no more than its cells remains
            steps += _CUTS
        allowed = self.wanted[color] | rest
        for step in steps:
            places = zip(taken, corners(step, taken), strict=True)
            cells = joined(step, [canvas(thing.shape, y, x, self.size) for thing, (y, x) in places])
            if not cells & ~allowed and not missing & ~cells:
                yield step
