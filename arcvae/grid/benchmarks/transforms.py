"""Whether three transforms are visible in the difference of codes, and whether operations on codes do what they do.

Grids are moved, turned and scaled in pixels, each by the oracle. A linear classifier then says from two codes which of
the three was done; and the operation on the code of a grid has to find the code of its transform among those of all.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from arcvae.errors import DataError
from arcvae.grid.benchmarks.operations import encoded_pairs
from arcvae.grid.benchmarks.operators import Network, Ridge, Scale
from arcvae.grid.benchmarks.report import cell, row_of
from arcvae.grid.benchmarks.scoring import exact_match, gate
from arcvae.grid.benchmarks.subject import Subject
from arcvae.grid.benchmarks.workload import lessons_of
from arcvae.grid.codec import Codec
from arcvae.grid.corpus.files import Corpus
from arcvae.grid.operations.drawings import draw, hidden, objects_of
from arcvae.grid.operations.pixels import apply
from arcvae.grid.operations.program import Program

log = logging.getLogger(__name__)

Grids = NDArray[np.uint8]
Numbers = NDArray[np.float32]

TRANSFORMS: Final = tuple(map(Program.parse, ("translate(dy=2, dx=-1)", "rotate(90)", "scale(2)")))
"""What is done to each grid."""
_COLOR: Final = 2
"""Which number of an object is its colour."""
_RARE: Final = 0.005
"""Share of results up to which there are next to none of them."""
_OTHER_COLOR: Final = 1e3
"""Distance that objects of different colours have at least when partners are sought."""


def measure_transforms(
    codec: Codec, corpus: Corpus, *, limit: int, pairs: int, seconds: float, seed: int
) -> dict[str, Any]:
    """The figures of one model, as JSON can hold them.

    Args:
        codec: The model.
        corpus: Pairs are of the test split, operators for codes without objects are learned on the train split.
        limit: Pairs of each transform, on the same grids: the first in which nothing ends hidden by any of the three.
        pairs: Grids of the train split that operators are learned from.
        seconds: Train the network among them no longer than this.
        seed: Of the network, and of which pairs the classifier is tested on.

    Returns:
        ``pairs``; ``visible``, accuracy of a linear classifier of differences, and ``visible_sizes``, of differences
        and their absolute values, both on held-out grids; and for each transform and way ``exact``, ``hits``, ``mrr``,
        ``blank`` (share of empty results) and ``wrong_color`` (share of results with a colour that does not belong).
    """
    subject = Subject(codec)
    source, targets = transformed(corpus.test, limit)
    size = (source.shape[1], source.shape[2])
    log.info("%d grids, each moved, turned and scaled", len(source))
    before, after = subject.encode(source), [subject.encode(target) for target in targets]
    if subject.objects:
        per = codec.latent_dim // (codec.model.slots or 1)
        slots = before.reshape(len(source), -1, per)
        differences = [slot_differences(slots, codes.reshape(slots.shape)) for codes in after]
        order: Callable[[Numbers], Numbers] = lambda codes: in_order(codes, per)  # noqa: E731
        codes = subject.codes(source)
        results = {"operation": [program(codes) for program in TRANSFORMS]}
        ways = {name: [(subject.show(one), one.flat) for one in found] for name, found in results.items()}
    else:
        train, val, _ = encoded_pairs(subject, _lessons(corpus, pairs))
        scale = Scale.of(train.source)
        differences = [scale.down(codes) - scale.down(before) for codes in after]
        order = scale.down
        learned = {"ridge": Ridge(train, val, scale), "network": Network(train, val, scale, seconds, seed)}
        ways = {
            name: [(subject.decode(moved, size), moved) for moved in (o(program, before) for program in TRANSFORMS)]
            for name, o in learned.items()
        }
    plain = [differences, [np.concatenate([d, np.abs(d)], 1) for d in differences]]
    visible, sizes = (separability(features, seed) for features in plain)
    rows = []
    for index, (program, target) in enumerate(zip(TRANSFORMS, targets, strict=True)):
        wanted = order(after[index])
        found = {name: _figures(target, *results[index], wanted, order) for name, results in ways.items()}
        found["nothing"] = _figures(target, source, before, wanted, order)
        rows.append({"program": str(program), "figures": found})
    return {"pairs": len(source), "objects": subject.objects, "visible": visible, "visible_sizes": sizes, "rows": rows}


def transformed(grids: Grids, limit: int) -> tuple[Grids, list[Grids]]:
    """The first grids that none of the transforms empties or hides cells of, and what each makes of them.

    Raises:
        DataError: There are fewer than six such grids.
    """
    size = (grids.shape[1], grids.shape[2])
    sources: list[Grids] = []
    found: list[list[Grids]] = []
    for grid in grids:
        if len(sources) == limit:
            break
        scene = objects_of(grid)
        results = [apply(program, scene, size) for program in TRANSFORMS]
        if scene and not any(hidden(result, size) for result in results):
            sources.append(grid)
            found.append([draw(result, size) for result in results])
    if len(sources) < 6:
        raise DataError(f"only {len(sources)} test grids can be moved, turned and scaled without hiding cells; need 6")
    return np.stack(sources), list(np.array(found).swapaxes(0, 1))


def _lessons(corpus: Corpus, pairs: int) -> Any:
    source = np.concatenate([corpus.train[:pairs], corpus.val[: max(1, pairs // 5)]])
    return lessons_of(source, min(pairs, len(corpus.train)), TRANSFORMS)


def slot_differences(before: Numbers, after: Numbers) -> Numbers:
    """Differences of two sets of objects each, ``(N, K, 3 + S)`` to ``(N, K (3 + S))``.

    Each object is taken from its partner, the objects being paired so that colours agree and places and shapes are
    as near as can be; the differences stand in the order of the first set. An object without a partner gives zeros.
    """
    result = np.zeros_like(before)
    for one, other, row in zip(before, after, result, strict=True):
        here, there = (np.flatnonzero(slots[:, _COLOR].round() > 0) for slots in (one, other))
        distance = np.linalg.norm(one[here, None] - other[None, there], axis=2)
        distance += _OTHER_COLOR * (one[here, None, _COLOR] != other[None, there, _COLOR])
        for first, second in zip(*linear_sum_assignment(distance), strict=True):
            row[here[first]] = other[there[second]] - one[here[first]]
    return result.reshape(len(result), -1)


def in_order(codes: Numbers, per: int) -> Numbers:
    """Codes of objects ``(N, K (3 + S))`` with filled slots first, by row, column and colour; as few slots as will do.

    Codes of the same objects are then the same numbers, whichever slots the objects were in.
    """
    slots = codes.reshape(len(codes), -1, per)
    empty = slots[..., _COLOR].round() <= 0
    keys = [slots[..., part] for part in (_COLOR, 1, 0)]
    rank = np.lexsort([*keys, empty], axis=1)
    ordered: Numbers = np.take_along_axis(np.where(empty[..., None], 0, slots), rank[..., None], 1)
    return ordered.reshape(len(codes), -1)


def separability(features: Sequence[NDArray[np.floating[Any]]], seed: int) -> float:
    """Accuracy of logistic regression that tells classes apart, on grids that it was not trained on.

    Args:
        features: ``(N, L)`` of each class, row i of each being of the same grid.
        seed: Which fifth of the grids is held out.
    """
    count = len(features[0])
    shuffled = np.random.default_rng(seed).permutation(count)
    held, rest = shuffled[: max(1, count // 5)], shuffled[max(1, count // 5) :]
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    labels = np.arange(len(features))
    model.fit(np.concatenate([part[rest] for part in features]), labels.repeat(len(rest)))
    accuracy = model.score(np.concatenate([part[held] for part in features]), labels.repeat(len(held)))
    return float(accuracy)


def retrieval(query: NDArray[np.floating[Any]], keys: NDArray[np.floating[Any]]) -> dict[str, float]:
    """How well each query ``(N, L)`` finds the key of its own row among all keys ``(N, L')``, by Euclidean distance.

    The shorter of the two is filled up with zeros. A key as near as the right one counts as half before it.

    Returns:
        ``hits``: share of queries that have the right key as the nearest, in which ties count in proportion; ``mrr``:
        mean of one over its rank.
    """
    length = max(query.shape[1], keys.shape[1])
    ours, theirs = (np.pad(part.astype(np.float64), ((0, 0), (0, length - part.shape[1]))) for part in (query, keys))
    distance = np.stack([np.sqrt(np.square(one - theirs).sum(1)) for one in ours])
    right = np.diagonal(distance)[:, None]
    nearer, tied = (distance < right - 1e-6).sum(1), (np.abs(distance - right) <= 1e-6).sum(1)
    return {
        "hits": float(np.where(nearer == 0, 1 / tied, 0).mean()),
        "mrr": float((1 / (1 + nearer + (tied - 1) / 2)).mean()),
    }


def _figures(
    target: Grids, shown: Grids, moved: Numbers, wanted: Numbers, order: Callable[[Numbers], Numbers]
) -> dict[str, float]:
    found, there = (np.stack([(grids == color).any((1, 2)) for color in range(1, 10)], 1) for grids in (shown, target))
    return {
        "exact": float(exact_match(target, shown).mean()),
        **retrieval(order(moved), wanted),
        "blank": float((shown == 0).all((1, 2)).mean()),
        "wrong_color": float((found & ~there).any(1).mean()),
    }


def transforms_markdown(results: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """The report: what is visible, what operations do, and what follows."""
    pairs = next(iter(results.values()))[0]["pairs"]
    lines = [
        "# Three transforms of codes", "",
        f"{pairs} grids of the test split, each moved, turned and scaled in pixels. *Visible*: accuracy of a linear "
        "classifier that says from the difference of two codes which of the three was done, on held-out grids; then "
        "from the difference and its absolute values. Of codes of objects, each object is taken from its partner (of "
        "the same colour, the nearest) and stays in its slot. *Exact*: what the code after the operation shows. "
        "*Hits@1* and *MRR*: finding the code of the transformed grid among all of them by distance; of codes of "
        "objects with the slots sorted by row, column and colour. For codes without objects the operators were learned "
        f"on the train split. By chance: .333 visible, Hits@1 {1 / pairs:.3f}.", "",
        row_of(["", "visible", "with sizes", "transform", "way", "exact", "Hits@1", "MRR", "blank", "wrong colour"]),
        row_of(["---"] * 10),
    ]  # fmt: skip
    verdicts = []
    for name, runs in results.items():
        seen = [cell(run[key] for run in runs) for key in ("visible", "visible_sizes")]
        for index, row in enumerate(runs[0]["rows"]):
            for way in row["figures"]:
                same = [run["rows"][index]["figures"][way] for run in runs]
                keys = ("exact", "hits", "mrr", "blank", "wrong_color")
                cells = [cell(one[key] for one in same) for key in keys]
                lines.append(row_of([name, *seen, f"`{row['program']}`", way, *cells]))
        verdicts.append(f"- {name}: {_verdict(runs)}")
    return "\n".join([*lines, "", "## Go or no-go", "", *verdicts]) + "\n"


def _verdict(runs: Sequence[Mapping[str, Any]]) -> str:
    """What follows for one variant, from the mean over transforms of the better way.

    To go on also takes that next to no result is blank or has a colour that does not belong.
    """
    ways = [way for way in runs[0]["rows"][0]["figures"] if way != "nothing"]
    best = max(ways, key=lambda way: _over(runs, way, "exact"))
    right, blank, wrong = (_over(runs, best, key) for key in ("exact", "blank", "wrong_color"))
    clean = max(blank, wrong) <= _RARE
    word = gate(right) if clean or gate(right) != "go" else "iterate"
    each = [
        f"`{row['program']}` {value:.3f}, {gate(value)}"
        for i, row in enumerate(runs[0]["rows"])
        for value in [_mean(run["rows"][i]["figures"][best]["exact"] for run in runs)]
    ]
    return (
        f"**{word.upper()}**: {right:.3f} of transformed grids exact ({best}; {'; '.join(each)}); {blank:.3f} blank "
        f"and {wrong:.3f} with a wrong colour, {'next to none' if clean else 'too many'}."
    )


def _over(runs: Sequence[Mapping[str, Any]], way: str, key: str) -> float:
    """Mean over runs and transforms."""
    return _mean(row["figures"][way][key] for run in runs for row in run["rows"])


def _mean(values: Iterable[float]) -> float:
    there = list(values)
    return sum(there) / len(there)
