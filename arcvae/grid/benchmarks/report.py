"""The report on the benchmark of operations, in Markdown: gates, programs beside controls, depth, errors, laws."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from arcvae.grid.benchmarks.operations import CONTROLS
from arcvae.grid.benchmarks.scoring import GO, ITERATE, KINDS, gate
from arcvae.training.comparison import Summary

Runs = Sequence[Mapping[str, Any]]
"""Results of the runs of one variant."""

_KINDS_OF_CHAINS: Final = {"all": "all operations", "exact": "operations that redraw nothing"}
_EXPLAINED: Final = (
    "Exact match and F1 of coloured cells of what codes show after a program, against the same done in pixels by an "
    "independent oracle, on grids of the test split. Clear cases are those in which no cell of an object ends outside "
    "of the grid or under another object; *with hidden* counts the first grids as they come, *fits* the clear ones in "
    "which no object outgrows a slot on the way and no grid has more objects than slots. */ source* and */ target* are "
    "the exact match divided by that of plainly reconstructing the grid before and after.",
    "Controls, on the clear cases. *black*: an empty grid, which intersections often leave. *nothing*: the code as it "
    "was. *mean difference*, *ridge*, *network*: learned from code to code on pairs of the train split, one network "
    "for all steps, and a penalty of ridge regression for each that the validation split chooses; a program of several "
    "steps composes them, which was not trained. *pixels*: decode, find the objects, operate on them in pixels, "
    "encode, decode. *renderer*: what the oracle draws of the objects as codes cut them or leave them out; 1 by "
    "construction for codes without objects.",
    "For codes without objects there is no operation: the better of ridge and network on the validation split counts.",
)


def cell(values: Iterable[float | None]) -> str:
    """A figure over runs, ``mean ± spread``; a dash without values.

    Example:
        >>> cell([0.5]), cell([None]), cell([0.5, 0.7])
        ('0.500', '—', '0.600 ± 0.141')
    """
    return str(Summary(tuple(value for value in values if value is not None)))


def row_of(cells: Iterable[object]) -> str:
    """A row of a table."""
    return "| " + " | ".join(map(str, cells)) + " |"


def exact(row: Mapping[str, Any], way: str, mask: str = "clear") -> float | None:
    """Exact match of one row of results; None without such cases or way."""
    found = row["figures"].get(way, {}).get(mask)
    value: float | None = None if found is None else found["exact"]
    return value


def operations_of(run: Mapping[str, Any]) -> dict[str, list[Mapping[str, Any]]]:
    """The rows of single steps, by operation."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for row in run["programs"]:
        if len(row["operations"][0]) == 1:
            found.setdefault(row["operations"][0][0], []).append(row)
    return found


def mean_exact(run: Mapping[str, Any], operation: str, way: str | None = None, mask: str = "clear") -> float | None:
    """Mean over an operation's arguments of the exact match of a way; None: of that which counts."""
    values = [exact(row, way or run["main"], mask) for row in operations_of(run)[operation]]
    there = [value for value in values if value is not None]
    return sum(there) / len(there) if there else None


def gates(results: Mapping[str, Runs]) -> list[str]:
    """A table of what follows from the exact match of each operation, a column for each variant."""
    first = next(iter(results.values()))[0]
    lines = [
        f"Exact match on clear cases, mean over arguments; {GO:.2f} and more: go, {ITERATE:.2f} to {GO:.2f}: iterate, "
        "below: stop. In brackets: doing nothing.", "",
        row_of(["operation", *results]), row_of(["---"] * (1 + len(results))),
    ]  # fmt: skip
    for operation in operations_of(first):
        cells = []
        for runs in results.values():
            values = [mean_exact(run, operation) for run in runs]
            there = [value for value in values if value is not None]
            verdict = f" **{gate(sum(there) / len(there))}**" if there else ""
            nothing = cell(mean_exact(run, operation, "nothing") for run in runs)
            cells.append(f"{cell(values)}{verdict} ({nothing})")
        lines.append(row_of([operation, *cells]))
    return lines


def depths(results: Mapping[str, Runs]) -> list[str]:
    """A table of chains by depth, a column for each variant."""
    first = next(iter(results.values()))[0]
    lines = [row_of(["chains of", "depth", *results]), row_of(["---"] * (2 + len(results)))]
    for index, row in enumerate(first["chains"]):
        cells = [cell(exact(run["chains"][index], run["main"]) for run in runs) for runs in results.values()]
        lines.append(row_of([_KINDS_OF_CHAINS[row["kind"]], row["depth"], *cells]))
    return lines if first["chains"] else []


def summary(results: Mapping[str, Runs]) -> str:
    """Gates and depths."""
    lines = ["# Operations on codes", "", "## Gates", "", *gates(results)]
    if table := depths(results):
        lines += ["", "## Chains", "", "Exact match on clear cases.", "", *table]
    return "\n".join(lines) + "\n"


def markdown(results: Mapping[str, Runs]) -> str:
    """The whole report."""
    lines = [summary(results)]
    for text in _EXPLAINED:
        lines += [text, ""]
    for name, runs in results.items():
        lines += _variant(name, runs)
    return "\n".join(lines).rstrip() + "\n"


def _variant(name: str, runs: Runs) -> list[str]:
    first = runs[0]
    lines = [f"## {name}", "", _facts(runs), "", *_programs(runs)]
    lines += ["", *_by_objects(runs), "", *_laws(runs), ""]
    if first["chains"]:
        lines += ["Chains:", "", *(f"- `{text}`" for row in first["chains"] for text in row["chains"]), ""]
    return lines


def _facts(runs: Runs) -> str:
    first, training = runs[0], runs[0]["training"]
    limits = first["limits"]
    kind = "Codes without objects"
    if limits:
        most = f"{limits['max_cells']} cells, {limits['frame']} high and wide"
        kind = f"Codes of up to {limits['slots']} objects of at most {most}"
    plain = [run["plain"] for run in runs]
    return (
        f"{kind}. Plain reconstruction is exact for {cell(one['exact'] for one in plain)} of {plain[0]['grids']:,} "
        f"test grids; 1,000 of them take {cell(one['encode_seconds'] for one in plain)} s to encode and "
        f"{cell(one['decode_seconds'] for one in plain)} s to decode. Learned operators: {training['pairs']:,} pairs "
        f"of each of {training['steps']} steps; ridge regression {training['ridge_seconds']:.1f} s, network "
        f"{training['network_epochs']} epochs in {training['network_seconds']:.0f} s, error on validation "
        f"{training['ridge_error']:.2f} and {training['network_error']:.2f} of the variance of codes. "
        f"What counts is the {first['main']}."
    )


def _programs(runs: Runs) -> list[str]:
    first = runs[0]
    main = first["main"]
    extra = list(dict.fromkeys(w for r in first["programs"] for w in r["figures"] if w in ("refined", "via codes")))
    fits = ["fits"] if first["limits"] else []
    controls = [name for name in CONTROLS if name != main]
    head = ["program", "cases", "exact", "/ source", "/ target", *fits, "with hidden", "F1", *extra, *controls, "s"]
    lines = ["Seconds are those of 1,000 grids, from codes to decoded grids.", ""]
    lines += [row_of(head), row_of(["---"] * len(head))]
    for part in ("programs", "chains"):
        for index, row in enumerate(first[part]):
            same = [run[part][index] for run in runs]
            lines.append(
                row_of([
                    _name(row), row["cases"]["clear"], cell(exact(one, main) for one in same),
                    *(cell(_ratio(one, main, by) for one in same) for by in ("source", "target")),
                    *([cell(exact(one, main, "fit") for one in same)] if fits else []),
                    cell(exact(one, main, "every") for one in same),
                    cell(one["figures"][main]["clear"]["f1"] for one in same),
                    *(cell(exact(one, way) for one in same) for way in (*extra, *controls)),
                    cell(one["seconds"][main] for one in same),
                ])
            )  # fmt: skip
    return lines


def _name(row: Mapping[str, Any]) -> str:
    """Of a program, its text as a cell of a table can hold it; of chains, their depth."""
    if "program" in row:
        return "`{}`".format(row["program"].replace("|", r"\|"))
    return f"depth {row['depth']}, {_KINDS_OF_CHAINS[row['kind']]}"


def _ratio(row: Mapping[str, Any], way: str, by: str) -> float | None:
    ours, plain = exact(row, way), exact(row, by)
    return None if ours is None or not plain else ours / plain


def _by_objects(runs: Runs) -> list[str]:
    counts = ("1", "2", "3", "4")
    head = ["operation", "1 object", "2 objects", "3 objects", "4 or more", *KINDS]
    lines = ["Exact match by number of objects, and wrong objects per 1,000 grids by kind, on clear cases:", ""]
    lines += [row_of(head), row_of(["---"] * len(head))]
    groups = {name: [operations_of(run)[name] for run in runs] for name in operations_of(runs[0])}
    groups |= {_name(row): [[run["chains"][i]] for run in runs] for i, row in enumerate(runs[0]["chains"])}
    main = runs[0]["main"]
    for name, rows in groups.items():
        found = [[row["figures"].get(main, {}) for row in of_run] for of_run in rows]
        cells = [_cell_of(found, "by_objects", count) for count in counts] + [
            _cell_of(found, "errors", kind) for kind in KINDS
        ]
        lines.append(row_of([name, *cells]))
    return lines


def _cell_of(found: Sequence[Sequence[Mapping[str, Any]]], part: str, key: str) -> str:
    """A figure of some rows of each run, mean over rows."""
    return cell(_mean(row.get(part, {}).get(key) for row in rows) for rows in found)


def _mean(values: Iterable[float | None]) -> float | None:
    there = [value for value in values if value is not None]
    return sum(there) / len(there) if there else None


def _laws(runs: Runs) -> list[str]:
    lines = [
        "Laws that operations should keep: the largest difference of a number, root mean square of the differences "
        "over that of the codes' deviations from their mean, share of grids that decode to the same:", "",
        row_of(["", "law", "largest", "relative", "same grids"]), row_of(["---"] * 5),
    ]  # fmt: skip
    for way, laws in runs[0]["residuals"].items():
        for index, law in enumerate(laws):
            same = [run["residuals"][way][index] for run in runs]
            cells = [_short(max(one["largest"] for one in same)), cell(one["relative"] for one in same)]
            lines.append(row_of([way, law["law"], *cells, cell(one["same"] for one in same)]))
    return lines


def _short(value: float) -> str:
    return "0" if not value else "—" if math.isnan(value) else f"{value:.2g}"
