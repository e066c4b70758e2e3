"""Whole sets of tasks: made in blocks, by several processes if there are some, without duplicates, and split."""

from __future__ import annotations

import contextlib
import hashlib
import multiprocessing
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from multiprocessing.pool import Pool
from typing import Final

import torch

from arcvae.grid.tasks.make import Maker, Place, places
from arcvae.grid.tasks.task import Task

SPLITS: Final = ("training", "validation", "evaluation")
_BLOCK, _LAST = 250, 60
"""Most tasks that are made at once, and the fewest of which the last blocks have, so that no process waits long for
another; the same blocks for any number of processes."""

_maker: Maker | None = None
"""Of a process that makes blocks for another one."""


@dataclass(frozen=True)
class Collection:
    """Tasks, and what was refused on the way to them."""

    tasks: list[Task]
    reasons: Counter[str]


def make_collection(
    maker: Maker,
    count: int,
    max_depth: int,
    max_objects: int,
    workers: int = 1,
    report: Callable[[int], object] = lambda done: None,
) -> Collection:
    """Tasks of every depth and number of objects, in as even numbers as can be.

    Args:
        maker: Makes them.
        count: How many, >= 1.
        max_depth: Steps of the longest programs.
        max_objects: Most objects of an input.
        workers: Processes; the tasks do not depend on their number.
        report: Called with the number of tasks that have been finished since the last call.
    """
    wanted = places(count, max_depth, max_objects)
    made: dict[str, Task] = {}
    reasons: Counter[str] = Counter()
    missing = list(wanted)
    with _threads(1):
        while missing:
            blocks = list(_cut(missing))
            for tasks, refused in _blocks(maker, blocks, min(workers, len(blocks)), report):
                made |= {task.id: task for task in tasks}
                reasons += refused
            twice = duplicates([made[place.id] for place in wanted])
            reasons["a task with a pair of another one"] += len(twice)
            missing = [replaced for place in wanted if (replaced := place.again()).id in twice]
            wanted = [place.again() if place.id in twice else place for place in wanted]
            report(-len(missing))
    return Collection(split([made[place.id] for place in wanted], maker.seed), +reasons)


def _cut(wanted: Sequence[Place]) -> Iterator[Sequence[Place]]:
    """Blocks of a fourth of what is left."""
    while wanted:
        size = min(_BLOCK, max(_LAST, len(wanted) // 4))
        yield wanted[:size]
        wanted = wanted[size:]


@contextlib.contextmanager
def _threads(count: int) -> Iterator[None]:
    """So many threads of torch: its results may depend on their number in the last bits."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _blocks(
    maker: Maker, blocks: Sequence[Sequence[Place]], workers: int, report: Callable[[int], object]
) -> Iterator[tuple[list[Task], Counter[str]]]:
    if workers == 1:
        for block in blocks:
            reasons: Counter[str] = Counter()
            yield maker.make(block, reasons, report), reasons
        return
    with _pool(workers, maker) as pool:
        for tasks, refused in pool.imap(_made, blocks):
            report(len(tasks))
            yield tasks, refused


def _pool(workers: int, maker: Maker) -> Pool:
    """Processes that do not hear of an interrupt from the keyboard: the one that starts them does, and ends them."""
    # They inherit what is blocked; here it is delivered as soon as it is not.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        # Forked processes could wait forever for threads that only their parent has.
        return multiprocessing.get_context("spawn").Pool(workers, _start, (maker,))
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start(maker: Maker) -> None:
    """Prepare a process."""
    global _maker
    torch.set_num_threads(1)
    _maker = maker


def _made(block: Sequence[Place]) -> tuple[list[Task], Counter[str]]:
    reasons: Counter[str] = Counter()
    return (_maker.make(block, reasons) if _maker else []), reasons


def duplicates(tasks: Sequence[Task]) -> set[str]:
    """The ids of tasks that have a pair of an earlier one."""
    seen: set[tuple[bytes, bytes]] = set()
    found = set()
    for task in tasks:
        pairs = {(given.tobytes(), wanted.tobytes()) for given, wanted in zip(task.inputs, task.outputs, strict=True)}
        if pairs & seen:
            found.add(task.id)
        seen |= pairs
    return found


def split(tasks: Sequence[Task], seed: int) -> list[Task]:
    """Tasks with their splits: a sixth for validation and another for evaluation, of every depth alike.

    Tasks of one program go to one split, as far as the numbers allow: a program of the evaluation is then a new one.
    """
    sixths = _shares(Counter(task.depth for task in tasks), len(tasks) // 6)
    where: dict[str, str] = {}
    for depth, sixth in sixths.items():
        programs = Counter(str(task.program) for task in tasks if task.depth == depth)
        by_chance = sorted(programs, key=lambda text: hashlib.sha256(f"{seed} {text}".encode()).hexdigest())
        for name in SPLITS[1:]:
            left = sixth
            for text in by_chance:
                if text not in where and programs[text] <= left:
                    where[text] = name
                    left -= programs[text]
    found = [replace(task, split=where.get(str(task.program), SPLITS[0])) for task in tasks]
    for name in SPLITS[1:]:
        missing = len(tasks) // 6 - sum(task.split == name for task in found)
        for index in [i for i, task in enumerate(found) if task.split == SPLITS[0]][:missing]:
            found[index] = replace(found[index], split=name)
    return found


def _shares(sizes: Counter[int], total: int) -> dict[int, int]:
    """Parts of a total in proportion to some sizes, by the largest remainders."""
    count = sum(sizes.values())
    shares = {key: total * size // count for key, size in sizes.items()}
    by_rest = sorted(sizes, key=lambda key: (-(total * sizes[key] % count), key))
    for key in by_rest[: total - sum(shares.values())]:
        shares[key] += 1
    return shares
