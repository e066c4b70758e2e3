"""The explorer in a real browser: it computes what torch computes, answers to hands and keys, and asks for nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from arcvae import operations as ops
from arcvae.grid.codec import Codec
from arcvae.grid.codes.object_codes import ObjectCodes
from arcvae.grid.codes.object_prior import ObjectPrior
from arcvae.grid.codes.prior_files import OF_RUN, load_prior, save_prior
from arcvae.grid.corpus.generator import generate_grids
from arcvae.grid.models.beta_vae import BetaVAE
from arcvae.grid.models.objects import ObjectsVAE
from arcvae.grid.page.explorer import explorer_data, explorer_part, keep_prior
from tests.grid.models.test_parsing import ARMS, DIAGONALS
from tests.grid.page.conftest import Opened

AS_OBJECTS = "(n, i) => ({ row: n[0], column: n[1], color: n[2], shape: n.slice(3), head: i })"
STATE = (
    "(() => { const s = explorer.state(); return { grid: s.grid, drawn: s.drawn, code: s.code, steps: s.steps }; })()"
)


def state(opened: Opened) -> dict[str, Any]:
    found: dict[str, Any] = opened.page.evaluate(STATE)
    return found


def center(opened: Opened, board: str, row: float, column: float, size: int = 16) -> tuple[float, float]:
    """Where the middle of a cell of a board is on the screen."""
    opened.page.locator(f"#explorer-{board}").scroll_into_view_if_needed()
    box = opened.page.locator(f"#explorer-{board}").bounding_box()
    return box["x"] + (column + 0.5) * box["width"] / size, box["y"] + (row + 0.5) * box["height"] / size


def paint(opened: Opened, cells: list[tuple[int, int]], color: int) -> None:
    opened.page.get_by_role("radio", name=f"Colour {color}", exact=True).click()
    for cell in cells:
        opened.page.mouse.click(*center(opened, "grid", *cell))


def download(opened: Opened, name: str) -> str:
    with opened.page.expect_download() as found:
        opened.page.get_by_role("button", name=name, exact=True).click()
    return str(Path(found.value.path()).read_text())


def messy_grids() -> list[np.ndarray]:
    """Objects as in a corpus, objects that touch, and components that must be cut or cannot be."""
    rng = np.random.default_rng(0)
    grids = [*generate_grids("atomic", 40, seed=9)[0]]
    for height, width, share in ((10, 12, 0.2), (16, 16, 0.3), (7, 30, 0.3), (30, 30, 0.1), (5, 5, 0.9), (12, 3, 0.8)):
        some = rng.random((height, width)) < share
        grids.append((some * rng.integers(1, 3, (height, width))).astype(np.uint8))
    corner, block = np.zeros((20, 20), dtype=np.uint8), np.zeros((20, 20), dtype=np.uint8)
    corner[2:12, 2:4] = corner[2:4, 2:14] = 3
    block[2:10, 2:10] = 3
    thin = [(lit * 4).astype(np.uint8) for lit in (DIAGONALS, ARMS)]
    for _ in range(4):
        lines = rng.random(20) < 0.12
        thin.append(((lines | (rng.random(20) < 0.12)[:, None]) * 5).astype(np.uint8))
    return [*grids, corner, block, *thin]


@pytest.mark.slow
def test_decoded_grids_are_those_of_torch_on_200_random_codes(opened: Opened, codec: Codec) -> None:
    z = codec.model.sample_prior(200, torch.Generator().manual_seed(1))
    z[100:, 0] += 0.3  # parts of a cell, which draw between cells
    numbers = codec.model.slot_numbers(z).numpy()
    ours = codec.decode(ObjectCodes(numbers, size=(16, 16), codec=codec))
    theirs = opened.page.evaluate(
        f"(codes) => codes.map((code) => explorer.model.decode(code.map({AS_OBJECTS}), 16, 16))", numbers.tolist()
    )
    assert len(np.unique(ours)) == 10
    assert np.array_equal(np.array(theirs), ours)


@pytest.mark.slow
def test_codes_of_grids_are_those_of_torch(opened: Opened, codec: Codec) -> None:
    grids, cut, lost = messy_grids(), 0, 0
    found = opened.page.evaluate(
        "(grids) => grids.map((grid) => explorer.model.encode(grid))", [grid.tolist() for grid in grids]
    )
    for grid, theirs in zip(grids, found, strict=True):
        ours = codec.codes(grid[None])
        here, assigned = ours.filled[0], ours.part_of
        assert assigned is not None
        numbers = [[o["row"], o["column"], o["color"], *o["shape"]] for o in theirs["objects"]]
        assert np.abs(np.array(numbers).reshape(-1, 11) - ours.numbers[0, here]).max(initial=0) < 1e-5
        assert [o["head"] for o in theirs["objects"]] == assigned[0, here].tolist()
        assert ours.left_out is not None
        assert theirs["leftOut"] == ours.left_out[0]
        cut, lost = cut + int((assigned[0] != np.arange(6)).any()), lost + int(ours.left_out[0])
    assert min(cut, lost) > 1  # otherwise a search without cuts would pass


@pytest.mark.slow
def test_grid_is_painted_dragged_changed_and_downloaded(opened: Opened, codec: Codec) -> None:
    paint(opened, [(2, 2), (2, 3), (3, 2), (4, 2)], 3)
    paint(opened, [(10, 8), (10, 9), (10, 10)], 5)
    start = np.array(state(opened)["grid"], dtype=np.uint8)
    assert np.argwhere(start == 3).tolist() == [[2, 2], [2, 3], [3, 2], [4, 2]]
    assert np.argwhere(start == 5).tolist() == [[10, 8], [10, 9], [10, 10]]
    assert opened.page.locator("#explorer-match").inner_text() == "Exact match"
    opened.page.mouse.move(*center(opened, "drawn", 3, 2))
    opened.page.mouse.down()
    opened.page.mouse.move(*center(opened, "drawn", 6, 7), steps=4)
    opened.page.mouse.up()
    for name in ("Rotate 90°", "Flip left-right", "Duplicate"):
        opened.page.get_by_role("button", name=name, exact=True).click()
    opened.page.get_by_label("all objects").check()
    opened.page.get_by_role("radio", name="Colour 7", exact=True).click()
    opened.page.get_by_role("button", name="Recolour").click()
    text = download(opened, "Program").strip()
    assert text == (
        "translate(dy=3, dx=5, objects=0) | rotate(90, about='object', objects=0) | "
        "reflect_y(about='object', objects=0) | duplicate(dy=2, dx=2, objects=0) | recolor(7)"
    )
    program = ops.Program.parse(text)
    assert str(program) == text
    codes = program(codec.codes(start[None]))
    assert np.array_equal(codec.decode(codes)[0], np.array(state(opened)["drawn"]))
    # What should be drawn is what the same operations do to cells: an L and its mirror image, turned, and a line.
    assert json.loads(download(opened, "Grid")) == state(opened)["grid"]
    (pair,) = json.loads(download(opened, "Start of the program and result"))["train"]
    assert (pair["input"], pair["output"]) == (start.tolist(), state(opened)["grid"])
    assert (np.array(state(opened)["grid"]) == 7).sum() == 4 + 4 + 3
    code = json.loads(download(opened, "Code"))
    assert code["size"] == [16, 16]
    assert np.abs(np.array(code["numbers"]) - codes.numbers[0, :3]).max() < 1e-5
    before = state(opened)["steps"]
    opened.page.get_by_role("button", name="Undo").click()
    assert state(opened)["steps"] == before[:-1]
    assert (np.array(state(opened)["grid"]) == 7).sum() == 0
    opened.page.get_by_role("button", name="Redo").click()
    assert state(opened)["steps"] == before
    assert [url for url in opened.requests if not url.startswith("blob:")] == [opened.address]
    assert opened.complaints == []


@pytest.mark.slow
def test_nothing_vanishes_unannounced(opened: Opened) -> None:
    paint(opened, [(2, 13), (2, 14)], 3)
    opened.page.mouse.move(*center(opened, "drawn", 2, 13))
    opened.page.mouse.down()
    opened.page.mouse.move(*center(opened, "drawn", 2, 15), steps=4)
    opened.page.mouse.up()
    assert np.argwhere(np.array(state(opened)["drawn"]) == 3).tolist() == [[2, 15]]  # a part of it stays to be seen
    before = state(opened)
    opened.page.get_by_role("button", name="Move right").click()
    assert "off the grid, so that nothing was moved" in opened.page.get_by_role("alert").inner_text()
    assert state(opened) == before
    paint(opened, [(9, 9)], 4)
    assert (
        "This begins a new program; Undo brings the former one back." in opened.page.locator("#explorer").inner_text()
    )
    opened.page.get_by_role("button", name="Undo").click()
    assert state(opened) == before
    opened.page.get_by_role("button", name="Empty grid").click()
    assert opened.page.locator("#explorer-match").inner_text() == "An empty grid"
    assert opened.page.locator("#explorer-source").input_value() == ""  # none of those that are offered


@pytest.mark.slow
def test_everything_can_be_done_with_the_keyboard(opened: Opened) -> None:
    page = opened.page
    page.get_by_role("button", name="Empty grid").focus()
    page.keyboard.press("Enter")
    page.locator("#explorer-grid").focus()
    for key in ("4", "ArrowDown", "ArrowRight", "Space", "ArrowRight", "Enter"):
        page.keyboard.press(key)
    assert np.argwhere(np.array(state(opened)["grid"]) == 4).tolist() == [[1, 1], [1, 2]]
    page.locator("#explorer-drawn").focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowRight"):
        page.keyboard.press(key)
    assert page.locator("#explorer-program").inner_text() == "translate(dy=2, dx=1, objects=0)"
    page.keyboard.press("Control+z")
    assert page.locator("#explorer-program").inner_text() == "translate(dy=2, objects=0)"
    page.keyboard.press("Control+Shift+z")
    assert np.argwhere(np.array(state(opened)["drawn"]) == 4).tolist() == [[3, 2], [3, 3]]
    slider(opened, "column").focus()
    for _ in range(2):
        page.keyboard.press("ArrowRight")
    assert np.argwhere(np.array(state(opened)["drawn"]) == 4).tolist() == [[3, 4], [3, 5]]
    assert page.locator("#explorer-program").inner_text() == "translate(dy=2, dx=3, objects=0)"
    assert opened.complaints == []


def paste(opened: Opened, text: str) -> None:
    """Begin with a grid that is given as text."""
    opened.page.locator("#explorer .paste").evaluate("(details) => { details.open = true; }")
    opened.page.locator("#explorer-text").fill(text)
    opened.page.get_by_role("button", name="Use this").click()


def slider(opened: Opened, name: str) -> Any:
    return opened.page.locator("#explorer-sliders label", has_text=name).locator("input")


def slide(opened: Opened, name: str, *values: float) -> None:
    """Move a slider over some values and let it go."""
    slider(opened, name).evaluate(
        "(input, values) => { for (const v of values) { input.value = v; input.oninput(); } input.onchange(); }", values
    )


@pytest.mark.slow
def test_sliders_of_place_and_colour_are_steps_of_the_program_and_one_of_a_shape_begins_anew(opened: Opened) -> None:
    page = opened.page
    paste(opened, json.dumps([[0, 0, 0, 0], [0, 3, 3, 0], [0, 0, 0, 0], [0, 0, 0, 0]]))
    program, match = page.locator("#explorer-program"), page.locator("#explorer-match")
    slide(opened, "row", 2.0, 3.0, 2.0)
    slide(opened, "colour", 5, 7, 6)
    assert program.inner_text() == "translate(dy=1, objects=0) | recolor(6, objects=0)"
    assert np.argwhere(np.array(state(opened)["drawn"]) == 6).tolist() == [[2, 1], [2, 2]]
    assert match.inner_text() == "Exact match"
    slide(opened, "colour", 9, 6)  # there and back
    assert program.inner_text() == "translate(dy=1, objects=0) | recolor(6, objects=0)"
    page.get_by_role("button", name="Undo").click()
    page.get_by_role("button", name="Undo").click()
    assert program.inner_text() == "(no steps yet)"
    slide(opened, "shape 1", 2.5)
    assert "Exact match" not in match.inner_text()  # there is nothing that it could fail to match
    page.get_by_role("button", name="Flip up-down").click()
    assert "Exact match" not in match.inner_text()
    assert program.inner_text() == "reflect_x(about='object', objects=0)"
    assert opened.complaints == []


@pytest.mark.slow
def test_copies_of_copies_lie_beside_each_other(opened: Opened) -> None:
    page = opened.page
    paste(opened, json.dumps([[3] + [0] * 11] + [[0] * 12] * 11))
    for _ in range(3):
        page.get_by_role("button", name="Duplicate").click()
    assert np.argwhere(np.array(state(opened)["grid"])).tolist() == [[k, k] for k in (0, 2, 4, 6)]


@pytest.mark.slow
def test_walk_and_draws_are_codes_that_can_be_moved_on(opened: Opened, codec: Codec) -> None:
    page = opened.page
    page.get_by_role("button", name="Draw from the prior").click()
    page.get_by_role("button", name="Keep as start").click()
    first = state(opened)["drawn"]
    page.get_by_role("button", name="Draw from the prior").click()
    page.get_by_role("button", name="Keep as end").click()
    second = state(opened)["drawn"]
    walk = page.locator("#explorer-walk")
    for share, expected in ((0, first), (1, second)):
        walk.evaluate("(slider, share) => { slider.value = share; slider.oninput(); slider.onchange(); }", share)
        assert state(opened)["drawn"] == expected
    assert first != second
    page.get_by_role("button", name="Draw from the prior").click()
    drawn = np.array(state(opened)["drawn"], dtype=np.uint8)
    assert 0 < (drawn > 0).sum() < 100
    assert len(state(opened)["code"]["objects"]) == codec.codes(drawn[None]).filled.sum()  # none touch in one colour
    page.get_by_role("button", name="Move down").click()
    assert page.locator("#explorer-program").inner_text() == "translate(dy=1, objects=0)"
    assert "Exact match" not in page.locator("#explorer-match").inner_text()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("hello", "This is neither JSON nor rows of digits"),
        ("[[0, 1], [2]]", "row 1 has 1 cells, row 0 has 2"),
        ("[[0, 12]]", "cell [0][1] is 12; colours are 0 to 9"),
        ("[[0, 0.5]]", "cell [0][1] is 0.5"),
        ('{"train": []}', "This task of ARC has no grids"),
        ('{"name": 1}', "a grid is a list of rows"),
        ("null", "a grid is a list of rows"),
        (json.dumps([[0] * 31] * 31), "31 x 31 cells; grids have at most 30 x 30"),
        ("[" * 100_000, "This is neither JSON nor rows of digits"),
    ],
)  # fmt: skip
def test_nonsense_is_refused_and_changes_nothing(opened: Opened, given: str, said: str) -> None:
    before = state(opened)
    paste(opened, given)
    assert said in opened.page.get_by_role("alert").inner_text()
    assert state(opened) == before
    assert opened.complaints == []


@pytest.mark.slow
@pytest.mark.parametrize("width", [400, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_is_as_wide_as_the_window_and_follows_its_scheme(opened: Opened, width: int, scheme: str) -> None:
    opened.page.set_viewport_size({"width": width, "height": 800})
    opened.page.emulate_media(color_scheme=scheme)
    assert opened.page.evaluate("document.documentElement.scrollWidth") == width
    tops = "[...document.querySelectorAll('#explorer-palette button')].map((button) => button.offsetTop)"
    assert len(set(opened.page.evaluate(tops))) == 1  # no colour alone on a line
    ink, back = (
        opened.page.evaluate(f"getComputedStyle(document.body).{name}.match(/\\d+/g).map(Number)")
        for name in ("color", "backgroundColor")
    )
    assert abs(sum(ink) - sum(back)) > 500
    assert (sum(back) > sum(ink)) == (scheme == "light")


@pytest.mark.slow
def test_task_of_arc_is_opened_and_a_file_of_20_mb_is_refused(opened: Opened, tmp_path: Path) -> None:
    grid = np.zeros((5, 7), dtype=int)
    grid[1, 2:4] = 8
    task = {"train": [{"input": [[1]], "output": grid.tolist()}], "test": [{"input": [[0, 2]], "output": [[2, 0]]}]}
    (tmp_path / "task.json").write_text(json.dumps(task))
    (tmp_path / "large.json").write_text("[" + "0," * 10_000_000 + "0]")
    chosen = opened.page.locator("#explorer-file")
    chosen.set_input_files(tmp_path / "task.json")
    opened.page.wait_for_selector("#explorer-source option:has-text('task.json')", state="attached")
    opened.page.locator("#explorer-source").select_option("task.json, train 1, output")
    assert state(opened)["grid"] == grid.tolist()
    assert state(opened)["drawn"] == grid.tolist()
    chosen.set_input_files(tmp_path / "large.json")
    opened.page.wait_for_selector("#explorer-problem:not([hidden])")
    said = opened.page.get_by_role("alert").inner_text()
    assert said == ("large.json: This is 20.0 MB; a task of ARC has some kB, and more than 2 MB are not read.")
    assert state(opened)["grid"] == grid.tolist()


def test_data_is_the_model_and_small_enough_for_a_page(codec: Codec) -> None:
    assert isinstance(codec.model, ObjectsVAE)
    assert isinstance(codec.code_prior, ObjectPrior)
    data = explorer_data(codec.model, codec.code_prior)
    assert set(data["layout"]) == {"encoder", "decoder", "prior"}
    assert sum(length for part in data["layout"].values() for _, length in part.values()) * 4 * 4 / 3 < 5.3e6
    assert "prior" not in explorer_data(codec.model, None)["layout"]


def test_other_codes_have_no_explorer(tmp_path: Path) -> None:
    keep_prior(BetaVAE(), torch.zeros(4, 16, 16, dtype=torch.uint8), tmp_path, seed=0)
    assert list(tmp_path.iterdir()) == []
    assert explorer_part(Codec(BetaVAE()), tmp_path) is None


def test_prior_of_a_run_folder_is_taken_if_it_is_that_of_the_model(tmp_path: Path) -> None:
    model = ObjectsVAE(width=8)
    grids, _ = generate_grids("atomic", 40, seed=0)
    keep_prior(model, torch.from_numpy(grids), tmp_path, seed=0)
    assert isinstance(load_prior(tmp_path / OF_RUN, model), ObjectPrior)
    part = explorer_part(Codec(model), tmp_path)
    assert part is not None
    assert part.data is not None
    assert "prior" in part.data["layout"]
    other = ObjectsVAE(width=8)
    save_prior(tmp_path / OF_RUN, ObjectPrior(6, 10, 8, 2), other)
    part = explorer_part(Codec(model), tmp_path)
    assert part is not None
    assert part.data is not None
    assert "prior" not in part.data["layout"]
