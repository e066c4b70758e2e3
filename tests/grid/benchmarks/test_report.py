"""The report: figures in the cells where they belong, gates, means over runs."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from arcvae.grid.benchmarks import report
from arcvae.grid.benchmarks.scoring import gate

Run = dict[str, Any]


def table(text: str, heading: str) -> dict[str, list[str]]:
    """Cells of the first table after some text, by the first cell of a row."""
    lines = text[text.index(heading) :].splitlines()
    first = next(index for index, line in enumerate(lines) if line.startswith("| "))
    rows: dict[str, list[str]] = {}
    for line in lines[first:]:
        if not line.startswith("|"):
            break
        name, *cells = [cell.strip() for cell in line.replace(r"\|", "/").strip("|").split("|")]
        rows[name] = cells
    return rows


@pytest.fixture
def worse(measured: Run) -> Run:
    """The same run with half of its exact matches."""
    run = copy.deepcopy(measured)
    for row in [*run["programs"], *run["chains"]]:
        for masks in (row["figures"]["operation"], row["figures"]["nothing"]):
            for name in ("clear", "every", "fit"):
                if masks[name]["exact"] is not None:
                    masks[name]["exact"] /= 2
    return run


def test_gates_are_printed_for_each_operation_and_variant(measured: Run, worse: Run) -> None:
    rows = table(report.summary({"good": [measured], "bad": [worse]}), "## Gates")
    assert rows["operation"] == ["good", "bad"]
    assert len(rows) == 18
    for operation in ("translate", "union", "tile"):
        for cell, run in zip(rows[operation], (measured, worse), strict=True):
            mean = report.mean_exact(run, operation)
            assert mean is not None
            assert f"{mean:.3f}" in cell
            assert f"**{gate(mean)}**" in cell
    values = [row["figures"]["operation"]["clear"]["exact"] for row in report.operations_of(measured)["rotate"]]
    assert report.mean_exact(measured, "rotate") == pytest.approx(sum(values) / 3)


def test_runs_of_a_variant_are_averaged(measured: Run, worse: Run) -> None:
    rows = table(report.summary({"both": [measured, worse]}), "## Gates")
    assert rows["translate"][0].startswith("0.750 ± 0.354 **iterate**")


def test_programs_stand_beside_their_controls(measured: Run) -> None:
    text = report.markdown({"one": [measured]})
    rows = table(text, "Seconds are those of 1,000 grids")
    head = rows["program"]
    row = measured["programs"][0]
    cells = dict(zip(head, rows[f"`{row['program']}`"], strict=True))
    assert cells["cases"] == str(row["cases"]["clear"])
    for name, way, mask in (
        ("exact", "operation", "clear"), ("with hidden", "operation", "every"), ("fits", "operation", "fit"),
        ("nothing", "nothing", "clear"), ("ridge", "ridge", "clear"), ("renderer", "renderer", "clear"),
    ):  # fmt: skip
        assert cells[name] == report.cell([row["figures"][way][mask]["exact"]])
    assert "`translate(dy=1) / translate(dy=1) / translate(dy=1)`" in rows  # a pipe would end the cell
    assert "depth 5, operations that redraw nothing" in rows
    chains = [text for row in measured["chains"] for text in row["chains"]]
    assert all(f"- `{chain}`" in text for chain in chains)


def test_laws_and_errors_have_tables(measured: Run) -> None:
    text = report.markdown({"one": [measured]})
    assert table(text, "Laws that operations")["operation"][1] == "0"
    cells = table(text, "Exact match by number of objects")["recolor"]
    assert "1.000" in cells[:4]
    assert cells[4:] == ["0.000"] * 5


def test_without_chains_there_is_no_table_of_them(measured: Run) -> None:
    text = report.markdown({"one": [measured | {"chains": []}]})
    assert "Chains" not in text


def test_further_ways_have_columns(measured: Run) -> None:
    run = copy.deepcopy(measured)
    row = run["programs"][0]
    row["figures"]["via codes"] = copy.deepcopy(row["figures"]["nothing"])
    rows = table(report.markdown({"one": [run]}), "Seconds are those of 1,000 grids")
    index = rows["program"].index("via codes")
    assert rows[f"`{row['program']}`"][index] == report.cell([row["figures"]["nothing"]["clear"]["exact"]])
    assert rows[f"`{run['programs'][1]['program']}`"][index] == "—"
